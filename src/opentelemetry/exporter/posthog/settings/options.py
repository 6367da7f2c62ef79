"""The table of all options, one row an option. Parser, reference page and help are made from it."""

from __future__ import annotations

from typing import Any

from .addresses import INSPECTOR_FIX, LEDGER_FIX, host, inspector, ledger, path, project_key, proxy
from .group_types import groups, prefixes
from .hooks import hook, opt_out
from .model import CaptureMode, Compression, OutboxMode, Preset
from .option import Option, Topic
from .parsing import (
    boolean,
    choice,
    collected,
    duration,
    exact_text,
    items,
    number_set,
    size,
    text,
    unusable,
    whole_number,
)
from .privacy_policy import hash_key, privacy
from .selection import LOG_PRESETS, SPAN_PRESETS, selection

SWITCH_FIX = "Write true or false."

KEY_FIX = "Copy the project API key (project token, starts with phc_) from Settings > Project in PostHog."

SHORTEST_TIMEOUT = 0.1  # seconds; less is a number of seconds written where milliseconds are read
LONGEST_TIMEOUT = 3_600.0

MAX_PREFIX_BYTES = 100  # of the 200 that PostHog allows an event name


def event_prefix(value: object) -> str:
    """Text before every event name, blanks included."""
    prefix = exact_text(value)
    if prefix.startswith("$"):
        raise unusable("starts with $, as PostHog's own event names do")
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise unusable(f"has {len(prefix.encode())} bytes, more than {MAX_PREFIX_BYTES}")
    return prefix


def person_properties(value: object) -> frozenset[str]:
    """Attribute keys under ``user.``, the only ones that may describe a person."""

    def key(item: object) -> str:
        name = text(item)
        if not name.startswith("user.") or name == "user.":
            raise unusable("is no attribute under user.")
        return name

    return frozenset(collected(items(value), key))


def _switch(name: str, topic: Topic, sentence: str, effect: str, **more: Any) -> Option:
    """An option that is on or off, and off by default: OpenTelemetry reads everything but ``true`` as off."""
    return Option(
        name=name, fields=(name,), parse=boolean, default="false", sentence=sentence, effect=effect,
        fix=SWITCH_FIX, text="true", example=True, topic=topic, **more,
    )  # fmt: skip


OPTIONS: tuple[Option, ...] = (
    Option(
        name="api_key", fields=("api_key",), parse=project_key, topic=Topic.CONNECTION, fatal=True,
        secret=True,
        fallbacks=("POSTHOG_API_KEY", "POSTHOG_PROJECT_API_KEY"),
        sentence="The project API key (project token): public by nature, but never logged.",
        effect="Decides the project that receives everything.",
        fix=KEY_FIX, text="phc_your_project_api_key", example="phc_your_project_api_key",
    ),
    Option(
        name="host", fields=("host",), parse=host, topic=Topic.CONNECTION, fatal=True, default="us",
        fallbacks=("POSTHOG_HOST",),
        sentence="The region of the project (`us`, `eu`) or the URL of PostHog or of a reverse proxy, with "
        "a path if need be. PostHog's app hosts (https://eu.posthog.com) are corrected to their ingestion "
        "hosts.",
        effect="A key of the other region is answered with 200 and its events are thrown away by PostHog.",
        fix="Write `us`, `eu` or a URL such as https://eu.i.posthog.com.",
        text="eu", example="https://eu.i.posthog.com",
    ),
    _switch(
        "insecure", Topic.CONNECTION, "Allows plain HTTP to another machine than this one.",
        "None; whoever reads the wire reads the key and all properties.",
    ),
    Option(
        name="proxy", fields=("proxy",), parse=proxy, topic=Topic.CONNECTION, secret=True,
        sentence="The URL of the proxy that requests go through; it may carry a user name and a password.",
        effect="None.", fix="Write a URL such as http://proxy.example:3128.",
        text="http://proxy.example:3128", example="http://proxy.example:3128",
    ),
    _switch(
        "proxy_from_environment", Topic.CONNECTION,
        "Lets `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` decide where no proxy is named.",
        "None.",
    ),
    Option(
        name="ca_bundle", fields=("ca_bundle",), parse=path, topic=Topic.CONNECTION,
        sentence="A PEM file of certificate authorities to trust, instead of the built-in ones.",
        effect="None.", fix="Write the path of a PEM file.",
        text="/etc/ssl/certs/company.pem", example="/etc/ssl/certs/company.pem",
    ),
    Option(
        name="capture_mode", fields=("capture_mode",), parse=choice(CaptureMode), topic=Topic.CONNECTION,
        default="auto",
        sentence="The protocol: `v1`, `legacy`, or `auto`, which tries v1 and falls back.",
        effect="The same events; v1 answers for every single one of them, legacy for the whole request.",
        fix="Write auto, v1 or legacy.", text="legacy", example="legacy",
    ),
    Option(
        name="compression", fields=("compression",), parse=choice(Compression), topic=Topic.CONNECTION,
        default="auto",
        sentence="How bodies are compressed: `gzip`, `zstd` (extra `fast`, v1 only), `none`, or `auto`: zstd "
        "where v1 is spoken and the extra is installed, else gzip. A host that can't read zstd gets gzip.",
        effect="None.", fix="Write auto, gzip, zstd or none.", text="gzip", example="gzip",
    ),
    Option(
        name="inspector", fields=("inspector",), parse=inspector, topic=Topic.CONNECTION, secret=True,
        sentence="The address of an inspector on this machine (`otel-posthog inspect` prints it), to which "
        "the exporter tells what it decided and why. For development.",
        effect="None.", fix=INSPECTOR_FIX,
        text="http://127.0.0.1:8009/?token=as-printed", example="http://127.0.0.1:8009/?token=as-printed",
    ),
    _switch(
        "disabled", Topic.CONNECTION,
        "Switches the exporter off, silently. So does `OTEL_SDK_DISABLED=true`.",
        "Nothing arrives.",
    ),
    Option(
        name="groups", fields=("groups",), parse=groups, topic=Topic.GROUPS, fatal=True,
        default="organization=organization.id",
        sentence="Group type and the attribute that carries the group's key; at most 5.",
        effect="PostHog makes a group type when it first sees it, has room for 5, and never gives a place "
        "back.",
        fix="Write group_type=attribute.key, with commas between them.",
        text="organization=organization.id,workspace=app.workspace.id",
        example={"organization": "organization.id", "workspace": "app.workspace.id"},
    ),
    Option(
        name="group_prefixes", fields=("groups",), parse=prefixes, topic=Topic.GROUPS, fatal=True,
        sentence="The prefix of the attributes that describe a group, where it is not what stands before "
        "the last dot of its key's attribute; `-` for a group without properties. A key without a dot, or "
        "under `user.`, `service.`, `http.` and other shared namespaces, has no prefix unless given here.",
        effect="`organization.plan.name` becomes the group property `plan_name`.",
        fix="Write group_type=prefix. with the dot at the end, for group types that `groups` has.",
        text="organization=org_", example={"organization": "org_"},
    ),
    _switch(
        "groups_from_resource", Topic.GROUPS,
        "Takes a group that is on the resource only, for services that serve one organization.",
        "Every event of the service belongs to that group.",
    ),
    _switch(
        "groups_from_baggage", Topic.GROUPS,
        "Lets the group processor trust groups in inbound baggage. Whoever calls the service writes it.",
        "Events belong to the groups that the caller names.",
    ),
    _switch(
        "propagate_baggage", Topic.GROUPS,
        "Lets the context managers write group keys into outbound baggage. Every called host reads it.",
        "None here; services that trust the baggage get the same groups.",
    ),
    Option(
        name="spans", fields=("spans",), parse=selection(Preset.ENTRY, SPAN_PRESETS, kinds=True),
        topic=Topic.SELECTION, default="entry",
        sentence="Which spans become events: a preset (`entry`, `named`, `all`, `off`), rules, or both.",
        effect="Each selected span is one event, and is billed as one.",
        fix="Write a preset, then rules: entry;POST /members=member invited;GET *=-",
        text="entry;POST /orgs/{org_id}/members=member invited;GET *=-",
        example={
            "preset": "entry",
            "rules": [
                {"name": "POST /orgs/{org_id}/members", "event": "member invited"},
                {"name": "GET *", "drop": True},
            ],
        },
    ),
    Option(
        name="logs", fields=("logs",), parse=selection(Preset.EVENTS, LOG_PRESETS, kinds=False),
        topic=Topic.SELECTION, default="events",
        sentence="Which log records become events: a preset (`events`, `named`, `all`, `off`), rules, or "
        "both.",
        effect="Each selected record is one event, and is billed as one.",
        fix="Write a preset, then rules: events;cache.*=-",
        text="events;cache.*=-", example={"preset": "events", "rules": [{"name": "cache.*", "drop": True}]},
    ),
    Option(
        name="refused_statuses", fields=("refused_statuses",), parse=number_set(100, 599),
        topic=Topic.SELECTION,
        default="401,403",
        sentence="HTTP statuses with which a server span says nothing of the group it names; `none` for "
        "none.",
        effect="No event of the group, no change of its profile.",
        fix="Write statuses with commas between them, or none.", text="401,403,407", example=[401, 403, 407],
    ),
    Option(
        name="unobserved_statuses", fields=("unobserved_statuses",), parse=number_set(100, 599),
        topic=Topic.SELECTION, default="404",
        sentence="HTTP statuses with which a server span changes no profile; `none` for none.",
        effect="The event is kept, the profile is not touched, so that scanners make no groups.",
        fix="Write statuses with commas between them, or none.", text="404,410", example=[404, 410],
    ),
    _switch(
        "ai_spans", Topic.SELECTION, "Also selects spans that PostHog's own AI ingestion takes (`gen_ai.*`).",
        "They are counted twice where both ways are in use.",
    ),
    Option(
        name="event_prefix", fields=("event_prefix",), parse=event_prefix, topic=Topic.SELECTION,
        sentence="Text before the name of every event.", effect="`invite` becomes `shop: invite`.",
        fix=f"Write at most {MAX_PREFIX_BYTES} bytes that do not start with $.", text="shop: ",
        example="shop: ",
    ),
    _switch(
        "feature_flags", Topic.SELECTION,
        "Makes `$feature_flag_called` of the log event `feature_flag.evaluation`, and adds `$feature/<key>` "
        "to events whose signal evaluated flags.",
        "Experiments count it as exposure. Leave it off where PostHog's own SDK evaluates, which sends it "
        "too.",
    ),
    _switch(
        "dry_run", Topic.SELECTION, "Selects, translates and counts, and sends nothing.", "Nothing arrives.",
    ),
    Option(
        name="privacy", fields=("privacy",), parse=privacy, topic=Topic.PRIVACY, fatal=True,
        sentence="What may leave as a property: `default` and `patterns` (keep, drop, hash), `keep` and "
        "`drop` (attribute keys), `group_properties` (names allowed, by group type), `conventions` (further "
        "keys of the semantic conventions). Not given: all patterns are dropped, and the application's own "
        "keys pass.",
        effect="What is dropped is on no event and in no profile; what is hashed can be counted, not read.",
        fix="Write default=drop;patterns.email=hash;keep=key,key;group_properties.organization=name,plan",
        text="patterns.email=hash;keep=organization.billing_email;group_properties.organization=name,plan",
        example={
            "patterns": {"email": "hash"},
            "keep": ["organization.billing_email"],
            "group_properties": {"organization": ["name", "plan"]},
        },
    ),
    Option(
        name="privacy_hash_key", fields=("privacy",), parse=hash_key, topic=Topic.PRIVACY, fatal=True,
        secret=True,
        sentence="The secret for the action `hash` (HMAC-SHA-256): 16 characters or more, the same "
        "everywhere.",
        effect="Another key makes other values: the same person no longer matches itself.",
        fix="Make one with `openssl rand -hex 32` and keep it.",
        text="a-long-secret-of-your-own", example="a-long-secret-of-your-own",
    ),
    Option(
        name="before_send", fields=("before_send",), parse=hook, topic=Topic.PRIVACY, fatal=True,
        sentence="A function, or its import path `package.module:function`, that gets a copy of every event "
        "and returns it, or None to drop it. Imported at the first event; an error in it drops the event, "
        "counted.",
        effect="Events are what it returns.", fix="Write package.module:function.",
        text="shop.telemetry:before_send", example="shop.telemetry:before_send",
    ),
    Option(
        name="opt_out", fields=("opt_out", "opt_out_ids"), parse=opt_out, topic=Topic.PRIVACY, fatal=True,
        sentence="Who is silenced: group keys and distinct ids, or a function `(kind, id) -> bool` or its "
        "import path, where kind is a group type or `user`. A single id with a colon is written with a "
        "comma after it.",
        effect="No event and no profile change of theirs arrives.",
        fix="Write ids with commas between them, or package.module:function.",
        text="org_42,user_7", example=["org_42", "user_7"],
    ),
    Option(
        name="person_properties", fields=("person_properties",), parse=person_properties, topic=Topic.PRIVACY,
        sentence="Attributes under `user.` that may describe the person.",
        effect="They become person properties (`$set`).",
        fix="Write attribute keys such as user.role, with commas between them.",
        text="user.role,user.plan", example=["user.role", "user.plan"],
    ),
    _switch(
        "campaign_properties", Topic.PRIVACY, "Lets attributes such as `utm_source` and `gclid` pass.",
        "PostHog copies them onto the person.",
    ),
    _switch(
        "log_body", Topic.PRIVACY, "Sends the body of a log record as a property.",
        "Whatever the application logs can be read in PostHog.",
    ),
    _switch(
        "geoip", Topic.PRIVACY, "Lets PostHog look up the sending address, which is that of the server.",
        "Persons seem to be where the server is.",
    ),
    Option(
        name="timeout_millis", fields=("timeout",), parse=duration(SHORTEST_TIMEOUT, LONGEST_TIMEOUT),
        topic=Topic.DELIVERY, default="10000", unit="milliseconds", own_variable="TIMEOUT",
        sentence="The deadline of one export, all attempts and pauses included.",
        effect="What is not delivered by then waits in the outbox, or is dropped and counted without one.",
        fix="Write milliseconds, from 100 to 3600000, like 10000.", text="5000", example=5000,
    ),
    Option(
        name="max_retries", fields=("max_retries",), parse=whole_number(0, 100), topic=Topic.DELIVERY,
        default="5", unit="attempts",
        sentence="Further attempts after a failed one, at most, inside the deadline.", effect="None.",
        fix="Write a whole number from 0 to 100.", text="3", example=3,
    ),
    Option(
        name="outbox", fields=("outbox",), parse=path, topic=Topic.DELIVERY,
        sentence="A directory for events that are not yet delivered, which then outlive the process.",
        effect="Events arrive late instead of never.", fix="Write the path of a directory.",
        text="/var/lib/shop/posthog", example="/var/lib/shop/posthog",
    ),
    Option(
        name="outbox_mode", fields=("outbox_mode",), parse=choice(OutboxMode), topic=Topic.DELIVERY,
        default="write_ahead",
        sentence="`write_ahead` stores every event before it is sent, `spill` only after a failure.",
        effect="With `spill` a killed process loses what it was sending.",
        fix="Write write_ahead or spill.", text="spill", example="spill",
    ),
    Option(
        name="outbox_max_bytes", fields=("outbox_max_bytes",), parse=size(64 * 1024, 1024**4),
        topic=Topic.DELIVERY, default="256MiB", unit="bytes, or a number with kB, MB, GB, KiB, MiB, GiB",
        sentence="The size of the outbox at which it takes no more; what it has accepted stays.",
        effect="Events beyond it are dropped and counted.",
        fix="Write a size from 64KiB to 1024GiB, like 256MiB.",
        text="1GiB", example=1_073_741_824,
    ),
    Option(
        name="outbox_max_age", fields=("outbox_max_age",), parse=duration(60.0, 366 * 86_400.0),
        topic=Topic.DELIVERY, default="7d", unit="milliseconds, or a number with s, m, h, d",
        sentence="The age at which an event in the outbox is given up.",
        effect="Older events never arrive; they are counted.", fix="Write a time from 1m to 366d, like 7d.",
        text="36h", example=129_600_000,
    ),
    Option(
        name="ledger", fields=("ledger",), parse=ledger, topic=Topic.PROFILES, secret=True,
        sentence="Where the exporter remembers what PostHog knows of every group: `memory`, a SQLite file "
        "(path or `sqlite:///path`), or Redis or Valkey (`redis://`, `rediss://`, `unix://`). Not given: "
        "`ledger.db` in the outbox's directory, or memory without an outbox.",
        effect="Processes that share a ledger send each change once; memory forgets at a restart.",
        fix=LEDGER_FIX, text="rediss://cache.example:6379/0", example="rediss://cache.example:6379/0",
    ),
    Option(
        name="group_interval_millis", fields=("group_interval",), parse=duration(0.001, 86_400.0),
        topic=Topic.PROFILES, default="30000", unit="milliseconds",
        sentence="The time between two updates of one group once its burst of 5 is used up.",
        effect="Changes in between are sent as one, the last value winning.",
        fix="Write milliseconds, from 1 to 86400000, like 30000.", text="60000", example=60_000,
    ),
    Option(
        name="ledger_max_groups", fields=("ledger_max_groups",), parse=whole_number(1, 10_000_000),
        topic=Topic.PROFILES, default="100000", unit="groups",
        sentence="Groups that the ledger remembers; beyond, the longest unseen ones that PostHog knows go "
        "first.",
        effect="A forgotten group is sent whole when it is seen again.",
        fix="Write a whole number from 1 to 10000000.", text="20000", example=20_000,
    ),
    _switch(
        "group_processor", Topic.ZERO_CODE,
        "Adds the processor that stamps the current groups and user on spans and log records.",
        "Events carry the groups that `organization()`, `group()` and `user()` name.", environment_only=True,
    ),
    _switch(
        "sigterm_flush", Topic.ZERO_CODE,
        "Flushes at SIGTERM, for servers that end on it without exit hooks, uvicorn among them.",
        "The last events arrive.", environment_only=True,
    ),
    _switch(
        "celery", Topic.ZERO_CODE, "Flushes when a Celery worker process ends.", "The last events arrive.",
        environment_only=True,
    ),
)  # fmt: skip

BY_NAME = {option.name: option for option in OPTIONS}
