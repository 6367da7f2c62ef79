"""The hook of zero-code set-up: what it switches on, and what it leaves alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from opentelemetry.sdk._logs import LoggerProvider

from opentelemetry.exporter.posthog import PostHogGroupProcessor, organization
from opentelemetry.exporter.posthog.sdk import sigterm
from opentelemetry.exporter.posthog.sdk.pre_instrument import VARIABLES
from opentelemetry.exporter.posthog.sdk.providers import add_first
from opentelemetry.exporter.posthog.settings.options import BY_NAME
from tests.signal_capture import Signals

SET_UP = """
from opentelemetry import trace
from opentelemetry._logs import get_logger, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.exporter.posthog.sdk.pre_instrument import pre_instrument
tracers, loggers = TracerProvider(), LoggerProvider()
trace.set_tracer_provider(tracers)
set_logger_provider(loggers)
loggers.add_log_record_processor(SimpleLogRecordProcessor(ConsoleLogRecordExporter()))
"""


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "POSTHOG_"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **{f"OTEL_EXPORTER_POSTHOG_{name}": value for name, value in env.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_variables_are_those_of_the_table_of_options() -> None:
    names = ("group_processor", "sigterm_flush", "celery")
    assert tuple(BY_NAME[name].variable for name in names) == VARIABLES


def test_unless_asked_it_imports_nothing_and_changes_nothing() -> None:
    code = (
        "import signal, sys\n"
        "from opentelemetry.exporter.posthog.sdk.pre_instrument import pre_instrument\n"
        "before = set(sys.modules)\n"
        "pre_instrument()\n"
        "assert set(sys.modules) == before, set(sys.modules) - before\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry.sdk')]\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_false_is_not_asked() -> None:
    code = SET_UP + "pre_instrument(); print(len(tracers._active_span_processor._span_processors))"
    assert run(code, GROUP_PROCESSOR="false").stdout.strip() == "0"


def test_the_processor_stamps_log_records_before_a_simple_processor_exports_them() -> None:
    code = SET_UP + (
        "pre_instrument()\n"
        "from opentelemetry.exporter.posthog import organization\n"
        "with organization('org_42'):\n"
        "    get_logger('app').emit(event_name='e')\n"
        "    with trace.get_tracer('app').start_as_current_span('s') as span: print(span.attributes)\n"
    )
    done = run(code, GROUP_PROCESSOR="true")
    assert done.stdout.count("org_42") == 2
    assert done.stderr == ""


def test_without_an_sdk_it_says_so_in_one_line_and_goes_on() -> None:
    code = (
        "from opentelemetry.exporter.posthog.sdk.pre_instrument import pre_instrument\n"
        "pre_instrument(); print('still here')"
    )
    done = run(code, GROUP_PROCESSOR="true")
    assert done.stdout == "still here\n"
    assert len(done.stderr.splitlines()) == 1
    assert "OTEL_EXPORTER_POSTHOG_GROUP_PROCESSOR has no effect: no OpenTelemetry SDK" in done.stderr


def test_a_disabled_exporter_has_no_hook_either() -> None:
    code = SET_UP + (
        "import signal\n"
        "pre_instrument()\n"
        "print(len(tracers._active_span_processor._span_processors), signal.getsignal(signal.SIGTERM).name)"
    )
    done = run(code, GROUP_PROCESSOR="true", SIGTERM_FLUSH="true", DISABLED="true")
    assert done.stdout.strip() == "0 SIG_DFL"


def test_a_log_processor_is_appended_where_an_sdk_keeps_them_differently() -> None:
    class Other(LoggerProvider):
        def __init__(self) -> None:
            super().__init__(shutdown_on_exit=False)
            self._multi_log_record_processor = None  # type: ignore[assignment]
            self.appended: list[object] = []

        def add_log_record_processor(self, log_record_processor: object) -> None:
            self.appended.append(log_record_processor)

    provider, processor = Other(), PostHogGroupProcessor()
    add_first(provider, processor)
    assert provider.appended == [processor]


def test_added_first_means_before_an_exporter_that_was_there() -> None:
    signals = Signals()
    add_first(signals.logger_provider, PostHogGroupProcessor())
    with organization("org_42"):
        signals.logger.emit(event_name="e")
    assert signals.record("e")["organization.id"] == "org_42"


# -- SIGTERM ------------------------------------------------------------------------------------------------


TERMINATE = "import atexit, os, signal, time\natexit.register(print, 'exit hooks ran')\n"
HOOK = "from opentelemetry.exporter.posthog.sdk.pre_instrument import pre_instrument\npre_instrument()\n"
SUICIDE = "os.kill(os.getpid(), signal.SIGTERM)\n"


@pytest.mark.parametrize(
    ("before", "asked", "returncode", "hooks_ran"),
    [
        pytest.param("", "true", 143, True, id="asked for, exit hooks run"),
        pytest.param("", "false", -signal.SIGTERM, False, id="not asked for, they do not"),
        pytest.param(
            "signal.signal(signal.SIGTERM, lambda *_: os._exit(7))\n", "true", 7, False,
            id="a handler of somebody else's stays",
        ),
        pytest.param(
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n", "true", 0, True,
            id="an ignored signal stays ignored",
        ),
    ],
)  # fmt: skip
def test_sigterm(before: str, asked: str, returncode: int, hooks_ran: bool) -> None:
    done = run(TERMINATE + before + HOOK + SUICIDE, SIGTERM_FLUSH=asked)
    assert done.returncode == returncode
    assert ("exit hooks ran" in done.stdout) == hooks_ran
    assert len(done.stderr.splitlines()) == (1 if before else 0)


def test_a_second_sigterm_ends_at_once() -> None:
    code = (
        TERMINATE
        + HOOK
        + (
            "atexit.register(time.sleep, 60)\n"
            "atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))\n" + SUICIDE
        )
    )
    assert run(code, SIGTERM_FLUSH="true").returncode == -signal.SIGTERM


def test_a_forked_child_dies_of_sigterm_as_it_did_before_us() -> None:
    code = (
        TERMINATE
        + HOOK
        + (
            "child = os.fork()\n"
            "if child == 0:\n"
            "    os.kill(os.getpid(), signal.SIGTERM)\n"
            "    os._exit(9)\n"
            "print(os.waitpid(child, 0)[1])\n"
        )
    )
    assert run(code, SIGTERM_FLUSH="true").stdout.split()[0] == str(int(signal.SIGTERM))


def test_signal_handlers_are_left_to_the_main_thread() -> None:
    import threading

    said: list[str | None] = []
    thread = threading.Thread(target=lambda: said.append(sigterm.install()))
    thread.start()
    thread.join()
    assert said == ["signal handlers can only be installed on the main thread"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# -- Celery -------------------------------------------------------------------------------------------------


def test_celery_that_is_not_installed_is_said_in_one_line() -> None:
    code = "import sys\nsys.modules['celery'] = sys.modules['celery.signals'] = None\n" + HOOK
    done = run(code, CELERY="true")
    assert done.returncode == 0
    assert "OTEL_EXPORTER_POSTHOG_CELERY has no effect: Celery is not installed" in done.stderr


def test_a_provider_that_hangs_does_not_hold_up_the_end_of_a_worker() -> None:
    code = SET_UP + (
        "import threading, time\n"
        "from opentelemetry.sdk._logs import LogRecordProcessor\n"
        "from opentelemetry.exporter.posthog.sdk.providers import close_providers\n"
        "class Hangs(LogRecordProcessor):\n"
        "    def on_emit(self, log_record): pass\n"
        "    def force_flush(self, timeout_millis=30000): return True\n"
        "    def shutdown(self): threading.Event().wait()\n"
        "loggers.add_log_record_processor(Hangs())\n"
        "print(close_providers(0.2))\n"
        "import os; os._exit(0)\n"
    )
    assert run(code).stdout.strip() == "False"


def test_an_attempt_that_fails_is_one_line_and_the_next_one_is_made() -> None:
    code = "import signal\n" + HOOK + "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    spoiled = "import sys\nsys.modules['opentelemetry.exporter.posthog.sdk.group_processor'] = None\n" + code
    done = run(spoiled, GROUP_PROCESSOR="true", SIGTERM_FLUSH="true")
    assert done.stdout == "False\n"
    assert len(done.stderr.splitlines()) == 1
    assert "GROUP_PROCESSOR has no effect: failed with ModuleNotFoundError" in done.stderr
