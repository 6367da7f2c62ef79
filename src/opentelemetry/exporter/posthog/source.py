"""Where a batch comes from, and what translation says of its signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from .model import Capture, Observation, SignalDescription
    from .reasons import Reason

SignalT = TypeVar("SignalT")


class Translated(Protocol):
    """What translation says of one signal (``translate.Translation``)."""

    @property
    def capture(self) -> Capture | None: ...
    @property
    def observations(self) -> Sequence[Observation]: ...
    @property
    def reason(self) -> Reason | None: ...
    @property
    def notes(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)  # a NamedTuple can't be generic on Python 3.10
class Source(Generic[SignalT]):
    """Where a batch comes from: the word for its signals and the function that translates one."""

    signal: str  # "span" or "log"
    translate: Callable[[SignalT], Translated]
    describe: Callable[[SignalT], SignalDescription] | None = None  # for a witness
    translate_together: Callable[[Sequence[SignalT]], Sequence[Translated]] | None = None
    """The same for some signals, one answer a signal, and faster; raises if it would for one of them."""
