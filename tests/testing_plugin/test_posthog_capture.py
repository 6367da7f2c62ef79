"""The fixture, as users' own suites use it: each test here is a suite of somebody else's."""

from __future__ import annotations

import httpx
import pytest

from opentelemetry.exporter.posthog import PostHogSpanExporter, organization
from opentelemetry.exporter.posthog.sdk import rehearsal
from opentelemetry.exporter.posthog.testing import capturing

pytest_plugins = "pytester"

STAY_LOADED = (httpx, PostHogSpanExporter, organization, rehearsal, capturing)
"""Suites in this process forget what they import; what is here already, is not loaded again for each."""

APP = """
from opentelemetry.exporter.posthog import organization, user


def upgrade(tracer, org, plan, **more):
    with organization(org, plan=plan), user("u_1"), tracer.start_as_current_span("plan_upgraded") as span:
        span.set_attribute("plan", plan)
        for name, value in more.items():
            span.set_attribute(name, value)
"""


ALWAYS = ("-W", "error", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-q")


def run(pytester: pytest.Pytester, suite: str, *arguments: str) -> pytest.RunResult:
    """Run a suite in this process."""
    pytester.makepyfile(app=APP, test_suite=suite)
    return pytester.runpytest_inprocess(*ALWAYS, *arguments)


def run_apart(pytester: pytest.Pytester, suite: str, *arguments: str) -> pytest.RunResult:
    """Run a suite in a process of its own: where it sets what can be set once, or looks at what is loaded."""
    pytester.makepyfile(app=APP, test_suite=suite)
    return pytester.runpytest_subprocess(*ALWAYS, *arguments)


def test_what_the_code_sent_can_be_asserted(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from app import upgrade

        def test_upgrade(posthog_capture):
            tracer = posthog_capture.tracer_provider.get_tracer("app")

            for _ in range(3):
                upgrade(tracer, "acme", "pro", seats=(1, 2))

            event = posthog_capture.assert_captured(
                "plan_upgraded",
                organization="acme",
                user="u_1",
                properties={"plan": "pro", "seats": [1, 2]},
                times=3,
            )
            assert event.groups == {"organization": "acme"}
            posthog_capture.assert_group_identified("organization", "acme", {"plan": "pro"}, times=1)
            posthog_capture.assert_not_captured("plan_downgraded")
            assert posthog_capture.organization("acme").properties == {"plan": "pro"}
            assert posthog_capture.groups["organization"]["acme"].properties == {"plan": "pro"}
            assert [row.distinct_id for row in posthog_capture.identifies] == ["$organization_acme"]
            assert posthog_capture.not_exported == []
            assert not posthog_capture.refused and not posthog_capture.findings, posthog_capture.explain()
        """,
    )

    result.assert_outcomes(passed=1)


def test_log_events_are_captured_too(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from opentelemetry.exporter.posthog import organization

        def test_log(posthog_capture):
            logger = posthog_capture.logger_provider.get_logger("app")
            with organization("acme", name="Acme"):
                logger.emit(event_name="invoice_paid", attributes={"amount": 5}, body="paid")
                logger.emit(body="just a line")

            posthog_capture.assert_captured("invoice_paid", organization="acme", properties={"amount": 5})
            [plain] = posthog_capture.not_exported
            assert (plain.kind, plain.reason) == ("log", "plain_log")
            assert posthog_capture.findings == []
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_failure_shows_the_nearest_event_the_difference_and_the_reasons(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from app import upgrade

        def test_upgrade(posthog_capture):
            tracer = posthog_capture.tracer_provider.get_tracer("app")
            upgrade(tracer, "acme", "team")
            with tracer.start_as_current_span("GET /health"):
                pass

            posthog_capture.assert_captured("plan_upgraded", organization="acme", properties={"plan": "pro"})
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: no captured event matches: plan_upgraded, organization acme, *'plan': 'pro'*",
            "*nearest of 1: plan_upgraded at 20*",
            "*  plan:",
            "*    - expected 'pro'",
            "*    + captured 'team'",
            "*not exported (1):",
            "*  span GET /health: no_group*It carries no group*Use `with organization(...)`*",
        ]
    )
    result.stdout.no_fnmatch_line("*capture.py:*")  # the test's own line is shown, not the assertion's inside


def test_a_failed_group_assertion_shows_what_was_sent(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from app import upgrade

        def test_value(posthog_capture):
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "team")
            posthog_capture.assert_group_identified("organization", "acme", {"plan": "pro"}, times=1)

        def test_group(posthog_capture):
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "team")
            posthog_capture.assert_group_identified("organization", "other")

        def test_profile(posthog_capture):
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "team")
            posthog_capture.organization("other")
        """,
    )

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*organization acme was to be identified 1 times with {'plan': 'pro'}, and was 0 times*",
            "*  20*{'plan': 'team'}*",
            "*no $groupidentify for it at all; groups that PostHog has: organization acme*",
            "*LookupError: PostHog has no group organization other; it has organization acme*",
        ]
    )


def test_global_providers_are_used_kept_and_left_as_they_were(pytester: pytest.Pytester) -> None:
    result = run_apart(
        pytester,
        """
        from app import upgrade
        from opentelemetry import trace
        from opentelemetry._logs import get_logger_provider, set_logger_provider
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.exporter.posthog import PostHogGroupProcessor

        TRACERS, LOGGERS = TracerProvider(), LoggerProvider()
        TRACERS.add_span_processor(PostHogGroupProcessor())
        trace.set_tracer_provider(TRACERS)
        set_logger_provider(LOGGERS)
        PROCESSORS = TRACERS._active_span_processor._span_processors

        def test_one(posthog_capture):
            assert trace.get_tracer_provider() is TRACERS
            upgrade(trace.get_tracer("app"), "acme", "pro")
            get_logger_provider().get_logger("app").emit(
                event_name="invoice_paid", attributes={"organization.id": "acme"}
            )
            posthog_capture.assert_captured("plan_upgraded", organization="acme", times=1)
            posthog_capture.assert_captured("invoice_paid", organization="acme", times=1)

        def test_two(posthog_capture):
            assert posthog_capture.events == []
            upgrade(trace.get_tracer("app"), "acme", "pro")
            posthog_capture.assert_group_identified("organization", "acme", times=1)

        def test_three():
            upgrade(trace.get_tracer("app"), "acme", "pro")
            assert TRACERS._active_span_processor._span_processors == PROCESSORS
            assert LOGGERS._multi_log_record_processor._log_record_processors == ()
        """,
    )

    result.assert_outcomes(passed=3)


def test_a_provider_of_ones_own_can_be_attached(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from app import upgrade
        from opentelemetry.sdk.trace import TracerProvider

        def test_attached(posthog_capture):
            provider = TracerProvider(shutdown_on_exit=False)
            posthog_capture.attach(provider, stamp=True)
            upgrade(provider.get_tracer("app"), "acme", "pro")
            posthog_capture.assert_captured("plan_upgraded", organization="acme")

        def test_without_a_group_processor_nothing_is_stamped(posthog_capture):
            provider = TracerProvider(shutdown_on_exit=False)
            posthog_capture.attach(provider)
            upgrade(provider.get_tracer("app"), "acme", "pro")
            assert [item.reason for item in posthog_capture.not_exported] == ["no_group"]
        """,
    )

    result.assert_outcomes(passed=2)


def test_eight_changes_without_a_read_between_are_five_updates_and_one_at_the_read(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        from app import upgrade

        def test_bucket(posthog_capture):
            tracer = posthog_capture.tracer_provider.get_tracer("app")
            for number in range(8):
                upgrade(tracer, "acme", f"plan {number}")

            assert len(posthog_capture.identifies) == 6
            assert posthog_capture.organization("acme").properties == {"plan": "plan 7"}
            posthog_capture.assert_group_identified("organization", "acme", {"plan": "plan 7"}, times=1)
        """,
    )

    result.assert_outcomes(passed=1)


FAILING = """
import time

import pytest
from app import upgrade
from opentelemetry.exporter.posthog.testing import Fault

FAULTS = [
    Fault(status=500, times=50),
    Fault(stall=60, times=50),
    Fault(reset="before", times=50),
    Fault(reset="after", times=50),
]

@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_the_next_{what}_sends_the_newest_as_one_update(posthog_capture, fault):
    tracer = posthog_capture.tracer_provider.get_tracer("app")
    upgrade(tracer, "acme", "free")
    posthog_capture.clear()
    started = time.monotonic()

    posthog_capture.fail(fault)
    upgrade(tracer, "acme", "team")
    posthog_capture._double.heal()  # seen from outside, to read nothing yet
    upgrade(tracer, "acme", "pro", seats=5)
    {look}

    assert time.monotonic() - started < 5
    assert updates[-1] == {{"plan": "pro"}}, updates
    stored = [row.properties["$group_set"] for row in posthog_capture.identifies]
    assert stored.count({{"plan": "pro"}}) == 1
    assert posthog_capture.organization("acme").properties["plan"] == "pro"
    assert posthog_capture.events, "captures never wait"
"""


@pytest.mark.parametrize(
    ("what", "look"),
    [
        pytest.param(
            "export",
            "updates = [r.properties['$group_set'] for r in posthog_capture._double.identifies]",
            id="export",
        ),
        pytest.param(
            "read",
            "updates = [row.properties['$group_set'] for row in posthog_capture.identifies]",
            id="read",
        ),
    ],
)
def test_after_an_injected_failure_the_newest_values_are_sent_as_one_update(
    what: str, look: str, pytester: pytest.Pytester
) -> None:
    result = run(pytester, FAILING.format(what=what, look=look))

    result.assert_outcomes(passed=4)


def test_an_event_that_posthog_did_not_take_is_named_with_the_reason(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from app import upgrade
        from opentelemetry.exporter.posthog.testing import Fault

        def test_quota(posthog_capture):
            posthog_capture.fail(Fault(results={"plan_upgraded": "drop"}))
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")

            [missing] = posthog_capture.not_exported
            assert (missing.kind, missing.name) == ("event", "plan_upgraded")
            assert missing.reason == "event_restriction_drop"

        def test_outage(posthog_capture):
            posthog_capture.fail(Fault(status=503, times=None))
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")

            [missing] = posthog_capture.not_exported
            assert (missing.kind, missing.name) == ("event", "plan_upgraded")
            assert "503" in missing.reason
        """,
    )

    result.assert_outcomes(passed=2)


def test_options_come_from_a_fixture_and_the_environment_but_never_the_destination(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        import pytest
        from opentelemetry.exporter.posthog.testing import capturing
        from opentelemetry.exporter.posthog.errors import ConfigurationError

        @pytest.fixture
        def posthog_options():
            return {"groups": {"workspace": "workspace.id"}}

        def test_fixture(posthog_capture):
            tracer = posthog_capture.tracer_provider.get_tracer("app")
            with tracer.start_as_current_span("saved", attributes={"workspace.id": "w_1"}):
                pass
            posthog_capture.assert_captured("saved", groups={"workspace": "w_1"})

        def test_environment(monkeypatch):
            monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_HOST", "https://live.example")
            monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_OUTBOX", "/nowhere/at/all")
            monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_EVENT_PREFIX", "app ")
            with capturing() as captured:
                with captured.tracer_provider.get_tracer("app").start_as_current_span(
                    "saved", attributes={"organization.id": "acme"}
                ):
                    pass
                captured.assert_captured("app saved", organization="acme")

        def test_a_wrong_option_fails_the_test():
            with pytest.raises(ConfigurationError, match="organisation"):
                with capturing(organisation="x"):
                    pass
        """,
    )

    result.assert_outcomes(passed=3)


def test_it_works_in_unittest(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import unittest
        from app import upgrade
        from opentelemetry.exporter.posthog.testing import capturing

        class UpgradeTest(unittest.TestCase):
            def setUp(self):
                context = capturing()
                self.captured = context.__enter__()
                self.addCleanup(context.__exit__, None, None, None)

            def test_upgrade(self):
                upgrade(self.captured.tracer_provider.get_tracer("app"), "acme", "pro")
                self.captured.assert_captured("plan_upgraded", organization="acme")

            def test_block(self):
                with capturing() as captured:
                    upgrade(captured.tracer_provider.get_tracer("app"), "acme", "pro")
                    self.assertEqual(captured.organization("acme").properties, {"plan": "pro"})
                self.assertEqual(self.captured.events, [])
        """,
    )

    result.assert_outcomes(passed=2)


def test_it_works_in_async_tests_and_on_other_threads(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import asyncio, logging, threading
        import pytest
        from app import upgrade

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_async(posthog_capture, caplog):
            tracer = posthog_capture.tracer_provider.get_tracer("app")

            async def serve(org):
                await asyncio.sleep(0)
                upgrade(tracer, org, "pro")

            await asyncio.gather(*(serve(f"org_{number}") for number in range(10)))
            for number in range(10):
                posthog_capture.assert_captured("plan_upgraded", organization=f"org_{number}", times=1)
            assert caplog.records == []

        def test_threads(posthog_capture):
            tracer = posthog_capture.tracer_provider.get_tracer("app")
            threads = [
                threading.Thread(target=upgrade, args=(tracer, f"org_{number % 3}", "pro"))
                for number in range(12)
            ]
            for thread in threads:
                thread.start()
            assert len(posthog_capture.wait("plan_upgraded", count=12)) == 12
            for thread in threads:
                thread.join()
            assert len(posthog_capture.identifies) == 3
            assert posthog_capture.findings == []
        """,
    )

    result.assert_outcomes(passed=2)


def test_it_works_under_xdist(pytester: pytest.Pytester) -> None:
    result = run_apart(
        pytester,
        """
        import pytest
        from app import upgrade

        @pytest.mark.parametrize("number", range(4))
        def test_upgrade(posthog_capture, number):
            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")
            posthog_capture.assert_captured("plan_upgraded", organization="acme", times=1)
            posthog_capture.assert_group_identified("organization", "acme", times=1)
        """,
        "-n",
        "2",
    )

    result.assert_outcomes(passed=4)


def test_nothing_touches_the_network_starts_a_thread_or_sleeps(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import socket, threading, time
        from app import upgrade
        from opentelemetry.exporter.posthog.testing import Fault

        def test_alone(posthog_capture, monkeypatch):
            def forbidden(*_, **__):
                raise AssertionError("forbidden here")
            monkeypatch.setattr(socket, "socket", forbidden)
            monkeypatch.setattr(threading.Thread, "start", forbidden)
            threads = threading.active_count()
            started = time.monotonic()
            posthog_capture.fail(Fault(status=503, retry_after="5"))

            upgrade(posthog_capture.tracer_provider.get_tracer("app"), "acme", "pro")

            posthog_capture.assert_captured("plan_upgraded", organization="acme")
            assert time.monotonic() - started < 5
            assert threading.active_count() == threads
        """,
    )

    result.assert_outcomes(passed=1)


def test_importing_the_plugin_costs_nothing_until_it_is_used(pytester: pytest.Pytester) -> None:
    result = run_apart(
        pytester,
        """
        import sys

        def test_nothing():
            heavy = ("opentelemetry.sdk", "opentelemetry.trace", "httpx", "sqlite3", "redis")
            assert [name for name in heavy if name in sys.modules] == []
            ours = [name for name in sys.modules if name.startswith("opentelemetry.exporter.posthog.")]
            assert sorted(ours) == [
                "opentelemetry.exporter.posthog.testing",
                "opentelemetry.exporter.posthog.testing.pytest_plugin",
                "opentelemetry.exporter.posthog.version",
            ]
        """,
    )

    result.assert_outcomes(passed=1)


BLOCKED = """
import logging
from opentelemetry.exporter.posthog import PostHogSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.posthog.testing import PostHogDouble


def export_to(host):
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = PostHogSpanExporter(api_key="phc_test", host=host)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("app").start_as_current_span("saved", attributes={"organization.id": "acme"}):
        pass
    provider.shutdown()
    return exporter.stats()


def test_live_is_refused(caplog):
    stats = export_to("https://posthog.invalid")
    assert stats.not_selected == {"inert": 1}
    assert "posthog_block_live" in caplog.text and "posthog.invalid" in caplog.text
    assert "phc_test" not in caplog.text


def test_this_machine_is_not():
    with PostHogDouble.listening() as double:
        export_to(double.url)
        assert [row.name for row in double.events] == ["saved"]
"""


def test_block_live_refuses_every_host_but_this_machine(pytester: pytest.Pytester) -> None:  # [P-BLOCK-LIVE]
    pytester.makeini("[pytest]\nposthog_block_live = true")

    result = run(pytester, BLOCKED)

    result.assert_outcomes(passed=2)


def test_block_live_is_off_unless_asked_for(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import os

        def test_off():
            assert not [name for name in os.environ if "BLOCK_LIVE" in name]
        """,
    )

    result.assert_outcomes(passed=1)


def test_the_fixture_says_what_it_is_for(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures", "-p", "no:cacheprovider")

    result.stdout.fnmatch_lines(["posthog_capture*", "*telemetry of this test as PostHog would store it*"])
