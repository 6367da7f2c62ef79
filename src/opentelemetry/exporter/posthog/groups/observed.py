"""What this process observed: what the ledger has called settled of it, and what it must still hear of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .known import Known, SeenAgain, Settled
from .pocket import Held, Pocket
from .stamp import PRESENCE, Digester, moment_of
from .state import Answers, Standing

if TYPE_CHECKING:
    from ..model import Group, Observation


class Sorted(NamedTuple):
    """What became of the observations of one export."""

    urgent: dict[Group, None]  # of which the store must hear now
    received: int
    saved: int  # observations that said nothing new
    late: list[Observation]  # of which something newer was known here, so that no store hears of them


class Observed:
    """The hot path of the ledger, and the way of the store's answers back into it. Not thread-safe."""

    def __init__(self, digester: Digester, *, max_groups: int, seen_again: SeenAgain | None = None) -> None:
        """``seen_again``: of a store that nobody else writes to."""
        self.known = Known(max_groups, self._carry_over, seen_again)
        self.pocket = Pocket(digester)

    def sort_in(self, observations: Iterable[Observation], ahead_ns: int) -> Sorted:
        """Unchanged ones end here. ``ahead_ns`` is added to their times."""
        known, pocket = self.known, self.pocket
        observations = [_moved(one, ahead_ns) for one in observations] if ahead_ns else list(observations)
        urgent: dict[Group, None] = {}
        late: list[Observation] = []
        news = 0
        for print_, observation in known.unsettled(observations):
            if known.covers(observation):
                late.append(observation)
                continue
            news += 1
            known.drop(observation.group)
            if pocket.holds_newer(observation):
                late.append(observation)
            pocket.add(print_, observation)
            urgent[observation.group] = None
        return Sorted(urgent, len(observations), len(observations) - news, late)

    def carry_touches(self) -> None:
        """Newer times of unchanged values go into the pocket too."""
        self.known.carry_touches()

    def forget_settled(self) -> None:
        """The store has lost its memory: nothing is settled, and it must hear of everything."""
        self.known.forget_all()
        self.pocket.all_unsaved()

    def answered(self, group: Group, asked: Mapping[str, str], answers: Answers) -> Mapping[str, str]:
        """Take the store's answers about these stamps. Which of the group's stamps need not wait on disk any
        more; none where nothing waits there."""
        over: Mapping[str, str] = {}
        if self.pocket.is_on_disk(group):
            over = {
                name: answer.want or asked.get(name, "")
                for name, answer in answers.items()
                if answer.standing is not Standing.PENDING
            }
        held = self.pocket.answered(group, asked, answers)
        if held is not None:
            self._learn(group, held)
        return over

    def contradicts(self, group: Group, answers: Answers) -> bool:
        """An older stamp than the store has called settled before: somebody restored a copy of it."""
        return any(
            (answer := answers.get(name)) is not None and answer.want and moment_of(answer.want) < one.told
            for one in self.known.sets(group)
            for name in one.names
        )

    def _learn(self, group: Group, held: Held) -> None:
        if not held.all_settled:
            self.known.drop(group)
        elif held.print is not None:
            names = tuple(name for name in held.current if name != PRESENCE)
            self.known.put(group, Settled(held.print, held.oldest, names))

    def _carry_over(self, print_: int, observation: Observation) -> None:
        self.pocket.add(print_, observation)


def _moved(observation: Observation, ahead_ns: int) -> Observation:
    time_ns, seen_ns = observation.time_ns + ahead_ns, observation.seen_ns + ahead_ns
    return observation._replace(time_ns=time_ns, seen_ns=seen_ns)
