"""Laws of the settings: whatever is written, there is an answer, and no value is ever repeated in it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.settings.options import OPTIONS
from opentelemetry.exporter.posthog.settings.sources import resolve

CANARY = "kanarienvogel"

names = st.sampled_from([option.name for option in OPTIONS])
variables = st.sampled_from([variable for option in OPTIONS for variable in option.variables])

scraps = st.sampled_from(
    ["", " ", "=", ";", ",", ":", ".", "-", "://", "http://", "redis://", "sqlite://", "phx_", "$", "@", "[",
     "~", "patterns.", "keep=", "entry", "\n", "\0", "\udc80", "ä", "1", "9" * 30]
)  # fmt: skip
texts = st.lists(st.one_of(scraps, st.text(max_size=5), st.just(CANARY)), max_size=6).map("".join)
inner_keys = st.one_of(
    st.sampled_from(
        [
            "preset",
            "rules",
            "name",
            "kind",
            "event",
            "drop",
            "default",
            "patterns",
            "group_properties",
            CANARY,
            "a",
        ]
    ),
    st.integers(),
    st.none(),
    st.booleans(),
)
anything: st.SearchStrategy[object] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), texts,
        st.binary(max_size=3),
        st.just(print), st.builds(object),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(inner_keys, inner, max_size=4), st.tuples(inner)
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    keywords=st.dictionaries(st.one_of(names, st.text(max_size=8)), anything, max_size=6),
    env=st.dictionaries(st.one_of(variables, st.just("OTEL_EXPORTER_POSTHOG_XYZ")), texts, max_size=6),
)
def test_whatever_is_written_there_are_settings_or_a_fatal_problem(
    keywords: dict[str, Any], env: dict[str, str]
) -> None:
    resolution = resolve(keywords, env)
    assert (resolution.settings is None) == any(problem.fatal for problem in resolution.problems)
    assert set(resolution.origins) == set(resolution.values) == {option.name for option in OPTIONS}


def _carriers(option_text: str, example: object) -> list[object]:
    """Values near to usable ones, each with the canary somewhere."""
    return [
        CANARY,
        f"{option_text}{CANARY}",
        f"{CANARY} {option_text}",
        f"{CANARY}={CANARY}",
        f"a=b;{CANARY}",
        f"patterns.{CANARY}=hash;{CANARY}.x=y;keep={CANARY};drop={CANARY}",
        f"https://{CANARY}:{CANARY}@x.example/{CANARY}?{CANARY}",
        f"http://{CANARY}.example",
        f"ftp://{CANARY}",
        f"phx_{CANARY}",
        [CANARY, {CANARY: CANARY}, 3],
        {CANARY: CANARY},
        {CANARY: [CANARY], "rules": [{CANARY: CANARY, "kind": CANARY, "event": f"${CANARY}"}]},
        {"patterns": {CANARY: "hash"}, "default": CANARY, "group_properties": {CANARY: [CANARY]}},
        f"{CANARY}\n{CANARY}",
        CANARY.encode(),
        [example, CANARY],
    ]


CARRIERS = [
    (option.name, option.variable, value)
    for option in OPTIONS
    for value in _carriers(option.text, option.example)
]


@settings(max_examples=400, deadline=None)
@given(chosen=st.lists(st.sampled_from(CARRIERS), min_size=1, max_size=8), by_name=st.booleans())
def test_no_value_is_ever_repeated_in_a_problem_or_a_notice(
    chosen: list[tuple[str, str, object]], by_name: bool
) -> None:  # [P-SETTINGS-NO-VALUE]
    if by_name:
        resolution = resolve({name: value for name, _, value in chosen}, {})
    else:
        resolution = resolve({}, {variable: value for _, variable, value in chosen if isinstance(value, str)})
    for told in (*map(str, resolution.problems), *map(repr, resolution.problems), *resolution.notices):
        assert CANARY not in told.lower()
