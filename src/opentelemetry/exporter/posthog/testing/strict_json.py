"""JSON as PostHog's servers read it: no NaN, no duplicate unnoticed, no number that a double can't hold.

Python's own reader is lenient where PostHog is not, so everything that it would let pass is noted here.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeGuard

MAX_DEPTH = 127
"""Levels of nesting, counted from the root, that PostHog's parser reads on the legacy protocol."""

MAX_SAFE_INTEGER = 2**53 - 1
"""PostHog's ingestion reads numbers as JavaScript does: a larger integer is rounded."""


class JsonObject(dict[str, Any]):
    """A JSON object that remembers which of its keys occurred more than once."""

    __slots__ = ("repeated",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated: tuple[str, ...] = ()
        if len(self) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            self.repeated = tuple(key for key, count in counts.items() if count > 1)


@dataclass(slots=True)
class Document:
    """A parsed body. ``problems`` are the names of checks (see ``findings.RULES``) that it does not pass."""

    value: Any
    problems: dict[str, str] = field(default_factory=dict[str, str])  # name -> detail

    @property
    def unreadable_on_legacy(self) -> str:
        """Why the legacy protocol's parser refuses it; empty when it does not."""
        for name in ("lone_surrogate", "too_deep", "number_out_of_range"):
            if name in self.problems:
                return name.replace("_", " ")
        return ""


class NotJsonError(ValueError):
    """The bytes are not JSON. The message is for the answer; it holds nothing of the content."""


def read(body: bytes) -> Document:
    """Parse ``body``. Raises :class:`NotJsonError` for what no protocol takes; the rest is noted."""
    problems: dict[str, str] = {}

    def refuse_constant(_: str) -> NoReturn:
        raise NotJsonError("expected value")

    def integer(text: str) -> int | float:
        if len(text) > 309:  # longer than the largest double
            problems["number_out_of_range"] = f"a number of {len(text)} digits"
            return 0
        value = int(text)
        if abs(value) > MAX_SAFE_INTEGER:
            problems["unsafe_integer"] = f"{len(text)} digits"
        return value

    def real(text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            problems["number_out_of_range"] = "an exponent too large"
            return 0.0
        return value

    try:
        text = body.decode("utf-8")
        value = json.loads(
            text,
            parse_constant=refuse_constant,
            parse_int=integer,
            parse_float=real,
            object_pairs_hook=JsonObject,
        )
    except UnicodeDecodeError as error:
        raise NotJsonError("invalid unicode code point") from error
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg.lower()} at line {error.lineno} column {error.colno}") from error
    except RecursionError:
        raise NotJsonError("recursion limit exceeded") from None
    _inspect(value, problems, escapes="\\u" in text)
    return Document(value, problems)


def _inspect(root: Any, problems: dict[str, str], *, escapes: bool) -> None:
    """Note depth, duplicate keys and lone surrogates, without recursion."""
    stack: list[tuple[Any, int]] = [(root, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, JsonObject):
            if value.repeated:
                problems["duplicate_key"] = ", ".join(value.repeated)
            if escapes and any(map(_has_surrogate, value)):
                problems["lone_surrogate"] = "in a key"
            children: list[Any] = list(value.values())
        elif is_list(value):
            children = value
        else:
            if escapes and isinstance(value, str) and _has_surrogate(value):
                problems["lone_surrogate"] = "in a string"
            continue
        if depth > MAX_DEPTH:
            problems["too_deep"] = f"more than {MAX_DEPTH} levels"
        stack.extend((child, depth + 1) for child in children)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def compact(value: Any) -> str:
    """The JSON text of a value, as short as it gets; what sizes and comparisons are made of."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def escaped_size(text: str) -> int:
    """Bytes of ``text`` as a JSON string inside JSON: how PostHog's queue carries an event."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))
