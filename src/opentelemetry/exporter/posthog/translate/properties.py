"""Values of any kind into values that JSON, PostHog and JavaScript keep as they are. Total and bounded.

======================================= =====================================================
what the SDK or an application hands over what leaves
======================================= =====================================================
bool, None, text                        the same; NUL and lone surrogates become U+FFFD
int within ±(2^53 - 1)                  the same
int beyond                              its decimal text: PostHog's JavaScript would round it
float                                   the same; NaN and infinities become null
bytes, bytearray, memoryview            base64 text
enum member                             its value, converted
datetime, date                          ISO 8601, in UTC if it has a zone
mapping                                 object, at most 5 levels deep
list, tuple, set, range                 array, at most 128 items
anything else                           its ``str()``; null if it has none
======================================= =====================================================

A value that fails costs itself, never the event.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from enum import Enum
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from .privacy import OMITTED, Omitted, is_suspicious

if TYPE_CHECKING:
    from ..model import JsonValue
    from .privacy import Privacy

MAX_SAFE: Final = 2**53 - 1
MAX_TEXT: Final = 8_192
"""Characters of one text; what is longer is a document, and PostHog refuses an event of about 1 MB."""

MAX_BYTES: Final = 6_144
"""Bytes of one binary value: as long in base64 as the longest text."""

MAX_DEPTH: Final = 5
"""Levels of maps and arrays below a property; also what ends a cyclic value."""

MAX_ITEMS: Final = 128
MAX_NODES: Final = 1_000
"""Values within one property, all levels together: a cyclic map would have 128^5."""

MAX_NAME_BYTES: Final = 200
"""Of a property's name; PostHog's catalogue keeps 400 characters, and one this long is data, not a name."""

Converted: TypeAlias = "JsonValue | Omitted"

RESERVED: Final = frozenset(
    {
        "distinct_id", "token", "api_key", "alias", "capture_internal", "historical_migration", "sent_at",
        "ph_product_tours",
    }
)  # fmt: skip
"""Names without a ``$`` that PostHog acts on."""

CAMPAIGN: Final = frozenset(
    {
        "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_name", "utm_term", "gclid",
        "gad_source", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid",
        "li_fat_id", "mc_cid", "igshid", "ttclid", "rdt_cid", "irclid", "_kx", "epik", "qclid",
        "sccid",
    }
)  # fmt: skip
"""Names that PostHog lifts from any event onto the person who sent it."""


def is_reserved(name: str) -> bool:
    """Would PostHog act on a property of this name, or may it one day? Then no attribute may carry it."""
    return name.startswith("$") or name in RESERVED


def clean_text(text: str) -> str:
    """Text that UTF-8, JSON and PostHog's stores can hold, of bounded length."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if text.isascii() or is_encodable(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_encodable(text: str) -> bool:
    """False for text with a lone surrogate, which UTF-8 can't hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def name_of(key: object) -> str:
    """The key of an attribute as the name of a property; "" for one that can't be any."""
    name = clean_text(key if type(key) is str else _text_of(key) or "")
    return name if len(name.encode()) <= MAX_NAME_BYTES else ""


class Converter:
    """Converts under a privacy policy. ``pattern`` is what the property's own key matched, if anything."""

    __slots__ = ("_privacy",)

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy

    def value(self, value: object, pattern: str | None = None) -> Converted:
        """What becomes of one attribute's value; OMITTED when privacy keeps it here."""
        kind = type(value)
        if kind is str:
            return self.text(cast("str", value), pattern)
        if kind is bool or value is None:
            return cast("bool | None", value)
        if kind is int:
            return _number(cast("int", value))
        if kind is float:
            return cast("float", value) if isfinite(cast("float", value)) else None
        try:
            return _Walk(self).value(value, pattern, 0)
        except Exception:  # noqa: BLE001 - foreign objects may raise anything; the value is lost, the event is not
            return None

    def text(self, text: str, pattern: str | None = None) -> str | Omitted:
        """Text under privacy, cleaned."""
        if pattern is not None:
            text_or_not = self._privacy.withheld(pattern, text)
        elif is_suspicious(text):
            text_or_not = self._privacy.text(text)
        else:
            return clean_text(text)
        return OMITTED if text_or_not is OMITTED else clean_text(text_or_not)

    def key_pattern(self, key: str) -> str | None:
        """The pattern of a key inside a map."""
        return None if key in self._privacy.keep else self._privacy.key_pattern(key)


class _Walk:
    """One way through a nested value: counts what it has seen."""

    __slots__ = ("_converter", "_left")

    def __init__(self, converter: Converter) -> None:
        self._converter = converter
        self._left = MAX_NODES

    def value(self, value: object, pattern: str | None, depth: int) -> Converted:
        self._left -= 1
        if self._left < 0:
            return OMITTED
        if isinstance(value, Enum):
            return self.value(value.value, pattern, depth + 1) if depth <= MAX_DEPTH else OMITTED
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._converter.text(str.__str__(value), pattern)
        if isinstance(value, int):
            return _number(int.__int__(value))
        if isinstance(value, float):
            number = float.__float__(value)
            return number if isfinite(number) else None
        if isinstance(value, (bytes, bytearray, memoryview)):
            start = bytes(cast("bytes", value)[:MAX_BYTES])
            return self._converter.text(b64encode(start).decode(), pattern)
        if isinstance(value, datetime):
            return (value.astimezone(timezone.utc) if value.tzinfo else value).isoformat()
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Mapping):
            return self._map(cast("Any", value), pattern, depth + 1)
        if isinstance(value, (list, tuple, set, frozenset, range)):
            return self._list(cast("Iterable[Any]", value), pattern, depth + 1)
        text = _text_of(value)
        return None if text is None else self._converter.text(text, pattern)

    def _map(self, entries: Mapping[Any, Any], pattern: str | None, depth: int) -> Converted:
        if depth > MAX_DEPTH:
            return OMITTED
        found: dict[str, JsonValue] = {}
        for key, entry in islice(entries.items(), MAX_ITEMS):
            name = self._converter.text(name_of(key))  # a map may be keyed by e-mail addresses
            if name is OMITTED or not name:
                continue
            converted = self.value(entry, pattern or self._converter.key_pattern(name), depth)
            if converted is not OMITTED:
                found[name] = converted
        return found

    def _list(self, items: Iterable[Any], pattern: str | None, depth: int) -> Converted:
        if depth > MAX_DEPTH:
            return OMITTED
        converted = [self.value(item, pattern, depth) for item in islice(items, MAX_ITEMS)]
        kept: list[JsonValue] = [item for item in converted if item is not OMITTED]
        return OMITTED if converted and not kept else kept


def _number(number: int) -> int | str:
    if -MAX_SAFE <= number <= MAX_SAFE:
        return number
    try:
        return str(number)
    except ValueError:  # thousands of digits: Python refuses to write them in decimal
        return clean_text(hex(number))


def _text_of(value: object) -> str | None:
    """What an object says of itself; None if that is only where it lies in memory."""
    if type(value).__str__ is object.__str__ and type(value).__repr__ is object.__repr__:
        return None
    return str(value)
