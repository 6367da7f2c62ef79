"""The judgement of a run, from what its processes wrote down, the ledger wrote down, and PostHog holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fleet.oracle import Allowed, as_json, differences, transitions, truth
from tests.fleet.script import SECOND, Signal, Value
from tests.fleet.store_log import Moment, Place, Rebirth, Sums

Lines = Sequence[Mapping[str, Any]]
Books = Mapping[int, Lines]

BELIEVED = 60.0
"""Seconds before its loss from which on a ledger that lost everything still believes what it is told."""


def acknowledged(lines: Lines) -> set[int]:
    """Signals of whose export a process heard SUCCESS."""
    return {n for line in lines if line["what"] == "exported" and line["ok"] for n in line["signals"]}


def heard_of(books: Books) -> set[int]:
    """Signals that any process has exported, well or not."""
    return {
        n for lines in books.values() for line in lines if line["what"] == "exported" for n in line["signals"]
    }


def only_touched(lines: Lines, signals: Sequence[Signal]) -> set[int]:
    """Acknowledged signals of a killed process that told it nothing but a newer time of what it had said
    before. That time was still to be carried to the shared ledger, and may have died with the process: the
    one thing of which an acknowledgement makes no promise.
    """
    said: set[tuple[str, str]] = set()
    touched: set[int] = set()
    for line in lines:
        if line["what"] != "exported":
            continue
        for n in line["signals"]:
            what = (signals[n].organization, repr(sorted(signals[n].said.items())))
            if what in said and line["ok"]:
                touched.add(n)
            said.add(what)
    return touched


class Flight(NamedTuple):
    """One request with an update of a group, from its start until it is surely over (monotonic seconds)."""

    began: float
    over: float
    uuid: str
    pid: int = 0


def flights(books: Books, *, life: float) -> dict[str, list[Flight]]:
    """Organization -> its updates in the air, by their start. Unanswered ones stay there for ``life``."""
    found: dict[str, list[Flight]] = {}
    for pid, lines in books.items():
        answers = {line["number"]: line for line in lines if line["what"] == "answered"}
        for line in lines:
            if line["what"] != "sent":
                continue
            answer = answers.get(line["number"])
            unknown = answer is None or answer["unknown"]
            over = line["at"] + life if answer is None or unknown else answer["at"]
            if answer is not None and not answer["left"]:
                continue
            for organization, uuid in line["updates"]:
                found.setdefault(organization, []).append(Flight(line["at"], over, uuid, pid))
    return {organization: sorted(those) for organization, those in found.items()}


def collisions(flights: Mapping[str, Sequence[Flight]]) -> Iterator[tuple[str, Flight, Flight]]:
    """Organizations with two flights that brought different contents and were in the air together."""
    for organization, those in flights.items():
        for n, earlier in enumerate(those):
            for later in those[n + 1 :]:
                if later.began < earlier.over and later.uuid != earlier.uuid:
                    yield organization, earlier, later


def strangers(
    books: Books, signals: Sequence[Signal], rebirth: Rebirth, lost_at: float
) -> set[tuple[int, str]]:
    """Processes and organizations in a part of the ledger that the process had never asked when it was lost
    (monotonic seconds), so that it could not tell the new life from the first one."""
    knew = {
        (pid, rebirth.shards.get(signals[n].organization))
        for pid, lines in books.items()
        for line in lines
        if line["what"] == "exported" and line["at"] < lost_at
        for n in line["signals"]
    }
    return {
        (pid, organization)
        for pid in books
        for organization, shard in rebirth.shards.items()
        if (pid, shard) not in knew
    }


def is_late_mark(
    organization: str,
    pair: tuple[Flight, Flight],
    early: Collection[str],
    strangers: Collection[tuple[int, str]],
    *,
    lost_at: float,
    window: float,
) -> bool:
    """The one collision that no ledger can fence: it was lost with a claim open, and before anybody who had
    known it told it so, it took a process that had not for the first that ever came. It is why all that was
    granted so early is sent once more.
    """
    return any(
        organization in early
        and (stranger.pid, organization) in strangers
        and lost_at <= stranger.began
        and former.began < lost_at + window
        and former.pid != stranger.pid
        for former, stranger in (pair, pair[::-1])
    )


def attempts(books: Books) -> tuple[int, int]:
    """Updates that left a process, and those of them of which it never learned how they ended."""
    sent = unknown = 0
    for lines in books.values():
        answers = {line["number"]: line for line in lines if line["what"] == "answered"}
        for line in lines:
            if line["what"] == "sent":
                answer = answers.get(line["number"])
                left = answer is None or answer["left"]
                sent += len(line["updates"]) * left
                unknown += len(line["updates"]) * (left and (answer is None or answer["unknown"]))
    return sent, unknown


def arrivals(books: Books, signals: Sequence[Signal]) -> list[tuple[int, Signal]]:
    """All signals in the order in which exports began, with the number of their export."""
    exports = sorted(
        (line["began"], line["signals"])
        for lines in books.values()
        for line in lines
        if line["what"] == "exported"
    )
    return [(number, signals[n]) for number, (_, those) in enumerate(exports) for n in those]


def old_news_allowed(
    signals: Sequence[Signal], rebirth: Rebirth, *, loss: float, zero_ns: int, excused: Collection[int] = ()
) -> Mapping[Place, set[str]]:
    """The one thing that a ledger which lost its memory may set back, as the documentation says: property ->
    the JSON of the old value that it may end on.

    Somebody had not heard yet that a value of the last minute was superseded, and tells it once more; whoever
    knew better had heard that all is settled, and has nothing left to say. So all of this must be true:
    PostHog was known to hold the newest that was ever said; what the new life was told is older than that;
    and it is of the last minute before the loss, else the new life must not have believed it.
    """
    newest: dict[Place, Moment] = {}
    for signal, moment, place, _ in _said(signals, zero_ns):
        if signal.n not in excused:
            newest[place] = max(moment, newest.get(place, moment))
    allowed: dict[Place, set[str]] = {}
    for signal, moment, place, value in _said(signals, zero_ns):
        of_the_last_minute = (loss - BELIEVED) * SECOND < signal.time and signal.at < loss * SECOND
        best = rebirth.settled.get(place)
        is_the_newest = rebirth.told.get(place) == moment
        if of_the_last_minute and is_the_newest and best and moment < newest.get(place, best) <= best:
            allowed.setdefault(place, set()).add(as_json(value))
    return allowed


def _said(signals: Sequence[Signal], zero_ns: int) -> Iterator[tuple[Signal, Moment, Place, Value]]:
    for signal in signals:
        for name, value in signal.said.items():
            moment = (signal.time + zero_ns, signal.seen + zero_ns)
            yield signal, moment, (signal.organization, name), value


def _widened(truth: Mapping[str, Allowed], more: Mapping[Place, set[str]]) -> dict[str, Allowed]:
    return {
        organization: {
            name: {*values, *more.get((organization, name), ())} for name, values in properties.items()
        }
        for organization, properties in truth.items()
    }


@dataclass
class Run:
    """What was found when everything had come to rest."""

    signals: Sequence[Signal]
    books: Books
    killed: Sequence[int]  # process ids
    given_up: set[int]  # signals that a killed process never acknowledged, and nobody said again
    profiles: Mapping[str, Mapping[str, Any]]
    updates: int  # group updates that PostHog took, each as often as it arrived
    captured: set[int]  # signals whose event PostHog holds
    store: Sums | None  # None: each process had a ledger of its own
    rebirth: Rebirth
    loss: float  # seconds after the script's beginning that the ledger forgot everything; 0: never
    lost_at: float  # the same in monotonic seconds
    zero_ns: int  # the script's beginning
    came_to_rest: bool
    life: float
    window: float  # seconds after a claim within which its attempts start
    seconds: float = 0.0
    complaints: list[str] = field(default_factory=list)
    set_back: int = 0  # organizations
    late_marks: int = 0  # organizations

    def judge(self) -> None:
        """Fill ``complaints``: empty when every promise was kept."""
        self._profiles()
        self._bound()
        self._the_air()
        self._captures()
        if not self.came_to_rest:
            self.complaints.append("rest: the ledger still had something to send when patience was over")

    @property
    def excused(self) -> set[int]:
        touched = (only_touched(self.books.get(pid, ()), self.signals) for pid in self.killed)
        return self.given_up.union(*touched)

    def _profiles(self) -> None:
        # What a replacement said again is as good as any other's: only what nobody else has said is excused.
        living = {pid: lines for pid, lines in self.books.items() if pid not in self.killed}
        excused = self.excused - heard_of(living)
        allowed = truth(self.signals, excused)
        unsure = sum(any(len(values) > 1 for values in those.values()) for those in allowed.values())
        if unsure > len(allowed) // 10:
            self.complaints.append(f"oracle: it knows the truth of too few organizations ({unsure} unsure)")
        found = differences(allowed, self.profiles)
        old_news = old_news_allowed(
            self.signals, self.rebirth, loss=self.loss, zero_ns=self.zero_ns, excused=excused
        )
        wrong = differences(_widened(allowed, old_news), self.profiles)
        self.set_back = len(found) - len(wrong)
        if self.set_back > 1 + len(allowed) // 200:
            self.complaints.append(f"loss: it set {self.set_back} organizations back")
        for organization, what in sorted(wrong.items()):
            self.complaints.append(f"profile: {organization}: {what}")

    @property
    def bound(self) -> int:
        """Group updates that may arrive at most."""
        _, unknown = attempts(self.books)
        if self.store is None:
            return transitions(arrivals(self.books, self.signals)) + unknown
        return self.store.transitions + unknown + self.store.takeovers + self.store.forgotten

    def _bound(self) -> None:
        sent, unknown = attempts(self.books)
        if self.store is not None and sent > self.store.claims + unknown:
            self.complaints.append(f"claims: {sent} group updates were sent under {self.store.claims} claims")
        if sent > self.bound or self.updates > self.bound:
            self.complaints.append(
                f"bound: {self.updates} group updates arrived, {sent} were sent, {self.bound} allowed: "
                f"{self.store}, {unknown} unknown"
            )
        if not self.updates <= sent:
            self.complaints.append(f"books: {self.updates} group updates arrived, but {sent} were sent")

    def _the_air(self) -> None:
        new_here = strangers(self.books, self.signals, self.rebirth, self.lost_at)
        excused: set[str] = set()
        blamed: set[str] = set()
        for organization, *pair in collisions(flights(self.books, life=self.life)):
            is_excused = is_late_mark(
                organization, (pair[0], pair[1]), self.rebirth.early, new_here,
                lost_at=self.lost_at, window=self.window,
            )  # fmt: skip
            (excused if is_excused else blamed).add(organization)
        self.late_marks = len(excused - blamed)
        for organization in sorted(blamed):
            self.complaints.append(f"air: two contents of {organization} were in the air together")

    def _captures(self) -> None:
        silent = len(self.signals) - len(heard_of(self.books) | self.given_up)
        if silent:
            self.complaints.append(f"script: {silent} signals were never exported")
        for pid, lines in self.books.items():
            missing = acknowledged(lines) - self.captured
            if missing:
                self.complaints.append(f"captures: {len(missing)} that process {pid} was told of are missing")
            last = lines[-1] if lines else {}
            if pid not in self.killed and not (last.get("what") == "summed up" and last["balanced"]):
                self.complaints.append(f"balance: process {pid} ended with {last}")

    def figures(self) -> str:
        """One line for people."""
        sent, unknown = attempts(self.books)
        slowest = max(
            line["at"] - line["began"]
            for lines in self.books.values()
            for line in lines
            if line["what"] == "exported"
        )
        notes = dict(sorted(noted(self.books.values()).items()))
        return (
            f"{len(self.signals)} signals of {len(self.profiles)} organizations in {self.seconds:.1f} s: "
            f"{self.updates} updates arrived, {sent} sent, {self.bound} allowed "
            f"({self.store}, {unknown} unknown); {len(self.killed)} killed, "
            f"{len(self.excused)} signals excused, {self.set_back} set back by the loss, "
            f"{self.late_marks} granted before it was told of, "
            f"slowest export {slowest:.2f} s, {notes}"
        )


def noted(books: Iterable[Lines]) -> Counter[str]:
    """What the exporters counted, over all processes."""
    total: Counter[str] = Counter()
    for lines in books:
        notes = [line["notes"] for line in lines if "notes" in line]
        total.update(notes[-1] if notes else {})
    return total
