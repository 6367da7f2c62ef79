"""Plain values from whatever a user wrote: booleans, numbers, durations, sizes, words, lists, mappings.

Every parser takes text (environment variables, quoted YAML) and the plain YAML or Python types alike, and
raises :class:`UnusableError` otherwise. What it says describes the *shape* of the value and never the value:
the words end up in logs, and any option may be given a secret by mistake.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import NamedTuple, TypeVar, cast

S = TypeVar("S")
T = TypeVar("T")
E = TypeVar("E", bound=Enum)

MAX_DIGITS = 18  # 10**18 still fits into 64 bits; more is no number that anybody means


class Mistake(NamedTuple):
    """What is wrong with a value, as the end of a sentence, and the mend (empty: the option's own)."""

    got: str
    fix: str = ""


class UnusableError(ValueError):
    """A value that an option can't take. ``mistakes`` holds all that is wrong with it, at least one."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


def unusable(got: str, fix: str = "") -> UnusableError:
    return UnusableError(Mistake(got, fix))


def is_given(value: object) -> bool:
    """None and blank text mean "not given", in the environment, in YAML and in Python alike."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def shape(value: object) -> str:
    """The kind and the size of ``value`` in words: all that a log line may know of it."""
    match value:
        case bool():
            return "is a boolean"
        case int() | float():
            return "is a number"
        case str():
            return f"is text of {_counted(len(value), 'character')}"
        case bytes():
            return f"is {_counted(len(value), 'byte')} of binary data"
        case Mapping():
            return (
                f"is a mapping of {_counted(len(cast('Mapping[object, object]', value)), 'entry', 'entries')}"
            )
        case list() | tuple() | set() | frozenset():
            return f"is a list of {_counted(len(cast('list[object]', value)), 'item')}"
        case _ if callable(value):
            return "is a function"
        case _:
            return "is an object of a type that can't be used here"


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


# -- single values ----------------------------------------------------------------------------------


def text(value: object) -> str:
    """Text without surrounding blanks; an int is written out (an unquoted ``123`` in YAML is one)."""
    return _printable(value).strip()


def exact_text(value: object) -> str:
    """Text with its blanks."""
    return _printable(value)


def _printable(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_DIGITS:
        return str(value)
    if not isinstance(value, str):
        raise unusable(f"{shape(value)} where text is needed", "Put it in quotes.")
    if any(ord(character) < 32 or ord(character) == 127 for character in value.strip()):
        raise unusable("has a control character in it (a line break, a tab or NUL)", "Remove it.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise unusable("has bytes in it that are not UTF-8", "Write it as UTF-8.")
    return value


def boolean(value: object) -> bool:
    """``true`` in any case is true, as in all of OpenTelemetry; everything else is at most false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in {"true", "false"}:
            return word == "true"
    raise unusable(f"{shape(value)} that is neither true nor false")


def whole_number(low: int, high: int) -> Callable[[object], int]:
    """A whole number from ``low`` to ``high``."""

    def parse(value: object) -> int:
        number = _number(value)
        if number is None or not number.is_integer():
            raise unusable(f"{shape(value)} that is no whole number")
        if not low <= number <= high:
            raise unusable(f"is {'less' if number < low else 'more'} than is allowed here")
        return int(number)

    return parse


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        written = value.strip()
        plain = re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,9})?", written, re.ASCII)
        return float(written) if plain else None
    if isinstance(value, int):
        return float(value) if abs(value) < 10**MAX_DIGITS else None
    return value if isinstance(value, float) and math.isfinite(value) else None


_SECONDS = {"": 0.001, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES = {
    "": 1, "b": 1, "kb": 1_000, "mb": 1_000**2, "gb": 1_000**3,
    "kib": 1_024, "mib": 1_024**2, "gib": 1_024**3,
}  # fmt: skip


def duration(low: float, high: float) -> Callable[[object], float]:
    """Seconds, from ``low`` to ``high``, out of milliseconds (a bare number) or a unit: ms, s, m, h, d."""

    def parse(value: object) -> float:
        seconds = _with_unit(value, _SECONDS)
        if seconds is None:
            raise unusable(f"{shape(value)} that is no duration")
        if not low <= seconds <= high:
            raise unusable(f"is {'shorter' if seconds < low else 'longer'} than is allowed here")
        return seconds

    return parse


def size(low: int, high: int) -> Callable[[object], int]:
    """Bytes, from ``low`` to ``high``, out of a bare number or a unit: kB, MB, GB, KiB, MiB, GiB."""

    def parse(value: object) -> int:
        count = _with_unit(value, _BYTES)
        if count is None:
            raise unusable(f"{shape(value)} that is no size")
        if not low <= count <= high:
            raise unusable(f"is {'less' if count < low else 'more'} than is allowed here")
        return int(count)

    return parse


def _with_unit(value: object, units: Mapping[str, float]) -> float | None:
    """The number that ``value`` stands for, None when it is none or its unit is unknown."""
    if not isinstance(value, str):
        number = _number(value)
        return None if number is None else number * units[""]
    parts = re.fullmatch(r"([0-9.\-]+)\s*([A-Za-z]*)", value.strip(), re.ASCII)
    if parts is None:
        return None
    number, factor = _number(parts[1]), units.get(parts[2].lower())
    return None if number is None or factor is None else number * factor


def choice(kind: type[E], allowed: Iterable[E] | None = None) -> Callable[[object], E]:
    """One of the words of an enumeration, in any case."""
    words = {str(member.value): member for member in (kind if allowed is None else allowed)}

    def parse(value: object) -> E:
        if isinstance(value, str) and (found := words.get(value.strip().lower())) is not None:
            return found
        raise unusable(f"{shape(value)} that is none of {', '.join(words)}", near_miss(value, words))

    return parse


# -- lists and mappings -----------------------------------------------------------------------------


def items(value: object) -> list[object]:
    """The items of a list, or of text with commas between them; empty ones are left out."""
    if isinstance(value, str):
        return [part for part in (piece.strip() for piece in value.split(",")) if part]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [item for item in cast("Iterable[object]", value) if is_given(item)]
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    raise unusable(f"{shape(value)} where a list is needed")


def collected(values: Iterable[S], parse: Callable[[S], T]) -> list[T]:
    """Parse each value; raises for all wrong ones at once, each named by its place."""
    mistakes: list[Mistake] = []
    results = [attempt(parse, value, mistakes, f"entry {place}") for place, value in enumerate(values, 1)]
    if mistakes:
        raise UnusableError(*mistakes)
    return cast("list[T]", results)  # a None that is no T would have come with a mistake


def attempt(parse: Callable[[S], T], value: S, mistakes: list[Mistake], where: str) -> T | None:
    """The parsed value, or None and the mistakes of the part called ``where`` added to ``mistakes``."""
    try:
        return parse(value)
    except UnusableError as error:
        mistakes.extend(Mistake(f"{where} {mistake.got}", mistake.fix) for mistake in error.mistakes)
        return None


def word_list(value: object) -> frozenset[str]:
    """A set of names: attribute keys, ids."""
    return frozenset(collected(items(value), text))


def number_set(low: int, high: int) -> Callable[[object], frozenset[int]]:
    """A set of whole numbers; the word ``none``, or an empty YAML list, is the empty set."""

    def parse(value: object) -> frozenset[int]:
        if isinstance(value, str) and value.strip().lower() == "none":
            return frozenset()
        return frozenset(collected(items(value), whole_number(low, high)))

    return parse


def pairs(value: object) -> list[tuple[object, object]]:
    """The entries of a mapping, or of text like ``a=1,b=2``, in order. A name given twice stays twice."""
    if isinstance(value, Mapping):
        return list(cast("Mapping[object, object]", value).items())
    if not isinstance(value, str):
        raise unusable(f"{shape(value)} where a mapping is needed")

    def entry(item: object) -> tuple[object, object]:
        name, equals, content = str(item).partition("=")
        if not equals:
            raise unusable("has no = between a name and its value")
        return name.strip(), content.strip()

    return collected(items(value), entry)


# -- near misses ------------------------------------------------------------------------------------


def near_miss(written: object, known: Iterable[str]) -> str:
    """``Did you mean `x`?`` for the known word that is most like ``written``; empty when none is."""
    from difflib import get_close_matches

    if not isinstance(written, str) or len(written) > 100:
        return ""
    found = get_close_matches(written.strip().lower(), list(known), n=1)
    return f"Did you mean `{found[0]}`?" if found else ""
