"""The application's own say: ``before_send`` on every capture, ``opt_out`` on everybody it is about.

Both are foreign code. Whatever it raises or returns costs at most this signal, which is counted; and where
``opt_out`` fails, the answer is the one that sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from ..reasons import Reason
from ..timestamp import from_datetime, to_datetime
from . import notes
from .identity import USER, identifier
from .privacy import OMITTED
from .properties import CAMPAIGN, is_reserved, name_of
from .selection import event_name

if TYPE_CHECKING:
    from ..model import Capture, JsonValue
    from ..settings.model import Settings
    from .properties import Converter

PROTOCOL: Final = ("$geoip_disable", "$is_server")
"""Properties that a hook can neither remove nor change: they say how PostHog has to read the event."""

OURS: Final = ("$trace_id", "$span_id")
"""Properties that a hook may remove, but not make up."""

MAX_GROUPS: Final = 5


class Hooks:
    """Calls the application's functions, under fixed settings."""

    __slots__ = ("_before_send", "_campaign", "_converter", "_opt_out", "_opt_out_ids", "change", "opt_out")

    def __init__(self, settings: Settings, converter: Converter) -> None:
        self._before_send = settings.before_send
        self._opt_out = settings.opt_out
        self._opt_out_ids = settings.opt_out_ids
        self._converter = converter
        self._campaign = settings.campaign_properties
        self.opt_out = settings.opt_out is not None or bool(settings.opt_out_ids)
        self.change = settings.before_send is not None

    def opted_out(self, groups: Mapping[str, str], user: str | None, said: list[str]) -> bool:
        """Is this signal about somebody who wants no telemetry?"""
        everybody = list(groups.items())
        if user is not None:
            everybody.append((USER, user))
        for kind, name in everybody:
            if name in self._opt_out_ids:
                return True
            if self._opt_out is not None:
                try:
                    if self._opt_out(kind, name):
                        return True
                except Exception:  # noqa: BLE001 - foreign code
                    said.append(notes.OPT_OUT_ERROR)
                    return True
        return False

    def before_send(self, capture: Capture, said: list[str]) -> Capture | Reason:
        """The capture as the application wants it, or why it goes no further."""
        if self._before_send is None:
            return capture
        event: dict[str, Any] = {
            "event": capture.name,
            "distinct_id": capture.distinct_id,
            "timestamp": to_datetime(capture.time_ns),
            "groups": dict(capture.groups),
            "properties": deepcopy(dict(capture.properties)),
        }
        try:
            answer = self._before_send(event)
            if answer is None:
                return Reason.BEFORE_SEND
            return self._taken_over(capture, answer, said)
        except Exception:  # noqa: BLE001 - foreign code, and foreign values in what it returned
            return Reason.BEFORE_SEND_ERROR

    def _taken_over(self, capture: Capture, answer: object, said: list[str]) -> Capture | Reason:
        if not isinstance(answer, Mapping):
            return Reason.BEFORE_SEND_ERROR
        event = cast("Mapping[str, Any]", answer)
        name = event.get("event")
        name = event_name(name) if isinstance(name, str) else ""
        distinct_id = identifier(event.get("distinct_id"))
        moment = event.get("timestamp")
        unchanged = moment == to_datetime(capture.time_ns)
        if not (name and distinct_id and isinstance(moment, datetime)):
            said.append(notes.BEFORE_SEND_INVALID)
        return capture._replace(
            name=name or capture.name,
            distinct_id=distinct_id or capture.distinct_id,
            time_ns=capture.time_ns
            if unchanged or not isinstance(moment, datetime)
            else max(from_datetime(moment), 0),
            groups=self._groups(event.get("groups"), said),
            properties=self._properties(capture, event.get("properties")),
        )

    @staticmethod
    def _groups(given: object, said: list[str]) -> dict[str, str]:
        if not isinstance(given, Mapping):
            return {}
        groups: dict[str, str] = {}
        for type_, value in cast("Mapping[object, object]", given).items():
            key = identifier(value)
            if isinstance(type_, str) and type_.strip() and key is not None and len(groups) < MAX_GROUPS:
                groups[name_of(type_)] = key
            else:
                said.append(notes.BEFORE_SEND_INVALID)
        return groups

    def _properties(self, capture: Capture, given: object) -> dict[str, JsonValue]:
        properties: dict[str, JsonValue] = {}
        if isinstance(given, Mapping):
            for key, value in cast("Mapping[object, object]", given).items():
                name = name_of(key)
                if not name or is_reserved(name) or (name in CAMPAIGN and not self._campaign):
                    continue
                converted = self._converter.value(value)
                if converted is not OMITTED:
                    properties[name] = converted
            properties.update(
                {n: capture.properties[n] for n in OURS if n in given and n in capture.properties}
            )
        properties.update({n: capture.properties[n] for n in PROTOCOL if n in capture.properties})
        return properties
