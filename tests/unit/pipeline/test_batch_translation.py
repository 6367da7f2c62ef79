"""Signals go through translation together, and one that can't be read costs itself alone."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import SpanKind
from tests.builders import LOCAL, a_span, some_settings
from tests.manual_clock import ManualClock

from opentelemetry.exporter.posthog.batch_translation import TOGETHER, BatchTranslation
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.sdk.intake import span_source
from opentelemetry.exporter.posthog.settings.model import GroupRule
from opentelemetry.exporter.posthog.translate.translator import NOT_AN_ENTRY
from opentelemetry.exporter.posthog.wire.encoding import Encoder


class Unreadable:
    """A span of some other library, made wrongly."""

    @property
    def kind(self) -> Any:
        raise RuntimeError("no kind")


def translated(batch: list[Any]) -> tuple[list[str], Diagnostics]:
    diagnostics = Diagnostics(clock=ManualClock())
    events, _ = BatchTranslation(Encoder(), diagnostics).translate(
        span_source(some_settings()), batch, None, give_turn=lambda: None
    )
    return [envelope.uuid for envelope in events], diagnostics


def test_a_span_that_cannot_be_read_costs_itself_and_not_its_neighbours() -> None:
    spans = [a_span(f"step {number}") for number in range(4)]
    alone = [uuid for span in spans for uuid in translated([span])[0]]
    together, diagnostics = translated([*spans[:2], Unreadable(), *spans[2:]])
    assert together == alone
    assert len(together) == 4
    assert diagnostics.snapshot().not_selected == {"translation_error": 1}


def test_a_batch_of_any_length_gives_its_events_in_order() -> None:
    spans = [a_span(f"step {number}") for number in range(TOGETHER * 2 + 1)]
    alone = [uuid for span in spans for uuid in translated([span])[0]]
    for length in (0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 1, TOGETHER * 2 + 1):
        assert translated(spans[:length])[0] == alone[:length]


def test_spans_that_are_let_go_among_others_shift_no_answer() -> None:
    dull = a_span("GET https://api", {}, kind=SpanKind.CLIENT)
    spans = [a_span("first"), dull, a_span("second"), dull, dull, a_span("third")]
    uuids, diagnostics = translated(spans)
    assert uuids == [uuid for span in spans for uuid in translated([span])[0]]
    assert diagnostics.snapshot().not_selected == {"not_an_entry": 3}


@pytest.mark.parametrize(
    "speaking",
    [
        pytest.param({"attributes": {"organization.id": "org_1"}}, id="the first group"),
        pytest.param({"attributes": {"workspace.id": "w_1"}}, id="another group"),
        pytest.param({"attributes": {"posthog.event": "exported"}}, id="a name for its event"),
        pytest.param({"attributes": {}, "kind": SpanKind.CONSUMER}, id="an entry"),
        pytest.param({"attributes": {}, "parent": None}, id="a root"),
        pytest.param({"attributes": {}, "scope": "httpx"}, id="a scope of our own"),
    ],
)
def test_a_span_of_which_something_else_is_to_be_said_is_found_among_dull_ones(
    speaking: dict[str, Any],
) -> None:
    dull = a_span("SELECT", {}, kind=SpanKind.CLIENT)
    spoken = a_span(**{"kind": SpanKind.INTERNAL, "parent": LOCAL, **speaking})
    groups = (
        GroupRule(type="organization", attribute="organization.id"),
        GroupRule(type="workspace", attribute="workspace.id"),
    )
    settings = some_settings(groups=groups)
    together = span_source(settings).translate_together
    assert together is not None
    answers = together([dull, spoken, dull])
    assert answers == [NOT_AN_ENTRY, *together([spoken]), NOT_AN_ENTRY]
    assert answers[1] != NOT_AN_ENTRY
