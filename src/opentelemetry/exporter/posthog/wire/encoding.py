"""Captures and group updates into envelopes: everything that both protocols send alike, encoded once.

Not in here is what each protocol says in its own place: library, person processing, session. See
``legacy`` and ``v1``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..model import GROUP_IDENTIFY, Capture, Envelope, GroupUpdate
from ..timestamp import rfc3339
from .body import json_encoder


class Encoder:
    """Makes envelopes. Pure; None where no JSON can be made of it, which costs that one alone.

    ``geoip=False`` switches PostHog's look-up of the sender's address off: it is our server's.
    """

    def __init__(self, *, geoip: bool = False, encode: Callable[[object], bytes] | None = None) -> None:
        self._encode = encode if encode is not None else json_encoder()
        self._constant: dict[str, object] = {"$is_server": True}
        if not geoip:
            self._constant["$geoip_disable"] = True

    def capture(self, capture: Capture) -> Envelope | None:
        """``$groups`` and ``$set`` come from the capture's own fields; a property of that name never wins.

        Other names that PostHog acts on are in no capture: translation lets none through.
        """
        name, distinct_id, time_ns, uuid, groups, given, personless, session_id, person = capture
        properties: dict[str, object] = {**given, **self._constant}
        if groups:
            properties["$groups"] = groups
        if person:
            properties["$set"] = dict(person)
        encoded = self._encoded(properties)
        if encoded is None:
            return None
        return Envelope(name, uuid, distinct_id, rfc3339(time_ns), encoded, personless, session_id)

    def group_update(self, update: GroupUpdate) -> Envelope | None:
        """``$groupidentify``, always with person processing: PostHog writes no group without it."""
        encoded = self._encoded(
            {
                "$group_type": update.group.type,
                "$group_key": update.group.key,
                "$group_set": dict(update.properties),
                **self._constant,
            }
        )
        if encoded is None:
            return None
        return Envelope(
            event=GROUP_IDENTIFY,
            uuid=update.uuid,
            distinct_id=update.distinct_id,
            timestamp=rfc3339(update.time_ns),
            properties=encoded,
        )

    def _encoded(self, properties: Mapping[str, object]) -> bytes | None:
        try:
            return self._encode(properties)
        except Exception:  # noqa: BLE001 - a value's own __str__ may raise anything; the caller counts it
            return None
