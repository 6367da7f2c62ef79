"""Questions to a host that leave nothing behind there.

v1 is asked with a batch of no events, which is refused after the key was judged. The legacy protocol refuses
an empty batch before it looks at the key, so it gets one event without a name: refused after the key was
judged, and with it the whole request. Nothing is stored either way.
"""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import uuid
from urllib.parse import urlsplit

from ..clock import Clock
from ..delivery.protocol import Protocol, wires_for
from ..delivery.transport import Transport
from ..model import Envelope
from ..settings.model import CaptureMode, Settings
from ..timestamp import rfc3339
from ..uuid7 import RANDOM_BITS, uuid7
from ..wire.exchange import NoAnswer, Wire
from .checks.connection import Answered, Probes

TIMEOUT = 5.0
"""Seconds a probe: a person waits."""


def probe(settings: Settings, transport: Transport, clock: Clock) -> Probes:
    """Ask as ``capture_mode`` would: legacy only where v1 is not spoken or not wanted."""
    v1 = legacy = None
    wires = wires_for(settings)
    protocol = Protocol(settings.capture_mode, wires)
    if settings.capture_mode is not CaptureMode.LEGACY:
        wire = protocol.current
        v1 = _asked(settings, transport, clock, wire, [])
        if protocol.learn(wire, v1.answer, v1.judgement) and protocol.current is not wires.legacy:
            v1 = _asked(settings, transport, clock, protocol.current, [])
    spoken = v1 is not None and v1.judgement is not None and v1.judgement.spoken
    if settings.capture_mode is not CaptureMode.V1 and not spoken:
        legacy = _asked(settings, transport, clock, wires.legacy, [_nameless(clock.time_ns())])
    return Probes(v1, legacy, (wires.legacy if legacy is not None else protocol.current).encoding)


def _nameless(now_ns: int) -> Envelope:
    """An event that every PostHog refuses."""
    event_id = uuid7(now_ns, secrets.randbits(RANDOM_BITS))
    return Envelope("", event_id, "otel-posthog-doctor", rfc3339(now_ns), json.dumps({}).encode())


def _asked(
    settings: Settings, transport: Transport, clock: Clock, wire: Wire, envelopes: list[Envelope]
) -> Answered:
    now_ns = clock.time_ns()
    request = wire.request(
        wire.events(envelopes),
        attempt=1,
        request_id=str(uuid.uuid4()),
        created_ns=now_ns,
        now_ns=now_ns,
    )
    answer = transport.send(request, timeout=TIMEOUT)
    if isinstance(answer, NoAnswer):
        return Answered(answer, None, clock.time_ns(), what_is_in_the_way(settings))
    return Answered(answer, wire.judge(answer, envelopes), clock.time_ns())


def what_is_in_the_way(settings: Settings) -> str:
    """The first step of a connection that fails, in words; empty when all succeed, or with a proxy."""
    if settings.proxy is not None or settings.proxy_from_environment:
        return ""
    url = urlsplit(settings.host)
    name, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    try:
        connection = socket.create_connection((name, port), TIMEOUT)
    except socket.gaierror:
        return f"the name {name} is not known to DNS"
    except OSError as error:
        return f"no connection to port {port}: {error.strerror or type(error).__name__}"
    with connection:
        if url.scheme != "https":
            return ""
        try:
            context = ssl.create_default_context(cafile=settings.ca_bundle or _public_certificates())
            with context.wrap_socket(connection, server_hostname=name):
                return ""
        except ssl.SSLCertVerificationError as error:
            return f"its certificate is not trusted ({error.verify_message})"
        except (ssl.SSLError, OSError) as error:
            return f"TLS failed ({getattr(error, 'reason', None) or type(error).__name__})"


def _public_certificates() -> str:
    import certifi

    return certifi.where()
