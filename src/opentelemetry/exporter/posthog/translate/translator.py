"""Signals in, captures and observations out: the one way that every signal goes.

::

    shape of the keys → find groups → select → opt out? → plan → observations, capture → before_send → flags

Pure but for bounded memories that change no answer (shapes and plans of key sets, constants of resources) and
one that does (the property names that a group type has so far). Time and random bits are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from ..identifiers import span_uuid
from ..reasons import Reason
from ..uuid7 import RANDOM_BITS, uuid7
from . import logs, notes, spans
from .captures import CaptureMaker, MakeUuid
from .constants import IdentityTable, Origin, OriginReader, Scope, scope_of
from .feature_flags import FlagTeller
from .groups import EVICTED, NOTHING, Found, GroupFinder
from .hooks import Hooks
from .identity import user_of
from .observations import Observer
from .plans import GroupNames, Planner
from .privacy import OMITTED, Privacy
from .properties import Converter, are_plain
from .selection import LogSelector, SpanSelector, Step, Trail, Verdict, http_status
from .signals import Subject, copied

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import Event

    from ..model import Capture, JsonValue, Observation
    from ..settings.model import Settings
    from .shapes import Shape

Stamps: TypeAlias = Callable[[int], "Mapping[str, str] | None"]
"""span id → the groups that our processor noted when the span started."""

LengthLimit: TypeAlias = Callable[["ReadableSpan"], "int | None"]
"""span → the SDK's limit for the length of its text values, in characters; None without one."""

Decision: TypeAlias = "tuple[Verdict, Found]"
"""A verdict, and the groups that were found on the way to it."""


class Translation(NamedTuple):
    """What one signal came to."""

    capture: Capture | None
    observations: tuple[Observation, ...] = ()
    reason: Reason | None = None  # why there is no capture
    notes: tuple[str, ...] = ()  # further counted words, see ``notes``


_ALONE: Final = {id(reason): Translation(None, (), reason) for reason in Reason}
"""Most signals come to one of these. By identity: hashing an enum's member runs Python code."""

_NOT_AN_ENTRY: Final = _ALONE[id(Reason.NOT_AN_ENTRY)]

_NO_GROUP_BUT_RESOURCE: Final = Translation(None, (), Reason.NO_GROUP, (notes.RESOURCE_GROUP_UNUSED,))

_SERVER: Final = SpanKind.SERVER  # before Python 3.12 a look at the enum costs as much as a call

_NOTHING_YET: Final[Mapping[str, JsonValue]] = {}


class Translator:
    """Translates under fixed settings. Safe from many threads.

    ``stamps`` and ``length_limit`` are what only the SDK's side knows; ``names`` is shared by the translators
    of one project, so that the bound on property names holds for both kinds of signal together.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        stamps: Stamps | None = None,
        length_limit: LengthLimit | None = None,
        names: GroupNames | None = None,
    ) -> None:
        privacy = Privacy(settings.privacy)
        self._converter = Converter(privacy)
        self._planner = Planner(settings, privacy, GroupNames() if names is None else names)
        self._shape_of = self._planner.shapes.of
        self._stamps = stamps
        self._length_limit = length_limit
        self._finder = GroupFinder(settings.groups)
        self._groups_from_resource = settings.groups_from_resource
        self._unobserved = settings.unobserved_statuses
        self._spans = SpanSelector(settings.spans, settings)
        self._logs = LogSelector(settings.logs, settings)
        self._hooks = Hooks(settings, self._converter)
        self._observer = Observer(settings, privacy, self._converter)
        self._maker = CaptureMaker(settings, self._converter)
        self._flags = FlagTeller(settings.event_prefix, self._converter) if settings.feature_flags else None
        self._body = self._converter if settings.log_body else None
        self._scopes: IdentityTable[Scope] = IdentityTable(scope_of)
        self._origins: IdentityTable[Origin] = IdentityTable(
            OriginReader(settings, self._converter, self._planner).read
        )

    def span(self, span: ReadableSpan, *, now_ns: int) -> Translation:
        """Translate one finished span. ``now_ns``: wall clock, for the bound on times that lie ahead."""
        scope = self._scopes.get(span.instrumentation_scope)
        if self._spans.is_dull(span) and not scope.own:
            return _NOT_AN_ENTRY
        attributes = copied(span.attributes)
        shape = self._shape_of(attributes)
        status = http_status(attributes) if shape.status and span.kind is _SERVER else None
        verdict, found = self._decide_span(span, scope, shape, attributes, status, None)
        if not isinstance(verdict, str) and _says_nothing(verdict, found):
            return self._alone(verdict, span.resource)
        return self._translation(
            verdict,
            spans.subject_of(span, attributes, now_ns),
            found,
            shape,
            self._origins.get(span.resource),
            scope,
            _uuid_of_span,
            # An address that answers 404 may have been made up by a scanner, the group's key with it.
            status not in self._unobserved,
            span.events if self._flags is not None else (),
        )

    def log(
        self, record: ReadableLogRecord, *, now_ns: int, random_bits: Callable[[int], int]
    ) -> Translation:
        """Translate one log record. ``random_bits(n)``: a record has no id, so its uuid gets random bits."""
        scope = self._scopes.get(record.instrumentation_scope)
        attributes = copied(record.log_record.attributes)
        shape = self._shape_of(attributes)
        verdict, found = self._decide_log(record, scope, shape, attributes, None)
        if not isinstance(verdict, str) and _says_nothing(verdict, found):
            return self._alone(verdict, record.resource)
        return self._translation(
            verdict,
            logs.subject_of(record, attributes, now_ns, self._body if isinstance(verdict, str) else None),
            found,
            shape,
            self._origins.get(record.resource),
            scope,
            lambda _, subject: uuid7(subject.time_ns, random_bits(RANDOM_BITS)),
            True,
        )

    def explain(self, signal: ReadableSpan | ReadableLogRecord) -> tuple[Step, ...]:
        """The steps by which :meth:`span` or :meth:`log` decides, in their order, and what each attribute
        becomes. The same code decides; here it also writes down what it does.
        """
        trail: list[Step] = []
        scope = self._scopes.get(signal.instrumentation_scope)
        if isinstance(signal, ReadableSpan):
            attributes = copied(signal.attributes)
            shape = self._shape_of(attributes)
            status = http_status(attributes) if signal.kind is _SERVER else None
            verdict, found = self._decide_span(signal, scope, shape, attributes, status, trail)
        else:
            attributes = copied(signal.log_record.attributes)
            shape = self._shape_of(attributes)
            verdict, found = self._decide_log(signal, scope, shape, attributes, trail)
        if (
            found.keys
            and self._hooks.opt_out
            and self._hooks.opted_out(found.keys, user_of(attributes, shape.users)[0], [])
        ):
            verdict = Reason.OPTED_OUT
            trail.append(Step("opt_out", "silences it", verdict))
        if isinstance(verdict, str):
            trail.append(Step("capture", f"selected as {verdict!r}"))
            trail.extend(self._explained(key, value) for key, value in attributes.items())
        else:
            trail.append(Step("capture", "not selected", verdict))
        return tuple(trail)

    # -- deciding -----------------------------------------------------------------------------------------

    def _decide_span(
        self,
        span: ReadableSpan,
        scope: Scope,
        shape: Shape,
        attributes: dict[str, object],
        status: int | None,
        trail: Trail,
    ) -> Decision:
        early = Reason.PRESET_OFF if self._spans.off else Reason.OWN_SCOPE if scope.own else None
        if early is not None:
            return early, NOTHING
        found = self._finder.find(shape, attributes)
        if found is NOTHING:
            if span.dropped_attributes:
                found = self._recovered(span, attributes, EVICTED)
        elif self._length_limit is not None and found.keys:
            found = self._uncut(span, attributes, found)
        if self._groups_from_resource:
            found = self._finder.with_resource(found, self._origins.get(span.resource).groups)
        if trail is not None:
            trail.extend(_group_steps(found))
        local_parent = spans.has_local_parent(span)
        verdict = self._spans.verdict(
            span.name, span.kind, local_parent, scope, shape, attributes, found, status, trail
        )
        return verdict, found

    def _decide_log(
        self,
        record: ReadableLogRecord,
        scope: Scope,
        shape: Shape,
        attributes: dict[str, object],
        trail: Trail,
    ) -> Decision:
        early = Reason.PRESET_OFF if self._logs.off else Reason.OWN_SCOPE if scope.own else None
        if early is not None:
            return early, NOTHING
        found = self._finder.find(shape, attributes)
        if found is NOTHING:
            if record.dropped_attributes:
                found = EVICTED
        elif found.keys:
            limit = getattr(record.log_record.attributes, "max_value_len", None)
            if limit is not None:
                found = self._finder.without_cut(found, attributes, limit)
        if self._groups_from_resource:
            found = self._finder.with_resource(found, self._origins.get(record.resource).groups)
        if trail is not None:
            trail.extend(_group_steps(found))
        name = logs.event_name_of(record.log_record, attributes)
        return self._logs.verdict(name, scope, shape, attributes, trail), found

    def _uncut(self, span: ReadableSpan, attributes: dict[str, object], found: Found) -> Found:
        limit = None if self._length_limit is None else self._length_limit(span)
        if limit is None:
            return found
        uncut = self._finder.without_cut(found, attributes, limit)
        return found if uncut is found else self._recovered(span, attributes, uncut)

    def _recovered(self, span: ReadableSpan, attributes: dict[str, object], found: Found) -> Found:
        """The SDK's limits took a group away or cut its key; our processor may have noted it."""
        context = span.context
        noted = self._stamps(context.span_id) if self._stamps is not None and context is not None else None
        if not noted:
            return found
        whole = self._finder.with_remembered(found, attributes, noted)
        return whole._replace(problem=None) if whole.keys else whole

    def _alone(self, reason: Reason, resource: object) -> Translation:
        if reason is Reason.NO_GROUP and self._origins.get(resource).unused_group:
            return _NO_GROUP_BUT_RESOURCE
        return _ALONE[id(reason)]

    # -- translating ----------------------------------------------------------------------------------------

    def _translation(
        self,
        verdict: Verdict,
        subject: Subject,
        found: Found,
        shape: Shape,
        origin: Origin,
        scope: Scope,
        make_uuid: MakeUuid,
        observed: bool,
        span_events: Sequence[Event] = (),
    ) -> Translation:
        said: list[str] = []
        hooks = self._hooks
        if hooks.opt_out and hooks.opted_out(found.keys, user_of(subject.attributes, shape.users)[0], said):
            return Translation(None, (), Reason.OPTED_OUT, tuple(said))
        plan, new_names = self._planner.plan(shape)
        if new_names:
            said.extend(new_names)
        if found.problem is not None and found.problem is not verdict:
            said.append(found.problem.value)
        capture: Capture | None = None
        reason: Reason | None = None
        plain = False
        if isinstance(verdict, str):
            if origin.unused_group and not found.keys:
                said.append(notes.RESOURCE_GROUP_UNUSED)
            if plan.notes:
                said.extend(plan.notes)
            plain = plan.straight and are_plain(plan.pick(subject.attributes))
            capture = self._maker.capture(
                verdict, subject, found, shape, plan, plain, origin, scope, make_uuid, said
            )
        else:
            reason = verdict
        properties = _NOTHING_YET if capture is None else capture.properties
        observations: tuple[Observation, ...] = ()
        if observed and found.keys:
            observations = self._observer.observations(
                subject, found, shape, plan, plain, origin, properties, said, selected=capture is not None
            )
        if capture is not None and hooks.before_send is not None:
            answer = hooks.before_send(capture, said)
            if isinstance(answer, Reason):
                capture, reason = None, answer
            else:
                capture = answer
        if capture is not None and self._flags is not None:
            capture = self._flags.told(capture, subject.attributes, span_events)
        return Translation(capture, observations, reason, tuple(said))

    # -- explaining -----------------------------------------------------------------------------------------

    def _explained(self, key: str, value: object) -> Step:
        entry = self._planner.entry(key)
        if isinstance(entry, str):
            return Step(f"attribute {key}", f"left out ({entry})" if entry else "read, not repeated")
        converted = self._converter.value(value, entry.pattern)
        if converted is OMITTED:
            return Step(f"attribute {key}", f"left out ({notes.PROPERTY_PRIVATE})")
        return Step(f"attribute {key}", f"becomes property {entry.name}")


def _says_nothing(reason: Reason, found: Found) -> bool:
    """Is a signal that is not selected done with, or does it speak of a group all the same?"""
    if reason is Reason.REFUSED_REQUEST:
        return True
    return not found.application and (
        found.problem is None or found.problem is reason or found.problem is Reason.GROUP_EVICTED
    )


def _group_steps(found: Found) -> list[Step]:
    steps = [Step(f"group {type_}", _source(found, type_)) for type_ in found.keys]
    if found.problem is not None:
        steps.append(Step("group", "not usable", found.problem))
    return steps or [Step("group", "none on this signal")]


def _source(found: Found, group_type: str) -> str:
    if group_type in found.stamped:
        return "stamped by the group processor"
    return "from the resource or the processor's memory" if group_type in found.elsewhere else "on the signal"


def _uuid_of_span(event: str, subject: Subject) -> str:
    if not subject.trace_id:  # no span of the SDK: its time is all that tells it from others
        return span_uuid(event, f"{subject.time_ns}", f"{subject.seen_ns}", subject.time_ns)
    return span_uuid(event, subject.trace_id, subject.span_id, subject.time_ns)
