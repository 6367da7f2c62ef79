"""The mark, the flag and the twin of ``posthog_capture``, as users' own suites use them."""

from __future__ import annotations

import pytest

from tests.testing_plugin.test_posthog_capture import STAY_LOADED, run

pytest_plugins = "pytester"

assert STAY_LOADED


def test_a_mark_lets_posthog_fail_for_one_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest
        from app import upgrade

        @pytest.mark.posthog(host_status=503)
        def test_down(posthog_capture):
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")
            assert posthog_capture.events == []
            [missing] = posthog_capture.not_exported
            assert "503" in missing.reason
            posthog_capture.heal()
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")
            posthog_capture.assert_captured("plan_upgraded", organization="acme", times=1)
            assert posthog_capture.organization("acme").properties == {"plan": "pro"}

        def test_up(posthog_capture):
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")
            posthog_capture.assert_captured("plan_upgraded", organization="acme")
        """,
        "--strict-markers",
    )

    result.assert_outcomes(passed=2)


def test_a_mark_sets_options_and_the_nearest_one_wins(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest
        from app import upgrade

        @pytest.fixture
        def posthog_options():
            return {"event_prefix": "suite ", "spans": "named"}

        @pytest.mark.posthog(event_prefix="class ", spans="all")
        class TestMarked:
            def test_of_the_class(self, posthog_capture):
                upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")
                posthog_capture.assert_captured("class plan_upgraded")

            @pytest.mark.posthog(event_prefix="test ")
            def test_of_its_own(self, posthog_capture):
                upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")
                posthog_capture.assert_captured("test plan_upgraded")

        def test_without(posthog_capture):
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")
            assert posthog_capture.events == []

        @pytest.mark.posthog(event_prefiks="typo")
        def test_wrong(posthog_capture):
            pass

        @pytest.mark.posthog(503)
        def test_unnamed(posthog_capture):
            pass
        """,
    )

    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(["*event_prefiks*", "*takes keywords only*"])


SHOWN = """
from app import upgrade

def test_it(posthog_capture):
    tracer = posthog_capture.tracer_provider.get_tracer("app")
    upgrade(tracer, "acme", "pro")
    with tracer.start_as_current_span("GET /health"):
        pass
    assert {verdict}
"""

LINES = [
    "*- posthog_capture -*",
    "20*$groupidentify  organization acme",
    "    plan = 'pro'",
    "20*plan_upgraded  organization acme  by u_1",
    "    plan = 'pro'",
    "not exported (1):",
    "  span GET /health: no_group*",
]


@pytest.mark.parametrize(
    ("verdict", "flags", "shown"),
    [
        pytest.param("False", ["--posthog-show"], True, id="a failed test shows it when asked to"),
        pytest.param("False", [], False, id="and not otherwise"),
        pytest.param("True", ["--posthog-show"], False, id="a passed one does not"),
        pytest.param("True", ["--posthog-show", "-rP"], True, id="unless passed ones are to be shown"),
    ],
)
def test_what_was_captured_is_shown(
    verdict: str, flags: list[str], shown: bool, pytester: pytest.Pytester
) -> None:
    result = run(pytester, SHOWN.format(verdict=verdict), *flags)

    if shown:
        result.stdout.fnmatch_lines_random(LINES)
    else:
        result.stdout.no_fnmatch_line("*- posthog_capture -*")


def test_the_twin_holds_what_all_tests_sent_until_it_is_cleared(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest
        from app import upgrade

        @pytest.fixture(scope="session")
        def posthog_session_options():
            return {"event_prefix": "app "}

        @pytest.fixture(scope="session")
        def tracer(posthog_capture_session):
            return posthog_capture_session.tracer_provider.get_tracer("app")

        @pytest.mark.parametrize("number", [1, 2])
        def test_grows(posthog_capture_session, tracer, number):
            upgrade(tracer, "acme", "pro")
            posthog_capture_session.assert_captured("app plan_upgraded", times=number)
            posthog_capture_session.assert_group_identified("organization", "acme", times=1)

        def test_clear(posthog_capture_session, tracer, posthog_capture):
            posthog_capture_session.clear()
            upgrade(tracer, "acme", "pro")
            posthog_capture_session.assert_captured("app plan_upgraded", times=1)
            assert posthog_capture.events == []
        """,
    )

    result.assert_outcomes(passed=3)


def test_a_snapshot_is_the_same_in_every_run(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest
        from app import upgrade

        @pytest.mark.parametrize("number", [1, 2])
        def test_upgrade(posthog_capture, number):
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro", seats=5)

            shown = posthog_capture.snapshot()
            assert sorted(shown, key=lambda row: row["event"]) == [
                {
                    "event": "$groupidentify",
                    "groups": {"organization": "acme"},
                    "properties": {"plan": "pro"},
                },
                {
                    "event": "plan_upgraded",
                    "user": "u_1",
                    "groups": {"organization": "acme"},
                    "properties": {
                        "organization.id": "acme",
                        "organization.plan": "pro",
                        "otel.scope.name": "app",
                        "plan": "pro",
                        "posthog.actor": "user",
                        "seats": 5,
                        "service.name": "posthog-capture",
                        "span.kind": "internal",
                        "user.id": "u_1",
                    },
                },
            ]
        """,
    )

    result.assert_outcomes(passed=2)
