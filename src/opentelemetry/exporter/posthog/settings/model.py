"""What the exporter was told to do, as one frozen value. Parsing lives next door, rules elsewhere.

Durations are ``float`` seconds, sizes are bytes. Secrets stay out of every ``repr``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

BeforeSend: TypeAlias = Callable[[dict[str, Any]], "dict[str, Any] | None"]
OptOut: TypeAlias = Callable[[str, str], bool]
"""``opt_out(kind, id)``: kind is a group type or ``"user"``. True silences that group or user altogether."""


class Preset(Enum):
    """Which signals become captures when no rule and no attribute says otherwise."""

    ENTRY = "entry"  # spans: server, consumer and local roots that carry a group
    EVENTS = "events"  # logs: records that have an event name
    NAMED = "named"  # only what a rule or posthog.event names
    ALL = "all"
    OFF = "off"


class CaptureMode(Enum):
    AUTO = "auto"
    V1 = "v1"
    LEGACY = "legacy"


class Compression(Enum):
    AUTO = "auto"  # zstd where v1 is spoken and the library is there, else gzip
    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


class OutboxMode(Enum):
    WRITE_AHEAD = "write_ahead"
    SPILL = "spill"


PRIVACY_PATTERNS = frozenset(
    {
        "email", "phone", "password", "secret", "token", "ssn", "iban", "card", "customer_id", "created_by",
        "name", "address", "birth", "ip",
    }
)  # fmt: skip
"""Names of the patterns that a privacy policy can speak of; ``translate.privacy`` says what each matches, and
a policy with any other name is refused. A pattern more there is a name more here."""


class PrivacyAction(Enum):
    KEEP = "keep"
    DROP = "drop"
    HASH = "hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """One group type and the attribute that carries its key.

    ``prefix`` names the attributes that describe the group (``organization.``); None when it has none.
    """

    type: str
    attribute: str
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRule:
    """Select and rename, or drop, the signals it matches. In ``name`` and ``scope``, ``*`` and ``?`` stand
    for anything.

    ``event`` is the capture's name (None keeps the signal's own); ``drop`` excludes the signal.
    ``attribute`` is ``key`` (present) or ``key=value`` (equal as text).
    """

    name: str = "*"
    scope: str | None = None
    kind: str | None = None  # "server", "client", ... for spans
    attribute: str | None = None
    event: str | None = None
    drop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    preset: Preset
    rules: tuple[SelectionRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyPolicy:
    """What may leave the process as a property. The named patterns are listed in ``translate.privacy``."""

    default: PrivacyAction = PrivacyAction.DROP  # for a pattern that ``patterns`` does not name
    patterns: Mapping[str, PrivacyAction] = field(default_factory=dict[str, PrivacyAction])  # by pattern name
    keep: frozenset[str] = frozenset()  # exact attribute keys that pass whatever a pattern says
    drop: frozenset[str] = frozenset()  # exact attribute keys that never pass
    group_properties: Mapping[str, frozenset[str]] | None = None  # group type -> allowed names; None: all
    conventions: frozenset[str] = frozenset()  # further semantic-convention keys or `prefix.*` that may pass
    hash_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the pipeline needs to know, checked and converted."""

    api_key: str = field(repr=False)
    host: str  # canonical ingestion base URL without trailing slash: https://us.i.posthog.com

    groups: tuple[GroupRule, ...] = (
        GroupRule(type="organization", attribute="organization.id", prefix="organization."),
    )
    groups_from_resource: bool = False
    groups_from_baggage: bool = False  # inbound baggage is written by whoever calls
    propagate_baggage: bool = False  # outbound baggage reaches every called host

    spans: Selection = Selection(preset=Preset.ENTRY)
    logs: Selection = Selection(preset=Preset.EVENTS)
    refused_statuses: frozenset[int] = frozenset({401, 403})  # neither group nor observation
    unobserved_statuses: frozenset[int] = frozenset({404})  # no observation
    ai_spans: bool = False  # gen_ai.* and kin are PostHog's own AI ingestion's business
    event_prefix: str = ""
    feature_flags: bool = False  # evaluations become $feature_flag_called, which PostHog's own SDKs send too
    dry_run: bool = False
    before_send: BeforeSend | None = field(default=None, repr=False)
    opt_out: OptOut | None = field(default=None, repr=False)
    opt_out_ids: frozenset[str] = field(default=frozenset(), repr=False)

    privacy: PrivacyPolicy = field(default_factory=PrivacyPolicy)
    person_properties: frozenset[str] = frozenset()  # user.* attributes that may become $set
    campaign_properties: bool = False  # utm_* and kin, which PostHog lifts onto persons
    log_body: bool = False
    geoip: bool = False

    capture_mode: CaptureMode = CaptureMode.AUTO
    compression: Compression = Compression.AUTO
    timeout: float = 10.0  # seconds, deadline of one export
    max_retries: int = 5  # upper bound inside the deadline
    ca_bundle: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may carry a password
    proxy_from_environment: bool = False  # HTTPS_PROXY and kin, where no proxy is named
    inspector: str | None = field(default=None, repr=False)  # http:// on the loopback; carries a token
    insecure: bool = False  # plain http to other hosts than loopback

    # None: memory, or SQLite beside the outbox. Out of the repr, since a URL may carry a password.
    ledger: str | None = field(default=None, repr=False)
    group_interval: float = 30.0  # seconds between updates of one group once its bucket is empty
    ledger_max_groups: int = 100_000
    outbox: str | None = None  # a directory
    outbox_mode: OutboxMode = OutboxMode.WRITE_AHEAD
    outbox_max_bytes: int = 256 * 1024 * 1024
    outbox_max_age: float = 7 * 86_400.0

    group_processor: bool = False
    sigterm_flush: bool = False
    celery: bool = False
    disabled: bool = False
