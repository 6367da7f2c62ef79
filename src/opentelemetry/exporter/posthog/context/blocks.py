"""The ``with`` blocks, and the configuration that says which attributes carry what."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from opentelemetry.context import attach, create_key, get_current, set_value

from opentelemetry import baggage, trace

from ..attributes import USER_ID, USER_KEYS
from ..clock import SystemClock
from ..diagnostics.quiet_log import QuietLog
from .entry_span import mark_entry_span
from .scope import EMPTY, Entry, Scope, Stamp, no_stamp, stamp_of
from .stamps import USER
from .values import attribute_value, group_key, instant

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from .values import PropertyValue

_SCOPE = create_key("posthog-scope")

_log = QuietLog(logging.getLogger("opentelemetry.exporter.posthog"), SystemClock())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_log.reset)


def organization(
    key: str | int, /, *, at: datetime | str | int | None = None, **properties: PropertyValue
) -> AbstractContextManager[None]:
    """Everything inside the ``with`` block happens on behalf of this organization.

    ``properties`` describe the organization (``name="Acme"``) and reach its profile in PostHog. ``at`` says
    since when they are true, if not since now: the time at which a provider made its webhook. It is a
    datetime with a zone, RFC 3339 text or nanoseconds since the epoch.

    Never raises. A key that is no key (empty, a bool, over 200 bytes) leaves the block without an
    organization, also inside another one's block, and is warned of once a minute.

    >>> with organization("org_42", name="Acme", plan_name="team"):
    ...     pass
    """
    return _Block("organization", key, at, properties)


def group(
    type: str, key: str | int, /, *, at: datetime | str | int | None = None, **properties: PropertyValue
) -> AbstractContextManager[None]:
    """As :func:`organization`, for any group type that the exporter was configured with (``groups``)."""
    return _Block(type, key, at, properties)


def user(distinct_id: str | int, /, **properties: PropertyValue) -> AbstractContextManager[None]:
    """Everything inside the ``with`` block is done by this user: your own stable id, never an e-mail address.

    ``properties`` become ``user.*`` attributes; they reach PostHog only as far as ``person_properties`` and
    the privacy policy let them.
    """
    return _Block(USER, distinct_id, None, properties)


# -- configuration: which attributes carry what --------------------------------------------------------


class GroupNaming(Protocol):
    """One group type and its attributes (``settings.GroupRule``)."""

    @property
    def type(self) -> str: ...
    @property
    def attribute(self) -> str: ...
    @property
    def prefix(self) -> str | None: ...


class _Naming(NamedTuple):
    attribute: str
    prefix: str | None


_USER_NAMING = _Naming(USER_ID, "user.")
_naming: Mapping[str, _Naming] = {
    "organization": _Naming("organization.id", "organization."),
    USER: _USER_NAMING,
}
_propagate = False
_trust = False


def configure(
    groups: Iterable[GroupNaming] | None = None, *, propagate: bool | None = None, trust: bool | None = None
) -> None:
    """Say which attributes carry which group. For exporters and processors; the last one to speak holds.

    ``propagate`` puts the keys of groups into outgoing baggage, which reaches every called host. ``trust``
    takes them from inbound baggage, which whoever calls has written. None leaves things as they are.
    """
    global _naming, _propagate, _trust
    if groups is not None:
        named = {rule.type: _Naming(rule.attribute, rule.prefix) for rule in groups}
        _naming = {**named, USER: _USER_NAMING}
    _propagate = _propagate if propagate is None else propagate
    _trust = _trust if trust is None else trust


def current_scope(context: Context | None = None) -> Scope:
    """What is put in ``context``, or in the current one."""
    if context is None:
        context = get_current()
    scope = _pile(context)
    return _with_inbound(scope, context) if _trust else scope


def _pile(context: Context) -> Scope:
    scope = context.get(_SCOPE)
    return scope if type(scope) is Scope else EMPTY


def _with_inbound(scope: Scope, context: Context) -> Scope:
    """The groups that the caller named, beneath what this process knows itself."""
    inbound: list[Entry] = []
    for type_, naming in _naming.items():
        if type_ == USER or scope.stamp_for(type_) is not None:
            continue
        key = group_key(baggage.get_baggage(naming.attribute, context))
        if key is not None:
            inbound.append(Entry(None, stamp_of(type_, key, naming.attribute, {}), False, None))
    return Scope((*inbound, *scope.entries)) if inbound else scope


# -- the blocks ----------------------------------------------------------------------------------------


class _Block(AbstractContextManager[None]):
    """One ``with`` block. May be entered again and again, nested and from several threads: it holds no state.

    Leaving takes our entry out of whatever context is current then. So a block that is left in another
    context than it was entered in (a sync generator dependency, an async generator closed by another task)
    is quiet, and interleaved blocks can't bring each other's groups back, as tokens would.
    """

    __slots__ = ("_at", "_key", "_properties", "_type")

    def __init__(self, type_: str, key: object, at: object, properties: Mapping[str, object]) -> None:
        self._type = type_
        self._key = key
        self._at = at
        self._properties = properties

    def __enter__(self) -> None:
        try:
            self._enter()
        except Exception as error:  # noqa: BLE001 - the application must not fail because of us
            _log.line(logging.ERROR, "context_enter", f"a group was not put: {type(error).__name__}")

    def __exit__(self, *_: object) -> None:
        try:
            self._leave()
        except Exception as error:  # noqa: BLE001
            _log.line(logging.ERROR, "context_exit", f"a group was not taken back: {type(error).__name__}")

    def _enter(self) -> None:
        naming = _naming.get(self._type)
        if naming is None:
            _warn(
                "unknown_group_type",
                "group() got a group type that is not configured and ignores it. Name the type and the "
                "attribute that carries its key in OTEL_EXPORTER_POSTHOG_GROUPS.",
            )
            return
        stamp = self._stamp(naming)
        context = get_current()
        scope = _pile(context)
        before = baggage.get_baggage(naming.attribute, context) if _propagate else None
        entry = Entry(self, stamp, propagated=_propagate and self._type != USER, baggage_before=before)
        context = set_value(_SCOPE, scope.with_entry(entry), context)
        attach(_with_baggage(context, naming.attribute, stamp.key) if entry.propagated else context)
        if stamp.key:
            mark_entry_span(trace.get_current_span(), stamp)

    def _stamp(self, naming: _Naming) -> Stamp:
        key = group_key(self._key)
        if key is None:
            what = "user()" if self._type == USER else "organization() or group()"
            _warn(
                "invalid_key",
                f"{what} got something that is no key and goes without: a key is a non-empty str or int of "
                f"at most 200 bytes, and this is {type(self._key).__name__}.",
            )
            return no_stamp(self._type)
        at = instant(self._at)
        return stamp_of(
            self._type,
            key,
            naming.attribute,
            _attributes(naming, self._usable_properties(naming, at)),
            rivals=USER_KEYS if self._type == USER else (),
            observed_at=at,
        )

    def _usable_properties(self, naming: _Naming, at: int | None) -> Mapping[str, object]:
        if at is None and self._at is not None:
            _warn(
                "invalid_at",
                "organization() or group() got an `at` that is no instant. It lets the properties go: nobody "
                "knows when they were true. Pass a datetime with a zone, RFC 3339 text or nanoseconds.",
            )
            return {}
        if naming.prefix is None and self._properties:
            _warn(
                "no_prefix",
                "group() got properties for a group type whose attributes have no prefix, and lets them go. "
                "Configure one with OTEL_EXPORTER_POSTHOG_GROUP_PREFIXES.",
            )
            return {}
        return self._properties

    def _leave(self) -> None:
        context = get_current()
        scope = _pile(context)
        entry = scope.last_entry_of(self)
        if entry is None:
            return  # another context, which never had us
        rest = scope.without_entry(entry)
        context = set_value(_SCOPE, rest, context)
        naming = _naming.get(self._type)
        if entry.propagated and naming is not None:
            outer = rest.stamp_for(self._type)
            value = outer.key if outer is not None else entry.baggage_before
            context = _with_baggage(context, naming.attribute, value)
        attach(context)


def _attributes(naming: _Naming, properties: Mapping[str, object]) -> dict[str, AttributeValue]:
    """Attribute names and values of what is said of a group. None and empty names say nothing."""
    attributes: dict[str, AttributeValue] = {}
    for name, value in properties.items():
        attribute = f"{naming.prefix}{name}"
        converted = attribute_value(value)
        if not name or value is None or attribute == naming.attribute:
            continue
        if converted is None:
            _warn("invalid_property", f"a property that is a {type(value).__name__} can't be put on a signal")
            continue
        attributes[attribute] = converted
    return attributes


def _with_baggage(context: Context, name: str, value: object) -> Context:
    if value:
        return baggage.set_baggage(name, value, context)
    return baggage.remove_baggage(name, context)


def _warn(kind: str, message: str) -> None:
    _log.line(logging.WARNING, kind, message)
