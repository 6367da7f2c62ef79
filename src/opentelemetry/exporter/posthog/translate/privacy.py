"""What must not leave the process as a property, found by the words of a key and by the shape of a value.

Keys match by whole words, split at ``. _ -`` and at camelCase, and only for text: ``input_tokens`` and
``email_verified`` live. Values match only as a whole and only where the shape leaves no doubt. One policy
holds for properties of events and of groups alike, and it is applied before anything is queued or written.

Group keys and distinct ids are identity, not properties: without them there is nothing to report on.
"""

from __future__ import annotations

import hmac
import re
from enum import Enum
from typing import TYPE_CHECKING, Final

from ..settings.model import PrivacyAction

if TYPE_CHECKING:
    from ..settings.model import PrivacyPolicy


class Omitted(Enum):
    """The answer for a value that must not leave; ``None`` would be a value."""

    OMITTED = "omitted"


OMITTED: Final = Omitted.OMITTED

KEY_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "email": ("email", "emails", "e mail", "mailto"),
    "phone": ("phone", "phones", "telephone", "mobile number", "msisdn", "fax", "phonenumber"),
    "password": ("password", "passwords", "passwd", "pwd", "passphrase", "passcode"),
    "secret": (
        "secret", "secrets", "credential", "credentials", "private key", "api key", "apikey", "access key",
        "signing key", "encryption key", "client secret", "connection string", "dsn",
    ),
    "token": (
        "token", "authorization", "bearer", "jwt", "cookie", "cookies", "csrf", "otp", "session key",
        "sessionid",
    ),
    "ssn": (
        "ssn", "social security", "passport", "national id", "tax id", "taxid", "vat id", "drivers license",
        "personal id",
    ),
    "iban": ("iban", "bic", "account number", "sort code", "routing number"),
    "card": ("card number", "cardnumber", "credit card", "creditcard", "cvv", "cvc", "card holder"),
    "customer_id": ("customer id", "customerid", "stripe customer"),
    "created_by": ("created by", "updated by", "modified by", "deleted by", "invited by", "owned by"),
    "name": (
        "first name", "firstname", "last name", "lastname", "full name", "fullname", "given name",
        "family name",        "surname", "username", "user name", "contact name", "owner name",
    ),
    "address": ("street", "postal address", "home address", "billing address", "shipping address"),
    "birth": ("birthday", "birthdate", "birth date", "date of birth", "dob"),
    "ip": ("ip", "ip address", "ipaddress", "remote addr", "forwarded for"),
}  # fmt: skip
"""Pattern -> the words of a key that it looks for, one after the other."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_PATTERN_BY_WORDS: Final = {words: pattern for pattern, phrases in KEY_WORDS.items() for words in phrases}
_LONGEST: Final = max(words.count(" ") + 1 for words in _PATTERN_BY_WORDS)


def key_pattern(key: str) -> str | None:
    """The pattern that one or several whole words of ``key`` match.

    >>> key_pattern("organization.billingEmail"), key_pattern("llm.input_tokens")
    ('email', None)
    """
    words = [word.lower() for word in _WORD.findall(key)]
    for size in range(_LONGEST, 0, -1):
        for start in range(len(words) - size + 1):
            pattern = _PATTERN_BY_WORDS.get(" ".join(words[start : start + size]))
            if pattern is not None:
                return pattern
    return None


# -- shapes of values ---------------------------------------------------------------------------------

_EMAIL = re.compile(r"(?:mailto:)?[^\s@<>,;:/]+@[^\s@<>,;:/]+\.[^\s@<>,;:/.]{2,}", re.IGNORECASE)
_NAMED_EMAIL = re.compile(r"[^<>@]*<[^\s@<>]+@[^\s@<>]+>")
_TOKEN_HEADS: Final = (
    r"[sr]k_(?:live|test)_|sk-|whsec_|gh[oprsu]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|AKIA|ASIA|AIza|ya29\.|"
    r"shpat_|shpss_|SG\.|ph[xcs]_|npm_|pypi-|hf_|dop_v1_|[Bb]earer |[Bb]asic "
)
_CARD_HEADS: Final = r"4|5[1-5]|2[2-7]|3[47]|6(?:011|5)"

_JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", re.ASCII)
_TOKEN = re.compile(rf"(?:{_TOKEN_HEADS})[\w\-./+=]{{8,}}", re.ASCII)
_CARD = re.compile(rf"(?:{_CARD_HEADS})[\d -]{{11,21}}", re.ASCII)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)(?:[^/?#\s]*@)?([^/?#\s]*)([^?#\s]*)\S*")


_HEAD: Final = rf"(?=[\seysrwgxASpnhdBb2-6])(?:[^\S\n]|eyJ|{_TOKEN_HEADS}|(?:{_CARD_HEADS})[\d -]{{11}})"
"""How the shapes below begin; the look ahead at one character spares most texts the alternatives."""

_head_of = re.compile(rf"\n|{_HEAD}").match
_head_of_a_line = re.compile(rf"\n{_HEAD}").search
_perhaps_a_head = re.compile(
    r"\n(?:[^\S\n]|[eysrwgxASpnhd][afhklopyGKSI][acmoprsuxzIJ2._-]|gi|[Bb](?:ea|as)|[2-6][\d -]{11})"
).search
"""Finds all that the one before finds and some more, in half the time: the first characters of a head."""


def is_suspicious(text: str) -> bool:
    """Cheap first look: False for text that no shape below can match. Most values end here."""
    return "@" in text or "://" in text or _head_of(text) is not None


def are_suspicious(lines: str) -> bool:
    """The same look at many texts at once: each begins after a line feed."""
    return (
        "@" in lines
        or (":" in lines and "://" in lines)
        or (_perhaps_a_head(lines) is not None and _head_of_a_line(lines) is not None)
    )


def value_pattern(text: str) -> str | None:
    """The pattern whose shape ``text`` has as a whole."""
    text = text.strip()
    if "@" in text and (_EMAIL.fullmatch(text) or _NAMED_EMAIL.fullmatch(text)):
        return "email"
    if _TOKEN.fullmatch(text) or _JWT.fullmatch(text):
        return "token"
    if _CARD.fullmatch(text) and _is_card_number("".join(filter(str.isdigit, text))):
        return "card"
    return None


def _is_card_number(digits: str) -> bool:
    """Luhn's check; with the issuers' first digits it leaves few order numbers in suspicion."""
    if not 13 <= len(digits) <= 19:
        return False
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


def without_query(text: str) -> str:
    """URLs inside ``text`` without userinfo, query and fragment: there the tokens and names stand."""
    return _URL.sub(r"\1\2\3", text) if "://" in text else text


# -- the policy -----------------------------------------------------------------------------------------


class Privacy:
    """A policy, ready to be asked a few times a signal."""

    __slots__ = ("_actions", "_default", "_hash_key", "drop", "group_properties", "keep")

    def __init__(self, policy: PrivacyPolicy) -> None:
        self._actions = dict(policy.patterns)
        self._default = policy.default
        self._hash_key = policy.hash_key
        self.keep = policy.keep
        self.drop = policy.drop
        self.group_properties = policy.group_properties

    def action(self, pattern: str) -> PrivacyAction:
        action = self._actions.get(pattern, self._default)
        if action is PrivacyAction.HASH and self._hash_key is None:
            return PrivacyAction.DROP  # a hash without a key can be guessed back
        return action

    def key_pattern(self, key: str) -> str | None:
        """The pattern of a key whose text may not leave as it is."""
        pattern = key_pattern(key)
        return None if pattern is None or self.action(pattern) is PrivacyAction.KEEP else pattern

    def text(self, text: str) -> str | Omitted:
        """A value by its own shape: itself, without the private part of its URLs, hashed or omitted."""
        pattern = value_pattern(text)
        return without_query(text) if pattern is None else self.withheld(pattern, text)

    def withheld(self, pattern: str, text: str) -> str | Omitted:
        """Text that matched: what the policy makes of it."""
        action = self.action(pattern)
        if action is PrivacyAction.KEEP:
            return without_query(text)
        if action is PrivacyAction.DROP or self._hash_key is None:
            return OMITTED
        return hmac.new(self._hash_key, text.encode(errors="replace"), "sha256").hexdigest()

    def allows_group_property(self, group_type: str, name: str) -> bool:
        if self.group_properties is None or group_type not in self.group_properties:
            return True
        return name in self.group_properties[group_type]
