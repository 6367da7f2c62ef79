"""The thread that lives only while something waits."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.caretaker import LONGEST_SLEEP, Caretaker


class Work:
    """Answers what it was given, in order, and says when it was asked."""

    def __init__(self, *answers: float | BaseException | None) -> None:
        self._answers = list(answers)
        self.done = threading.Semaphore(0)
        self.threads: list[str] = []

    def __call__(self) -> float | None:
        self.threads.append(threading.current_thread().name)
        answer = self._answers.pop(0) if self._answers else None
        self.done.release()
        if isinstance(answer, BaseException):
            raise answer
        return answer


class PatientClock(SystemClock):
    """Waits for the wake-up alone, and remembers for how long it was told to."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.asleep = threading.Semaphore(0)

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        self.waits.append(seconds)
        self.asleep.release()
        return wake.wait(20)


def caretaker(work: Work, clock: SystemClock | None = None, **options: object) -> Caretaker:
    failures: list[BaseException] = []
    made = Caretaker(work, clock=clock or PatientClock(), failed=failures.append, **options)  # type: ignore[arg-type]
    made.failures = failures  # type: ignore[attr-defined]
    return made


def wait_until_gone(one: Caretaker) -> None:
    thread = one._thread
    if thread is not None:
        thread.join(10)
    assert not one.alive


def test_no_thread_before_something_waits() -> None:
    one = caretaker(Work())
    assert not one.alive


def test_it_ends_when_nothing_waits_and_starts_again_when_woken() -> None:
    work = Work(None, None)
    one = caretaker(work)
    for _ in range(2):
        one.wake()
        assert work.done.acquire(timeout=10)
        wait_until_gone(one)
    assert len(work.threads) == 2
    assert work.threads[0] == "posthog-exporter-caretaker"


def test_it_sleeps_as_long_as_the_work_says_but_not_for_ever() -> None:
    clock, work = PatientClock(), Work(7.0, 1e9, None)
    one = caretaker(work, clock)
    one.wake()
    for _ in range(2):
        assert clock.asleep.acquire(timeout=10)
        one.wake()
    wait_until_gone(one)
    assert clock.waits == [7.0, LONGEST_SLEEP]


@pytest.mark.parametrize("call", [Caretaker.wake, Caretaker.attend])
def test_a_call_while_it_works_is_not_lost(call: Callable[[Caretaker], None]) -> None:
    asked = []

    class Busy(Work):
        def __call__(self) -> float | None:
            asked.append(1)
            if len(asked) == 1:
                call(one)
            return super().__call__()

    one = caretaker(Busy(None, None))
    one.wake()
    wait_until_gone(one)
    assert len(asked) == 2


def test_what_may_wait_wakes_no_sleeper_and_starts_one_where_there_is_none() -> None:
    clock, work = PatientClock(), Work(60.0)
    one = caretaker(work, clock)
    one.attend()
    assert clock.asleep.acquire(timeout=10)
    one.attend()
    assert not one._wake.is_set()
    assert one.stop(10)
    assert len(work.threads) == 1


def test_stopping_ends_it_at_once_and_for_good() -> None:
    clock, work = PatientClock(), Work(60.0)
    one = caretaker(work, clock)
    one.wake()
    assert clock.asleep.acquire(timeout=10)
    assert one.stop(10)
    one.wake()
    assert not one.alive
    assert len(work.threads) == 1


def test_stopping_what_never_ran_is_nothing() -> None:
    assert caretaker(Work()).stop(0.0)


def test_work_that_raises_ends_the_thread_quietly_and_the_next_wake_up_tries_again() -> None:
    work = Work(RuntimeError("a bug"), None)
    one = caretaker(work)
    one.wake()
    assert work.done.acquire(timeout=10)
    wait_until_gone(one)
    one.wake()
    assert work.done.acquire(timeout=10)
    wait_until_gone(one)
    assert [str(failure) for failure in one.failures] == ["a bug"]  # type: ignore[attr-defined]


def test_the_whole_thread_lives_in_the_context_it_was_given() -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        seen.append("in")
        yield
        seen.append("out")

    work = Work(None)
    one = caretaker(work, around=around)
    one.wake()
    wait_until_gone(one)
    assert seen == ["in", "out"]


def test_it_is_a_daemon() -> None:
    clock, work = PatientClock(), Work(60.0)
    one = caretaker(work, clock)
    one.wake()
    assert one._thread is not None
    assert one._thread.daemon
    one.stop(10)


def test_a_forked_child_has_no_thread_and_gets_its_own() -> None:
    clock, work = PatientClock(), Work(60.0, None)
    one = caretaker(work, clock)
    one.wake()
    assert clock.asleep.acquire(timeout=10)
    parents = one._thread
    one.after_fork_in_child()
    assert not one.alive
    one.wake()
    wait_until_gone(one)
    assert len(work.threads) == 2
    assert parents is not None


ENDING = """
import atexit, threading
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.caretaker import Caretaker
one = Caretaker(lambda: print("worked", flush=True), clock=SystemClock(), failed=print)
atexit.register(lambda: (one.wake(), print("alive" if one.alive else "none", flush=True)))
"""


def test_no_thread_starts_while_the_interpreter_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert (done.stdout, done.stderr) == ("none\n", "")
