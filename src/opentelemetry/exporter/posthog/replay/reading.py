"""Files to events in the spool: the exporter's own translation and encoding, and uuids that are stable.

A span's uuid is cut from its ids, so a replayed span meets the event that the live exporter sent of it. A log
record has no id; the random bits of its uuid are hashed from the bytes of its document and its place, so that
reading the same file again makes the same event.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, cast

from opentelemetry.sdk.trace import ReadableSpan

from ..groups.stamp import PRESENCE, PRESENCE_DIGEST, Digester, canonical_json, times_text
from ..reasons import Reason
from ..recorded import CUT_OFF, Document, Unreadable, documents, signals_of
from .errors import ReplayError
from .spool import Input, Made, Observed, Spool

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord

    from ..clock import Clock
    from ..model import Envelope, Observation
    from ..translate.translator import Translation, Translator
    from ..wire.encoding import Encoder

PAGE_SIGNALS: Final = 2_000
PAGE_BYTES: Final = 4 * 1024 * 1024
"""What one transaction holds at most, a document more or less: little memory, and few syncs of the disk."""

HEAD_BYTES: Final = 64 * 1024
"""By its beginning a file is known again; one that has only grown since is the same file."""


class Read(NamedTuple):
    """How far reading has come in one file: bytes as they lie on disk, and signals."""

    at_bytes: int
    signals: int


class Reader:
    """Reads files into a spool. ``at`` is called at named points; tests put a crash there."""

    def __init__(
        self,
        spool: Spool,
        translator: Translator,
        encoder: Encoder,
        *,
        project: str,
        clock: Clock,
        at: Callable[[str], None],
    ) -> None:
        self._spool = spool
        self._translator = translator
        self._encoder = encoder
        self._digester = Digester(project)
        self._clock = clock
        self._at = at

    def read(self, path: Path, tell: Callable[[Read], None]) -> None:
        """Read ``path`` from where the spool says, to its end. Raises :class:`ReplayError`, ``OSError``."""
        with _opened(path) as (stream, raw):
            page = _Page(self._known(path))
            stream.seek(page.progress.offset)
            whole = True
            for document in documents(stream, start=page.progress.offset, line=page.progress.line):
                if document.why == CUT_OFF:
                    whole = False  # perhaps still being written: the next replay begins with it
                    break
                self._take(document, page)
                if page.is_full:
                    page = self._turn(page, done=False)
                    tell(Read(raw.tell(), page.progress.signals))
            page = self._turn(page, done=whole)
            tell(Read(raw.tell(), page.progress.signals))

    def _known(self, path: Path) -> Input:
        name = str(path.resolve())
        known = self._spool.input(name)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if known is None:
            return self._spool.add_input(name, hashlib.sha256(head).digest(), len(head))
        if hashlib.sha256(head[: known.head_bytes]).digest() != known.head or len(head) < known.head_bytes:
            raise ReplayError(
                f"{path} is another file than the one this replay began with",
                "Give the new one another name, or begin anew with another --state.",
            )
        return known

    def _turn(self, page: _Page, *, done: bool) -> _Page:
        """Commit a page and begin the next."""
        progress = page.progress._replace(done=done)
        self._at("read.before_commit")
        self._spool.keep(progress, page.made, page.observed.values(), page.tally)
        self._at("read.after_commit")
        return _Page(progress)

    def _take(self, document: Document, page: _Page) -> None:
        seed = hashlib.blake2b(document.text, digest_size=16, key=str(document.start).encode()).digest()
        now_ns = self._clock.time_ns()
        signals = 0
        for found in signals_of(document):
            if isinstance(found, Unreadable):
                page.tally["unreadable", found.why] += 1
                continue
            signals += 1
            try:
                translation = self._translation(found.signal, _bits(seed, found.place), now_ns)
            except Exception:  # noqa: BLE001 - as in the exporter: one signal that can't be read costs itself
                page.tally["not_selected", Reason.TRANSLATION_ERROR.value] += 1
                continue
            self._keep(translation, document.line, page)
        page.went_on(document, signals)

    def _translation(
        self, signal: ReadableSpan | ReadableLogRecord, bits: Callable[[int], int], now_ns: int
    ) -> Translation:
        if isinstance(signal, ReadableSpan):
            return self._translator.span(signal, now_ns=now_ns)
        return self._translator.log(signal, now_ns=now_ns, random_bits=bits)

    def _keep(self, translation: Translation, line: int, page: _Page) -> None:
        for observation in translation.observations:
            for one in self._observed(observation):
                page.observe(one)
        capture = translation.capture
        if capture is None:
            reason = translation.reason or Reason.NOT_NAMED
            page.tally["dropped" if reason.after_selection else "not_selected", reason.value] += 1
            return
        envelope = self._encoder.capture(capture)
        if envelope is None:
            page.tally["dropped", Reason.INVALID.value] += 1
            return
        owner = ":".join(next(iter(capture.groups.items()), ()))
        page.add(Made(envelope, capture.time_ns, owner, line))

    def _observed(self, observation: Observation) -> Iterator[Observed]:
        group, time_ns, seen_ns, properties, service = observation
        times = times_text(time_ns, seen_ns)
        yield Observed(group, PRESENCE, times + PRESENCE_DIGEST, "", service)
        for name, value in properties.items():
            try:
                text = canonical_json(value)
            except (ValueError, TypeError, RecursionError):
                continue  # as the ledger does: what JSON can't say is no property
            yield Observed(group, name, times + self._digester.digest(text), text, service)


class _Page:
    """What one transaction will hold."""

    def __init__(self, progress: Input) -> None:
        self.progress = progress
        self.made: list[Made] = []
        self.observed: dict[tuple[str, str, str], Observed] = {}
        self.tally: Counter[tuple[str, str]] = Counter()
        self._signals = 0
        self._bytes = 0

    def add(self, made: Made) -> None:
        self.made.append(made)
        self._bytes += _size(made.envelope)

    def observe(self, one: Observed) -> None:
        place = (one.group.type, one.group.key, one.name)
        known = self.observed.get(place)
        if known is None or one.stamp > known.stamp:
            self.observed[place] = one

    def went_on(self, document: Document, signals: int) -> None:
        self._signals += signals
        self._bytes += len(document.text)
        self.progress = self.progress._replace(
            offset=document.end, line=document.next_line, signals=self.progress.signals + signals
        )

    @property
    def is_full(self) -> bool:
        return self._signals >= PAGE_SIGNALS or self._bytes >= PAGE_BYTES


def _size(envelope: Envelope) -> int:
    return len(envelope.properties)


def _bits(seed: bytes, place: int) -> Callable[[int], int]:
    def bits(count: int) -> int:
        digest = hashlib.blake2b(
            place.to_bytes(8, "big"), digest_size=16, key=seed, person=b"replay"
        ).digest()
        return int.from_bytes(digest, "big") & ((1 << count) - 1)

    return bits


@contextmanager
def _opened(path: Path) -> Generator[tuple[IO[bytes], IO[bytes]]]:
    """The file's content, unpacked where it is gzip, and the file itself, which tells how far it was read."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw, raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield cast("IO[bytes]", stream), raw
