"""``python -m tests.faults.ledger_fork_scene HOST KEY LEDGER SCENE``: a service that forks as it exports."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from opentelemetry.exporter.posthog import PostHogLogExporter
from tests.builders import a_log
from tests.manual_clock import EPOCH_NS

TIMEOUT_MILLIS = 20_000


class Service:
    def __init__(self, host: str, key: str, ledger: str) -> None:
        self._exporter = PostHogLogExporter(
            host=host, api_key=key, ledger=ledger, timeout_millis=TIMEOUT_MILLIS
        )

    def sees(self, at: int, organization: str, plan: str) -> None:
        time_ns = EPOCH_NS + at * 1_000_000_000
        attributes = {"organization.id": organization, "organization.plan": plan}
        self._exporter.export([a_log("seen", attributes, timestamp=time_ns, observed_ns=time_ns)])

    def ends(self) -> None:
        self._exporter.shutdown()


def in_a_child(act: Callable[[], None]) -> int:
    """Fork, act in the child, and wait for it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def between_two_exports(service: Service) -> int:
    """The child sees what the parent has sent, and something new; then the parent sees a change."""
    service.sees(1, "org_1", "team")

    def child() -> None:
        service.sees(2, "org_1", "team")
        service.sees(2, "org_2", "free")
        service.ends()

    code = in_a_child(child)
    service.sees(3, "org_1", "pro")
    service.ends()
    return code


def in_the_middle_of_an_export(service: Service) -> int:
    """The parent's request is under way when the child sees newer news of the same group.

    The server holds that request back; it is an answer, so the parent's thread goes on when it comes.
    """
    service.sees(1, "org_2", "free")
    sending = threading.Thread(target=service.sees, args=(1, "org_1", "team"))
    sending.start()
    sys.stdin.readline()  # the server has it

    def child() -> None:
        service.sees(2, "org_1", "pro")
        service.ends()

    code = in_a_child(child)
    print("the child has ended", flush=True)
    sending.join()
    service.ends()
    return code


def main() -> int:
    host, key, ledger, scene = sys.argv[1:]
    scenes = {"between": between_two_exports, "middle": in_the_middle_of_an_export}
    return scenes[scene](Service(host, key, ledger))


if __name__ == "__main__":
    sys.exit(main())
