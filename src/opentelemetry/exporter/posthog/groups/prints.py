"""Prints: a set of properties as a number of this process, to see at a glance that it is the same as before.

Among sets of which JSON can be made, equal prints mean equal values of equal types. Different prints may
still mean the same, and then the ledger is asked once too often. Prints never leave the process, so they may
be quick instead of portable: orjson where it is installed (the ``fast`` extra), else marshal, at two and a
half times the price.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from ..model import JsonValue

PRINT_BITS: Final = 40
"""One change in 10^12 is taken for none, until the next one of that group."""

_MASK: Final = (1 << PRINT_BITS) - 1

_PLAIN: Final = 2
"""Version of the marshal format: the last one in which equal values always give equal bytes."""

_marshalled: Final[Any] = marshal.dumps  # its own type knows no Mapping

Printer: TypeAlias = "Callable[[Mapping[str, JsonValue]], int | None]"
"""None for what can't be printed (a subclass of str, say); the ledger then looks at it value by value."""


def printer(*, fast: bool = True) -> Printer:
    """``fast=False``: without orjson, even if it is there."""
    try:
        orjson: Any = import_module("orjson") if fast else None
    except ImportError:
        orjson = None
    return _by_marshal if orjson is None else _by_orjson(orjson)


def _by_marshal(properties: Mapping[str, JsonValue]) -> int | None:
    try:
        return hash(_marshalled(properties, _PLAIN)) & _MASK
    except ValueError:
        return None


def _by_orjson(orjson: Any) -> Printer:
    dumps: Callable[..., bytes] = orjson.dumps
    options: int = (
        orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
    )

    def print_of(properties: Mapping[str, JsonValue]) -> int | None:
        try:
            return hash(dumps(properties, None, options)) & _MASK
        except TypeError:  # integers beyond 64 bits, lone surrogates
            return _by_marshal(properties)

    return print_of
