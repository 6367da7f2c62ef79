"""Who shares a pipeline, and what happens to it at fork and shutdown.

The span and the log exporter of one project are made separately (zero-code set-up makes two unrelated
objects), yet an organization seen by both must be identified once. So all exporters of one (host, key) in
a process hold the same :class:`SharedPipeline`; the last of them to shut down closes it. Nothing is opened,
imported or started before the first batch arrives: under a preloading server that is after the fork.

Fork. One module-level hook of each kind serves all pipelines, which are held weakly. Before the fork the
parts that hold files close them under their locks (a SQLite file that is open in the parent loses the
child's commits without any error); in the child every lock, thread, socket and counter is replaced, nothing
inherited is closed. A fork that bypasses Python's hooks is noticed by the changed process id.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import PostHogExporterError
from .reasons import Reason

if TYPE_CHECKING:
    from .diagnostics import Diagnostics, Stats
    from .pipeline import Pipeline
    from .settings.model import Settings
    from .source import Source
    from .translate.plans import GroupNames

SignalT = TypeVar("SignalT")
T = TypeVar("T")

TRANSLATION_OPTIONS = frozenset(
    {
        "groups", "groups_from_resource", "groups_from_baggage", "propagate_baggage", "spans", "logs",
        "refused_statuses", "unobserved_statuses", "ai_spans", "event_prefix", "before_send", "opt_out",
        "opt_out_ids", "privacy", "person_properties", "campaign_properties", "log_body", "group_processor",
        "sigterm_flush", "celery", "disabled",
    }
)  # fmt: skip
"""Options that belong to each exporter; all others are the shared pipeline's, where the first one's hold."""

Assemble = Callable[["Settings", "Diagnostics"], "Pipeline"]


class SharedPipeline:
    """One project's pipeline in this process, built at the first batch. Safe for many threads."""

    def __init__(self, settings: Settings, diagnostics: Diagnostics, assemble: Assemble) -> None:
        self.settings = settings
        self.diagnostics = diagnostics
        self._group_names: GroupNames | None = None
        self._assemble = assemble
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._pid = os.getpid()
        self._pipeline: Pipeline | None = None
        self._holders = 0
        self._closed = False
        self._inert = False

    # -- holders ------------------------------------------------------------------------------------

    def hold(self) -> bool:
        """Count one more exporter. False: closed for good meanwhile, ask for a new one."""
        with self._lock:
            if self._closed:
                return False
            self._holders += 1
            return True

    def release(self, timeout: float) -> None:
        """Count one exporter less; the last one flushes and closes. ``timeout`` is seconds. Never raises."""
        with self._lock:
            self._holders -= 1
            if self._holders > 0 or self._closed:
                return
            self._closed = True
            pipeline = self._pipeline
        if pipeline is not None:
            pipeline.shutdown(timeout)

    # -- work ---------------------------------------------------------------------------------------

    @property
    def group_names(self) -> GroupNames:
        """The names of group properties seen so far, for all translators of this project."""
        if self._group_names is None:
            from .translate.plans import GroupNames  # not at the application's start

            self._group_names = GroupNames()
        return self._group_names

    def prepare(self, make: Callable[[GroupNames], T]) -> T:
        """Let ``make`` build what needs imports. A fork waits: half an import could never be made whole."""
        if self._pid != os.getpid():
            self.after_fork_in_child()
        with self._lock:
            return make(self.group_names)

    def export(self, source: Source[SignalT], batch: Sequence[SignalT]) -> bool:
        pipeline = self._open()
        if pipeline is None:
            self.turn_away(source.signal, len(batch), Reason.INERT if self._inert else Reason.SHUT_DOWN)
            return False
        return pipeline.export(source, batch)

    def turn_away(self, signal: str, count: int, reason: Reason) -> None:
        """Count signals that nobody may take any more."""
        self.diagnostics.received(signal, count)
        self.diagnostics.not_selected(reason, count)

    def force_flush(self, timeout: float) -> bool:
        with self._lock:
            pipeline = self._pipeline
            if self._closed:
                return False
        return True if pipeline is None else pipeline.force_flush(timeout)

    def start_early(self) -> None:
        """Build the pipeline ahead of the first batch: something of an earlier life may wait to be sent.

        On a thread of its own, since building imports and opens; nobody waits for it.
        """
        with contextlib.suppress(RuntimeError):  # no thread to be had: the first batch builds it
            threading.Thread(target=self._open, name="posthog-exporter-start", daemon=True).start()

    def stats(self) -> Stats:
        return self.diagnostics.snapshot()

    def _open(self) -> Pipeline | None:
        if self._pid != os.getpid():
            self.after_fork_in_child()
        pipeline = self._pipeline
        if pipeline is not None and not self._closed:
            return pipeline
        with self._lock:
            if self._closed:
                return None
            if self._pipeline is None and not self._inert:
                self._pipeline = self._assembled()
            return self._pipeline

    def _assembled(self) -> Pipeline | None:
        try:
            return self._assemble(self.settings, self.diagnostics)
        except PostHogExporterError as error:  # a state file of another project: inert, and said once
            self._inert = True
            self.diagnostics.error("inert", f"the PostHog exporter sends nothing: {error}")
            return None

    # -- fork ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        self._lock.acquire()
        if self._pipeline is not None:
            self._pipeline.before_fork()

    def after_fork_in_parent(self) -> None:
        if self._pipeline is not None:
            self._pipeline.after_fork_in_parent()
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start a life of our own: same settings and knowledge, new locks, sockets, threads and counters."""
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self.diagnostics.after_fork_in_child()
        if self._pipeline is not None:
            self._pipeline.after_fork_in_child()


# -- the registry -----------------------------------------------------------------------------------

_registry_lock = threading.Lock()  # guards _registry
_registry: weakref.WeakValueDictionary[tuple[str, bytes], SharedPipeline] = weakref.WeakValueDictionary()
_pipelines: weakref.WeakSet[SharedPipeline] = weakref.WeakSet()


def share(settings: Settings, make: Callable[[], SharedPipeline]) -> tuple[SharedPipeline, tuple[str, ...]]:
    """The pipeline of the settings' (host, key), held once more, and the options that could not be honoured.

    ``make`` is called when this process has none, or only a closed one. The second value names delivery
    options in which these settings differ from those of the exporter that came first, which hold.
    """
    identity = (settings.host, hashlib.sha256(settings.api_key.encode()).digest())
    with _registry_lock:
        shared = _registry.get(identity)
        if shared is not None and shared.hold():
            return shared, _differences(shared.settings, settings)
        shared = make()
        shared.hold()
        _registry[identity] = shared
        track(shared)
        return shared, ()


def track(shared: SharedPipeline) -> None:
    """Include a pipeline in fork handling, for as long as somebody else keeps it alive."""
    _pipelines.add(shared)


def _differences(first: Settings, second: Settings) -> tuple[str, ...]:
    names: list[str] = []
    for option in fields(first):
        a: Any = getattr(first, option.name)
        if option.name not in TRANSLATION_OPTIONS and a != getattr(second, option.name):
            names.append(option.name)
    return tuple(names)


# -- fork hooks: registered once, because they can never be removed ------------------------------------

_forking: list[SharedPipeline] = []


def _before_fork() -> None:
    _registry_lock.acquire()
    _forking.extend(_pipelines)
    for shared in _forking:
        shared.before_fork()


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop().after_fork_in_parent()
    _registry_lock.release()


def _after_fork_in_child() -> None:
    global _registry_lock
    _registry_lock = threading.Lock()
    while _forking:
        _forking.pop().after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
