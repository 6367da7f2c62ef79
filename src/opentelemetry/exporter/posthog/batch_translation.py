"""A batch of signals becomes events and observations; most signals end here, with a counted reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from .reasons import Reason
from .tallies import counted
from .translate.announcements import announcement
from .translate.translator import NOT_AN_ENTRY

if TYPE_CHECKING:
    from .diagnostics import Diagnostics
    from .model import Capture, Envelope, Observation
    from .source import Source, Translated
    from .witness import ExportWitness

SignalT = TypeVar("SignalT")

TOGETHER = 32
"""Signals translated and encoded together: enough for each stage to run from the processor's caches, and few
enough for their values to stay there too. Then other threads may have a turn."""


class EncodeCapture(Protocol):
    """Turns captures into envelopes; None for one that can't be encoded."""

    def capture(self, capture: Capture) -> Envelope | None: ...


class BatchTranslation:
    """Translates, encodes and counts. Holds no state of its own, so any thread may use it."""

    def __init__(self, encode: EncodeCapture, diagnostics: Diagnostics) -> None:
        self._encode = encode
        self._diagnostics = diagnostics

    def translate(
        self,
        source: Source[SignalT],
        batch: Sequence[SignalT],
        look: ExportWitness | None,
        *,
        give_turn: Callable[[], None],
    ) -> tuple[list[Envelope], list[Observation]]:
        """A few signals at a time, encoded while what they are made of is still near the processor."""
        events: list[Envelope] = []
        observations: list[Observation] = []
        made: list[str] = []
        gone: list[Reason] = []
        dull = 0
        seen: set[str] = set()
        captures: list[Capture] = []
        for start in range(0, len(batch), TOGETHER):
            if captures:  # a whole batch of signals that are let go takes no longer than these few did
                give_turn()
            signals = batch[start : start + TOGETHER]
            results = self._translated(source, signals)
            if look is not None:
                _show(look, signals, results)
            captures = []
            speaking = [result for result in results if result is not NOT_AN_ENTRY]
            dull += len(results) - len(speaking)
            if not speaking:
                continue
            for result in speaking:
                if result is None:
                    gone.append(Reason.TRANSLATION_ERROR)
                    continue
                capture = result.capture
                if capture is None:
                    gone.append(result.reason or Reason.NOT_NAMED)
                else:
                    captures.append(capture)
                if result.observations:
                    observations.extend(result.observations)
                if result.notes:
                    self._take_notes(result.notes)
            made.extend([capture.name for capture in captures])
            captures = self._without_twins(captures, seen)
            envelopes = [envelope for envelope in map(self._encode.capture, captures) if envelope is not None]
            events.extend(envelopes)
            if len(envelopes) < len(captures):
                self._diagnostics.dropped(Reason.INVALID, len(captures) - len(envelopes))
        if dull:
            self._diagnostics.let_go(Reason.NOT_AN_ENTRY, dull)
        for reason, count in counted(gone) if gone else ():
            self._diagnostics.let_go(reason, count)
        if made:
            self._diagnostics.made(made)
        return events, observations

    def _without_twins(self, captures: list[Capture], seen: set[str]) -> list[Capture]:
        """Those whose uuid was not ``seen`` before: v1 refuses a request that has one twice."""
        uuids = [capture.uuid for capture in captures]
        if seen.isdisjoint(uuids) and len(fresh := {*uuids}) == len(uuids):
            seen |= fresh
            return captures
        alone: dict[str, Capture] = {}
        for capture in captures:
            if capture.uuid not in seen:
                alone.setdefault(capture.uuid, capture)
        seen.update(alone)
        self._diagnostics.dropped(Reason.DUPLICATE_UUID, len(captures) - len(alone))
        return list(alone.values())

    def _translated(self, source: Source[SignalT], signals: Sequence[SignalT]) -> Sequence[Translated | None]:
        """One answer a signal; None for one that can't be read, which must not cost the others."""
        if source.translate_together is not None:
            try:
                return source.translate_together(signals)
            except Exception:  # noqa: BLE001, S110 - translated one by one, those that can be read get through
                pass
        return [self._translated_alone(source, signal) for signal in signals]

    def _translated_alone(self, source: Source[SignalT], signal: SignalT) -> Translated | None:
        try:
            return source.translate(signal)
        except Exception as error:  # noqa: BLE001 - foreign objects may raise anything
            self._unreadable(error)
            return None

    def _unreadable(self, error: Exception) -> None:
        self._diagnostics.error(
            "translation_error", f"a signal could not be translated: {type(error).__name__}"
        )

    def _take_notes(self, notes: Iterable[str]) -> None:
        for note in notes:
            line = announcement(note)
            if line is None:
                self._diagnostics.note(note, 1)
            else:
                self._diagnostics.info_once(note, line)


def _show(look: ExportWitness, signals: Sequence[object], results: Sequence[Translated | None]) -> None:
    for signal, result in zip(signals, results, strict=True):
        if result is None:
            look.let_go(signal, Reason.TRANSLATION_ERROR, ())
        elif result.capture is not None:
            look.made(signal, result.capture, result.observations)
        else:
            look.let_go(signal, result.reason or Reason.NOT_NAMED, result.observations)
