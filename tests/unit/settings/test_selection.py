"""Presets and rules, as text and as YAML."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.settings.model import Preset, Selection, SelectionRule
from opentelemetry.exporter.posthog.settings.parsing import UnusableError
from opentelemetry.exporter.posthog.settings.selection import LOG_PRESETS, SPAN_PRESETS, selection

spans = selection(Preset.ENTRY, SPAN_PRESETS, kinds=True)
logs = selection(Preset.EVENTS, LOG_PRESETS, kinds=False)

INVITED = SelectionRule(name="POST /orgs/{org_id}/members", event="member invited")
NO_GETS = SelectionRule(name="GET *", drop=True)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        pytest.param("named", Selection(preset=Preset.NAMED), id="a preset alone"),
        pytest.param(
            "POST /orgs/{org_id}/members=member invited;GET *=-",
            Selection(preset=Preset.ENTRY, rules=(INVITED, NO_GETS)),
            id="rules alone keep the default preset",
        ),
        pytest.param(
            " all ; GET *=- ; ", Selection(preset=Preset.ALL, rules=(NO_GETS,)), id="a preset before rules"
        ),
        pytest.param(
            "GET /x?a=b=read",
            Selection(preset=Preset.ENTRY, rules=(SelectionRule(name="GET /x?a=b", event="read"),)),
            id="the last equals sign splits",
        ),
        pytest.param(
            "job.*=",
            Selection(preset=Preset.ENTRY, rules=(SelectionRule(name="job.*"),)),
            id="nothing after it keeps the name",
        ),
        pytest.param(False, Selection(preset=Preset.OFF), id="off, as YAML reads it"),
        pytest.param(
            {"preset": False}, Selection(preset=Preset.OFF), id="off in a mapping, as YAML reads it"
        ),
        pytest.param(
            {"preset": None, "rules": None}, Selection(preset=Preset.ENTRY), id="nulls are not given"
        ),
        pytest.param({}, Selection(preset=Preset.ENTRY), id="an empty mapping"),
        pytest.param(
            [{"name": "GET *", "drop": True}],
            Selection(preset=Preset.ENTRY, rules=(NO_GETS,)),
            id="a list of rules",
        ),
        pytest.param(
            ["GET *=-"], Selection(preset=Preset.ENTRY, rules=(NO_GETS,)), id="a list of rules as text"
        ),
        pytest.param(
            {
                "preset": "named",
                "rules": [
                    {
                        "scope": "shop.*",
                        "kind": "SERVER",
                        "attribute": "order.id",
                        "event": "ordered",
                        "drop": False,
                    },
                ],
            },
            Selection(
                preset=Preset.NAMED,
                rules=(SelectionRule(scope="shop.*", kind="server", attribute="order.id", event="ordered"),),
            ),
            id="all keys of a rule",
        ),
    ],
)
def test_takes(written: object, means: Selection) -> None:
    assert spans(written) == means


@pytest.mark.parametrize(
    ("written", "says"),
    [
        pytest.param("everything", "none of entry, named, all, off", id="a preset that is none"),
        pytest.param("events", "none of entry", id="a preset of log records"),
        pytest.param("entry;named", "entry 1 has no =", id="a second preset"),
        pytest.param("=x", "entry 1 has no name pattern", id="a rule without a pattern"),
        pytest.param("a=$groupidentify", "starts with $", id="an event name of PostHog's own"),
        pytest.param("a=" + "x" * 201, "201 bytes", id="an event name too long"),
        pytest.param(True, "where a preset or rules are needed", id="on, as YAML reads it"),
        pytest.param(7, "is a number", id="a number"),
        pytest.param(
            {"rules": {"name": "x"}}, "where a list of rules is needed", id="rules that are no list"
        ),
        pytest.param({"presets": "all"}, "key that is not known", id="an unknown key"),
        pytest.param([{"nmae": "x"}], "key that is not known", id="an unknown key of a rule"),
        pytest.param([{"event": "x", "drop": True}], "an event and drop", id="a rule that names and drops"),
        pytest.param([{"kind": "servre"}], "`kind` is none of server", id="a kind that is none"),
        pytest.param([3], "where a rule is needed", id="a rule that is a number"),
    ],
)
def test_refuses(written: object, says: str) -> None:
    with pytest.raises(UnusableError) as caught:
        spans(written)
    assert says in caught.value.mistakes[0].got


def test_all_wrong_parts_are_told_at_once() -> None:
    with pytest.raises(UnusableError) as caught:
        spans({"preset": "x", "rule": 1, "rules": [{"kind": "x", "event": "$set"}, {"drop": "maybe"}]})
    assert len(caught.value.mistakes) == 5


def test_log_records_have_no_kind() -> None:
    assert logs("events;cache.*=-").preset is Preset.EVENTS
    with pytest.raises(UnusableError, match="log records have none"):
        logs([{"kind": "server"}])
