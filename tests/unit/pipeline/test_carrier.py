"""What becomes of updates on the way there and back, where the whole pipeline shows it badly."""

from __future__ import annotations

from tests.pipelines import Lab

from opentelemetry.exporter.posthog.carrier import Carrier
from opentelemetry.exporter.posthog.model import Envelope, Group, GroupUpdate, Observation
from opentelemetry.exporter.posthog.wire.encoding import Encoder

ORG = Group("organization", "org_1")


class Picky(Encoder):
    """Can't encode one value."""

    def group_update(self, update: GroupUpdate) -> Envelope | None:
        return None if update.properties.get("plan") == "poison" else super().group_update(update)


class Desk(Lab):
    def __init__(self) -> None:
        super().__init__()
        self.ledger = self.pipeline._ledger
        self.carrier = Carrier(
            ledger=self.ledger,
            encode=Picky(),
            courier=self.pipeline._courier,
            outbox=None,
            outbox_mode=self.settings.outbox_mode,
            diagnostics=self.diagnostics,
            clock=self.clock,
        )

    def sees(self, ago: int, plan: str) -> list[GroupUpdate]:
        at = self.clock.time_ns() - ago * 1_000_000_000
        return self.ledger.observe([Observation(ORG, at, at, {"plan": plan}, "api")])

    def carry(self, updates: list[GroupUpdate]) -> bool:
        return self.carrier.carry((), updates, self.clock.monotonic() + 10.0)


def test_what_moved_on_while_an_update_could_not_be_encoded_is_sent_at_once() -> None:
    desk = Desk()
    poisoned = desk.sees(9, "poison")
    assert desk.sees(5, "pro") == [], "the claim is open"
    assert desk.carry(poisoned) is False, "what can't be said is lost, and that is the truth"
    assert desk.profile() == {"plan": "pro"}
    assert desk.ledger.waiting().dirty == 0


def test_an_update_that_can_not_be_encoded_holds_no_other_up() -> None:
    desk = Desk()
    poisoned = desk.sees(9, "poison")
    at = desk.clock.time_ns()
    other = desk.ledger.observe(
        [Observation(Group("organization", "org_2"), at, at, {"plan": "team"}, "api")]
    )
    assert desk.carry([*poisoned, *other]) is False
    assert desk.profile("org_2") == {"plan": "team"}
    assert {key for _, key in desk.double.groups} == {"org_2"}
    assert desk.sees(2, "poison") == [], "not again until its value changes"
