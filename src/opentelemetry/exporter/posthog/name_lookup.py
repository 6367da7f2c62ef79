"""Host names into addresses, within a deadline.

``getaddrinfo`` knows no time limit, and a dead resolver is the most common outage of all: tens of seconds a
look-up. So it runs in a thread that can be left behind. At most a few are left behind at a time.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

MAX_LOOKUPS: Final = 4
"""Look-ups under way at once, those included that nobody waits for any more."""

GetAddrInfo = Callable[..., "list[tuple[Any, ...]]"]


class Address(NamedTuple):
    """What ``socket.socket`` and ``connect`` want to know."""

    family: int
    sockaddr: Any


class Lookup:
    """One look-up that can be waited for and cut off. Raises what ``getaddrinfo`` raises."""

    def __init__(self, host: str, port: int, resolve: GetAddrInfo = socket.getaddrinfo) -> None:
        self._host = host
        self._port = port
        self._resolve = resolve
        self._answer: SimpleQueue[list[Address] | Exception] = SimpleQueue()

    def addresses(self, timeout: float) -> list[Address]:
        """All addresses, in the order to try them. ``TimeoutError`` when they are not known in time."""
        if is_literal(self._host):
            return self._ask()
        if not _slots.acquire(timeout=timeout):
            raise TimeoutError("name look-up")
        try:
            threading.Thread(target=self._run, name="posthog-name-lookup", daemon=True).start()
        except RuntimeError:  # the interpreter is going down and starts no threads
            _slots.release()
            return self._ask()
        try:
            answer = self._answer.get(timeout=timeout)
        except Empty:
            raise TimeoutError("name look-up") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cut(self) -> None:
        """Wake whoever waits; called from another thread."""
        self._answer.put(ConnectionAbortedError("cut off"))

    def _run(self) -> None:
        try:
            self._answer.put(self._ask())
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            self._answer.put(error)
        finally:
            _slots.release()

    def _ask(self) -> list[Address]:
        found = self._resolve(self._host, self._port, type=socket.SOCK_STREAM)
        return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


def is_literal(host: str) -> bool:
    """Is it an address already, so that nobody has to be asked?"""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


_slots = threading.BoundedSemaphore(MAX_LOOKUPS)


def after_fork_in_child() -> None:
    """The parent's look-ups are not ours, and their threads do not exist here."""
    global _slots
    _slots = threading.BoundedSemaphore(MAX_LOOKUPS)
