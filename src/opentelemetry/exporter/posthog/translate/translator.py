"""Signals in, captures and observations out: the one way that every signal goes.

::

    shape of the keys → find groups → select → opt out? → plan → observations, capture → before_send → flags

Pure but for bounded memories that change no answer (shapes and plans of key sets, constants of resources) and
one that does (the property names that a group type has so far). Time and random bits are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from ..identifiers import span_uuid, unplaced_span_uuid
from ..reasons import Reason
from ..uuid7 import RANDOM_BITS, uuid7
from . import logs, notes, spans
from .captures import CaptureMaker
from .constants import IdentityTable, Origin, OriginReader, Scope, scope_of
from .feature_flags import FlagTeller
from .groups import EVICTED, NOTHING, Found, GroupFinder
from .hooks import Hooks
from .identity import user_of
from .observations import Observer
from .plans import GroupNames, Planner
from .privacy import OMITTED, Privacy
from .properties import Converter
from .selection import LogSelector, SpanSelector, Step, Trail, http_status
from .signals import EventsOf, LooksOf, MakeUuid, Subject, copied, looks_in_public

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord

    from ..model import Capture, Observation
    from ..settings.model import Settings

Stamps: TypeAlias = Callable[["ReadableSpan"], "Mapping[str, str] | None"]
"""span → the groups that we noted when we put them on it."""

LengthLimit: TypeAlias = Callable[["ReadableSpan"], "int | None"]
"""span → the SDK's limit for the length of its text values, in characters; None without one."""


class Translation(NamedTuple):
    """What one signal came to."""

    capture: Capture | None
    observations: tuple[Observation, ...] = ()
    reason: Reason | None = None  # why there is no capture
    notes: tuple[str, ...] = ()  # further counted words, see ``notes``


_ALONE: Final = {id(reason): Translation(None, (), reason) for reason in Reason}
"""Most signals come to one of these. By identity: hashing an enum's member runs Python code."""

NOT_AN_ENTRY: Final = _ALONE[id(Reason.NOT_AN_ENTRY)]
"""What most spans of a service come to."""

_NO_GROUP_BUT_RESOURCE: Final = Translation(None, (), Reason.NO_GROUP, (notes.RESOURCE_GROUP_UNUSED,))

_SERVER: Final = SpanKind.SERVER  # before Python 3.12 a look at the enum costs as much as a call


class Translator:
    """Translates under fixed settings. Safe from many threads.

    ``stamps`` and ``length_limit`` are what only the SDK's side knows, ``looks_of`` and ``events_of`` what it
    knows by a shorter way. ``names`` is shared by the translators of one project, so that the bound on
    property names holds for both kinds of signal.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        stamps: Stamps | None = None,
        length_limit: LengthLimit = lambda span: None,
        looks_of: LooksOf = looks_in_public,
        events_of: EventsOf = lambda span: span.events,
        names: GroupNames | None = None,
    ) -> None:
        privacy = Privacy(settings.privacy)
        self._converter = Converter(privacy)
        self._planner = Planner(settings, privacy, GroupNames() if names is None else names)
        self._shape_of = self._planner.shapes.of
        self._stamps = stamps
        self._length_limit = length_limit
        self._looks_of = looks_of
        self._events_of = events_of
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
        return self.spans((span,), now_ns=now_ns)[0]

    def spans(self, batch: Sequence[ReadableSpan], *, now_ns: int) -> list[Translation]:
        """Translate some spans together; raises if one of them can't be read."""
        left = self._spans.without_dull(self._looks_of(batch), self._scopes.get)
        if not any(left):
            return [NOT_AN_ENTRY] * len(batch)
        subjects = [
            self._begun(span, look[0], look[2], look[3])
            for span, look in zip(batch, left, strict=True)
            if look is not None
        ]
        found = iter(
            self._translated(
                subjects,
                self._decide_span,
                lambda speaking: spans.read(speaking, now_ns, self._events_of),
                _uuid_of_span,
                now_ns,
            )
        )
        return [NOT_AN_ENTRY if look is None else next(found) for look in left]

    def log(
        self, record: ReadableLogRecord, *, now_ns: int, random_bits: Callable[[int], int]
    ) -> Translation:
        """Translate one log record. ``random_bits(n)``: a record has no id, so its uuid gets random bits."""
        return self.logs((record,), now_ns=now_ns, random_bits=random_bits)[0]

    def logs(
        self, batch: Sequence[ReadableLogRecord], *, now_ns: int, random_bits: Callable[[int], int]
    ) -> list[Translation]:
        """Translate some log records together; raises if one of them can't be read."""

        def make_uuid(event: str, subject: Subject) -> str:
            return uuid7(subject.time_ns, random_bits(RANDOM_BITS))

        subjects = [
            self._begun(record, None, record.instrumentation_scope, record.log_record.attributes)
            for record in batch
        ]
        return self._translated(
            subjects,
            self._decide_log,
            lambda speaking: logs.read(speaking, now_ns, self._body),
            make_uuid,
            now_ns,
        )

    def explain(self, signal: ReadableSpan | ReadableLogRecord) -> tuple[Step, ...]:
        """The steps by which :meth:`span` or :meth:`log` decides, in their order, and what each attribute
        becomes. The same code decides; here it also writes down what it does.
        """
        trail: list[Step] = []
        if isinstance(signal, ReadableSpan):
            subject = self._begun(signal, signal.kind, signal.instrumentation_scope, signal.attributes)
            self._decide_span(subject, trail)
        else:
            subject = self._begun(signal, None, signal.instrumentation_scope, signal.log_record.attributes)
            self._decide_log(subject, trail)
        attributes, shape, verdict, found = (
            subject.attributes,
            subject.shape,
            subject.verdict,
            subject.found,
        )
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

    def _begun(
        self,
        signal: ReadableSpan | ReadableLogRecord,
        kind: SpanKind | None,
        scope: object,
        attributes: object,
    ) -> Subject:
        subject = Subject()
        subject.signal, subject.kind = signal, kind
        subject.scope = self._scopes.get(scope)
        subject.attributes = copy = copied(attributes)
        subject.shape = self._shape_of(copy)
        return subject

    def _decide_span(self, subject: Subject, trail: Trail = None) -> None:
        """Find its groups and the verdict."""
        selector, shape, attributes = self._spans, subject.shape, subject.attributes
        subject.observed = True
        if selector.off or subject.scope.own:
            subject.found = NOTHING
            subject.verdict = Reason.PRESET_OFF if selector.off else Reason.OWN_SCOPE
            return
        span: ReadableSpan = subject.signal
        status = http_status(attributes, shape.statuses) if subject.kind is _SERVER else None
        # An address that answers 404 may have been made up by a scanner, the group's key with it.
        subject.observed = status not in self._unobserved
        found = self._finder.find(shape, attributes)
        if found is NOTHING:
            if span.dropped_attributes:
                found = self._recovered(span, attributes, EVICTED)
        elif found.groups and (limit := self._length_limit(span)) is not None:
            found = self._uncut(span, attributes, found, limit)
        if self._groups_from_resource:
            found = self._finder.with_resource(found, self._origins.get(span.resource).groups)
        if trail is not None:
            trail.extend(_group_steps(found))
        subject.found = found
        subject.verdict = selector.verdict(
            span, subject.kind, subject.scope, shape, attributes, found, status, trail
        )

    def _decide_log(self, subject: Subject, trail: Trail = None) -> None:
        """Find its groups and the verdict."""
        selector, shape, attributes = self._logs, subject.shape, subject.attributes
        subject.observed = True
        if selector.off or subject.scope.own:
            subject.found = NOTHING
            subject.verdict = Reason.PRESET_OFF if selector.off else Reason.OWN_SCOPE
            return
        signal: ReadableLogRecord = subject.signal
        record = signal.log_record
        found = self._finder.find(shape, attributes)
        if found is NOTHING:
            if signal.dropped_attributes:
                found = EVICTED
        elif found.groups:
            limit = getattr(record.attributes, "max_value_len", None)
            if limit is not None:
                found = self._finder.without_cut(found, attributes, limit)
        if self._groups_from_resource:
            found = self._finder.with_resource(found, self._origins.get(signal.resource).groups)
        if trail is not None:
            trail.extend(_group_steps(found))
        subject.found = found
        name = logs.event_name_of(record, attributes)
        subject.verdict = selector.verdict(name, subject.scope, shape, attributes, trail)

    def _uncut(self, span: ReadableSpan, attributes: dict[str, object], found: Found, limit: int) -> Found:
        uncut = self._finder.without_cut(found, attributes, limit)
        return found if uncut is found else self._recovered(span, attributes, uncut)

    def _recovered(self, span: ReadableSpan, attributes: dict[str, object], found: Found) -> Found:
        """The SDK's limits took a group away or cut its key; our processor may have noted it."""
        noted = self._stamps(span) if self._stamps is not None else None
        if not noted:
            return found
        whole = self._finder.with_remembered(found, attributes, noted)
        return whole._replace(problem=None) if whole.keys else whole

    # -- translating ----------------------------------------------------------------------------------------

    def _translated(
        self,
        subjects: Sequence[Subject],
        decide: Callable[[Subject], None],
        read: Callable[[Sequence[Subject]], None],
        make_uuid: MakeUuid,
        now_ns: int,
    ) -> list[Translation]:
        """Stage by stage and not signal by signal: what one stage needs of the interpreter and its libraries
        fits into the processor's caches, what one signal needs on its whole way does not.
        """
        for subject in subjects:
            decide(subject)
            verdict = subject.verdict
            subject.answer = None if isinstance(verdict, str) else self._said_all(verdict, subject)
        speaking = [subject for subject in subjects if subject.answer is None]
        if self._hooks.opt_out:
            speaking = [subject for subject in speaking if not self._is_opted_out(subject)]
        self._plan(speaking)
        selected = [subject for subject in speaking if isinstance(subject.verdict, str)]
        self._maker.lay_out(selected)
        read(speaking)
        self._maker.gather(selected)
        self._maker.make(selected, make_uuid)
        self._observer.observe([each for each in speaking if each.observed and each.found.groups], now_ns)
        return [subject.answer or self._answer(subject) for subject in subjects]

    def _said_all(self, reason: Reason, subject: Subject) -> Translation | None:
        """What a signal comes to that is not selected, if it does not speak of a group either."""
        if not _says_nothing(reason, subject.found):
            return None
        if reason is Reason.NO_GROUP and self._origins.get(subject.signal.resource).unused_group:
            return _NO_GROUP_BUT_RESOURCE
        return _ALONE[id(reason)]

    def _is_opted_out(self, subject: Subject) -> bool:
        said: list[str] = []
        user, _ = user_of(subject.attributes, subject.shape.users)
        if self._hooks.opted_out(subject.found.keys, user, said):
            subject.answer = Translation(None, (), Reason.OPTED_OUT, tuple(said))
            return True
        return False

    def _plan(self, subjects: Iterable[Subject]) -> None:
        """What becomes of their keys."""
        origin_of, plan_of = self._origins.get, self._planner.plan
        for subject in subjects:
            subject.origin = origin = origin_of(subject.signal.resource)
            subject.plan, new_names = plan_of(subject.shape)
            subject.said = said = [*new_names]
            found, verdict = subject.found, subject.verdict
            if found.problem is not None and found.problem is not verdict:
                said.append(found.problem.value)
            subject.told, subject.properties, subject.capture, subject.observations = None, {}, None, ()
            if isinstance(verdict, str):
                if origin.unused_group and not found.groups:
                    said.append(notes.RESOURCE_GROUP_UNUSED)
                said.extend(subject.plan.notes)

    def _answer(self, subject: Subject) -> Translation:
        """What it comes to, after the application's own say."""
        capture, said, verdict = subject.capture, subject.said, subject.verdict
        if capture is None:
            reason = None if isinstance(verdict, str) else verdict
            return Translation(None, subject.observations, reason, tuple(said))
        if self._hooks.change:
            changed = self._hooks.before_send(capture, said)
            if isinstance(changed, Reason):
                return Translation(None, subject.observations, changed, tuple(said))
            capture = changed
        if self._flags is not None:
            capture = self._flags.told(capture, subject.attributes, subject.span_events)
        return Translation(capture, subject.observations, None, tuple(said))

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
    if not subject.trace_id:
        return unplaced_span_uuid(event, subject.time_ns, subject.seen_ns)
    return span_uuid(event, subject.trace_id, subject.span_id, subject.span_hex, subject.time_ns)
