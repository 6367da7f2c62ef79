"""A fleet of real processes that share one ledger: started, disturbed, brought to rest, and judged."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.e2e.processes import Service
from tests.fleet.book import read_books
from tests.fleet.judging import Run, acknowledged, heard_of
from tests.fleet.network import Network
from tests.fleet.script import MASTER, Shape, Signal, script, write_script
from tests.fleet.stores import SharedLedger
from tests.fleet.voice import BEGAN, LIFE, LOST, SCRIPT, TIMEOUT, make_sign, read_sign

ROOT = Path(__file__).parents[2]

KEY = "phc_fleet"

WEB_WORKERS = 2
"""Processes of the script that are gunicorn's workers, after the one that forks them."""

CHUNK = 16
"""Signals that one request tells the web service."""

PATIENCE = 60.0
"""Seconds until the fleet must have come to rest after its last signal."""


@dataclass(frozen=True)
class Plan:
    """What happens, in seconds after the script's beginning. ``deeds``: done to the ledger."""

    shape: Shape
    deeds: Sequence[tuple[float, str]] = ()
    dies_at: float | None = None  # the last plain process, with a request in the air
    web_dies_at: Sequence[float] = ()  # one of gunicorn's workers, each time
    bug: str = ""
    web: bool = True  # gunicorn, with the processes that it forks, is one of the fleet
    settings: tuple[tuple[str, str], ...] = ()


def run(plan: Plan, ledger: SharedLedger, directory: Path) -> Run:
    """Everything from the first start to the judgement."""
    began = time.monotonic()
    double = PostHogDouble(keep_requests=100)
    with Network(double).open() as network, Fleet(plan, ledger, directory, network) as fleet:
        came_to_rest = fleet.work()
    books = read_books(fleet.books)
    run = Run(
        signals=fleet.signals,
        books=books,
        killed=fleet.killed,
        given_up=fleet.given_up,
        profiles={key: profile.properties for (_, key), profile in double.groups.items()},
        updates=sum(profile.updates for profile in double.groups.values()),
        captured={event.properties["n"] for event in double.events},
        store=ledger.sums(),
        rebirth=ledger.rebirth(),
        loss=plan.shape.loss,
        lost_at=fleet.lost_at,
        zero_ns=read_sign(fleet.books / BEGAN),
        came_to_rest=came_to_rest,
        life=LIFE,
        window=TIMEOUT,
        seconds=time.monotonic() - began,
    )
    run.judge()
    run.complaints += objections(double)
    return run


NETWORK_MADE = {
    # the test's network turns the order of attempts round when it holds one up
    "attempt_not_next", "batch_changed", "settled_event_resent", "request_timestamp_not_newer",
    "retry_too_soon",
    # another process's request that was turned away may have changed the profile, for all that is known: the
    # bound allows one more update for it
    "redundant_group_update",
}  # fmt: skip
"""Findings that are no fault of the exporters here."""


def objections(double: PostHogDouble) -> list[str]:
    """What the strict double has to say of the requests."""
    return [f"refused: {refusal}" for refusal in double.refused] + [
        f"finding: {finding}" for finding in double.findings if finding.name not in NETWORK_MADE
    ]


class Fleet:
    """The processes of one run."""

    def __init__(self, plan: Plan, ledger: SharedLedger, directory: Path, network: Network) -> None:
        self._plan = plan
        self._ledger = ledger
        self._network = network
        self._stack = ExitStack()
        self.signals = script(plan.shape)
        self.killed: list[int] = []
        self.given_up: set[int] = set()
        self.books = directory / "books"
        self.books.mkdir()
        write_script(self.signals, self.books / SCRIPT)
        self._directory = directory
        self._past_loss = threading.Event()
        if not plan.shape.loss:
            self._past_loss.set()
        self._zero_ns = 0  # when the script's clock shows nothing
        self.lost_at = 0.0  # monotonic seconds; 0: the ledger never was
        ledger.watch(network.url, KEY)
        self._environment = {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
            "FLEET_BOOKS": str(self.books),
            "FLEET_LOSS": str(plan.shape.loss),
            "FLEET_BUG": plan.bug,
            "OTEL_EXPORTER_POSTHOG_API_KEY": KEY,
            "OTEL_EXPORTER_POSTHOG_HOST": network.url,
            "OTEL_EXPORTER_POSTHOG_LEDGER": ledger.setting,
            "OTEL_EXPORTER_POSTHOG_TIMEOUT": str(round(TIMEOUT * 1000)),
            "OTEL_EXPORTER_POSTHOG_COMPRESSION": "none",
            "OTEL_EXPORTER_POSTHOG_GROUP_INTERVAL_MILLIS": "300",
            **dict(plan.settings),
        }

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- processes ----------------------------------------------------------------------------------

    def _start(self, *command: str | Path, name: str, **more: str) -> Service:
        environment = {**self._environment, "FLEET_SERVICE": name, **more}
        return self._stack.enter_context(Service([sys.executable, "-m", *command], environment, cwd=ROOT))

    def _worker(self, number: int, *arguments: str, dies: bool = False) -> Service:
        orders = {"FLEET_DIES_AT": str(self._plan.dies_at)} if dies and self._plan.dies_at is not None else {}
        return self._start("tests.fleet.worker", str(number), *arguments, name=f"worker-{number}", **orders)

    def work(self) -> bool:
        """The whole script, and the way to rest. True when everything came to rest."""
        web = Web(self._start(
            "gunicorn", "tests.fleet.web:app", "--preload", "--workers", str(WEB_WORKERS), "--bind",
            "127.0.0.1:0", "--keep-alive", "0", name="web",
        )) if self._plan.web else None  # fmt: skip
        numbers = range(MASTER + 1 + WEB_WORKERS if web else MASTER, self._plan.shape.processes)
        workers = [self._worker(number, dies=number == numbers[-1]) for number in numbers]
        self._begin(web, workers)
        with ThreadPoolExecutor(1) as pool, self._disturbances(web):
            dies = self._plan.dies_at is not None
            replacing = pool.submit(self._replace, numbers[-1], workers[-1]) if dies else None
            if web is not None:
                for share in self._shares_of_web():
                    web.tell(share, self._wait_for)
            if replacing is not None:
                workers[-1] = replacing.result()
            for worker in workers:
                self._wait_for_word(worker, "said")
        self._network.calm = True
        came_to_rest = self._bring_to_rest(web, workers)
        for service in (*workers, *([web.service] if web else [])):
            assert service.stop() == 0, service.lines
        return came_to_rest

    def _begin(self, web: Web | None, workers: Sequence[Service]) -> None:
        """The script's clock starts when everybody is there to see it."""
        for service in (*workers, *([web.service] if web else [])):
            service.wait_for("ready")
        self._zero_ns = time.time_ns()
        make_sign(self.books / BEGAN, self._zero_ns)
        if web is not None:
            web.boot()

    def _bring_to_rest(self, web: Web | None, workers: Sequence[Service]) -> bool:
        if web is not None:
            web.say_again(self._unacknowledged_by_web(web))
        for worker in workers:
            worker.wait_for("flushed")
        if web is not None:
            web.flush()
        return self._rest()

    def _wait_for_word(self, worker: Service, word: str) -> None:
        """However long the script is."""
        self._wait_until(self._plan.shape.seconds)
        worker.wait_for(word)

    def _wait_for(self, told: Signal) -> None:
        if told.at >= self._plan.shape.loss * 1e9:
            self._past_loss.wait()
        self._wait_until(told.at / 1e9)

    def _wait_until(self, seconds: float) -> None:
        """Until the script's clock shows that."""
        time.sleep(max(0.0, self._zero_ns / 1e9 + seconds - time.time()))

    def _forget(self) -> None:
        """The ledger loses everything once all that arrives before has been heard of, and before what comes
        next: no ledger could tell in which order those two were true."""
        before = {told.n for told in self.signals if told.at < self._plan.shape.loss * 1e9}
        end = time.monotonic() + PATIENCE
        while not before <= heard_of(read_books(self.books)):
            assert time.monotonic() < end, "not everything before the loss was exported"
            time.sleep(0.05)
        self.lost_at = time.monotonic()
        self._ledger.deeds["forget"]()
        self._zero_ns = max(self._zero_ns, time.time_ns() - round(self._plan.shape.loss * 1e9))
        self._go_on()

    def _go_on(self) -> None:
        if not self._past_loss.is_set():
            make_sign(self.books / LOST, self._zero_ns)
            self._past_loss.set()

    def _shares_of_web(self) -> list[list[Signal]]:
        """What arrives before the ledger is lost, and what arrives afterwards."""
        share = [told for told in self.signals if MASTER < told.process <= MASTER + WEB_WORKERS]
        loss = self._plan.shape.loss * 1e9
        return [[told for told in share if (told.at >= loss) is after] for after in (False, True)]

    def _replace(self, number: int, victim: Service) -> Service:
        """Wait for the end of the process that dies; another one says what that was not acknowledged."""
        self._past_loss.wait()
        assert victim.ended(PATIENCE + self._plan.shape.seconds) == -signal.SIGKILL, victim.lines
        self.killed.append(victim.pid)
        done = acknowledged(read_books(self.books).get(victim.pid, ()))
        share = [told.n for told in self.signals if told.process == number]
        left = self._to_be_said_again(set(share) - done)
        again = self._directory / f"again-{number}.json"
        again.write_text(json.dumps(left))
        return self._worker(number, "--only", str(again))

    def _unacknowledged_by_web(self, web: Web) -> list[int]:
        """What a killed worker of gunicorn had taken from a request and did not live to export."""
        books = read_books(self.books)
        lost: list[int] = []
        for pid in web.killed:
            self.killed.append(pid)
            lost += self._to_be_said_again(set(web.told.get(pid, ())) - acknowledged(books.get(pid, ())))
        return lost

    def _to_be_said_again(self, numbers: set[int]) -> list[int]:
        """Not what arrived before the ledger was lost: that is old news now, which the ledger can't tell from
        fresh ones any more. Nobody acknowledged it, so it may be lost.
        """
        again = {n for n in numbers if self.signals[n].at >= self._plan.shape.loss * 1e9}
        self.given_up |= numbers - again
        return sorted(again)

    # -- disturbances -------------------------------------------------------------------------------

    @contextmanager
    def _disturbances(self, web: Web | None) -> Generator[None]:
        """Let happen what the plan says, while the block runs; all of it has happened at its end."""
        deeds: list[tuple[float, Callable[[], None]]] = [
            (at, self._ledger.deeds[name]) for at, name in self._plan.deeds
        ]
        if self._plan.shape.loss:
            deeds.append((self._plan.shape.loss, self._forget))
        if web is not None:
            deeds += [(at, web.kill_a_worker) for at in self._plan.web_dies_at]
        deeds.sort(key=lambda deed: deed[0])

        def act() -> None:
            try:
                for at, deed in deeds:
                    self._wait_until(at)
                    deed()
            finally:  # whatever went wrong, nobody waits for it for ever
                self._go_on()

        with ThreadPoolExecutor(1) as pool:
            acting = pool.submit(act)
            yield
            acting.result()

    def _rest(self) -> bool:
        """Whether the ledger has nothing to send any more, before patience is over."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not self._ledger.dirty():
                return True
            time.sleep(0.1)
        return False


class Web:
    """gunicorn, and who talks to it. ``told``: process id -> signals that it took."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.told: dict[int, list[int]] = {}
        self.killed: list[int] = []
        self._lock = threading.Lock()  # guards told
        self._port = 0

    def boot(self) -> None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.service.wait_for("Listening at"))
        assert found is not None
        self._port = int(found[1])
        self.service.wait_for("Booting worker", count=WEB_WORKERS)

    def _workers(self) -> list[int]:
        lines = [line for line in self.service.lines if "Booting worker with pid" in line]
        return [int(line.rpartition(" ")[2]) for line in lines]

    def kill_a_worker(self) -> None:
        """gunicorn starts another one by itself."""
        victim = next(pid for pid in self._workers() if pid not in self.killed)
        os.kill(victim, signal.SIGKILL)
        self.killed.append(victim)

    def tell(self, signals: Sequence[Signal], wait_for: Callable[[Signal], None]) -> None:
        """Each signal when it is due, a few in one request, by as many clients as there are workers."""
        chunks = [signals[n : n + CHUNK] for n in range(0, len(signals), CHUNK)]

        def client(share: Sequence[Sequence[Signal]]) -> None:
            for chunk in share:
                wait_for(chunk[-1])
                self._say([told.n for told in chunk])

        with ThreadPoolExecutor(WEB_WORKERS) as pool:
            list(pool.map(client, [chunks[n::WEB_WORKERS] for n in range(WEB_WORKERS)]))

    def say_again(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), CHUNK):
            self._say(numbers[start : start + CHUNK])

    def _say(self, numbers: Sequence[int]) -> None:
        pid, _ = self._post("/say", json.dumps(list(numbers)))
        with self._lock:
            self.told.setdefault(pid, []).extend(numbers)

    def flush(self) -> None:
        """Until a kill of any of its workers would lose nothing."""
        left = set(self._workers()) - set(self.killed)
        while left:
            with ThreadPoolExecutor(2 * WEB_WORKERS) as pool:
                for pid, done in pool.map(lambda _: self._post("/flush", ""), range(2 * WEB_WORKERS)):
                    if done:
                        left.discard(pid)

    def _post(self, path: str, body: str) -> tuple[int, bool]:
        """Who answered, and what; a worker that dies meanwhile is followed by another."""
        for error in self._tries():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                connection.request("POST", path, body)
                answer = json.loads(connection.getresponse().read())
                return answer["pid"], answer["done"]
            except (OSError, http.client.HTTPException) as failure:
                error.append(failure)
            finally:
                connection.close()
        raise AssertionError("unreachable")

    def _tries(self) -> Iterator[list[Exception]]:
        for _ in range(5):
            errors: list[Exception] = []
            yield errors
            if errors:
                time.sleep(0.1)
        raise AssertionError(f"gunicorn does not answer: {errors}")
