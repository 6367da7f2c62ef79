"""The keywords of both exporters, for type checkers and editors. The table of options says what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

Names: TypeAlias = str | Sequence[str]


class ExporterOptions(TypedDict, total=False):
    """Plain YAML types, all optional; ``None`` and ``""`` mean "not given"."""

    api_key: str | None
    host: str | None
    insecure: bool | None
    proxy: str | None
    proxy_from_environment: bool | None
    ca_bundle: str | None
    capture_mode: str | None
    compression: str | None
    inspector: str | None
    disabled: bool | None
    groups: str | Mapping[str, str] | None
    group_prefixes: str | Mapping[str, str] | None
    groups_from_resource: bool | None
    groups_from_baggage: bool | None
    propagate_baggage: bool | None
    spans: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    logs: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    refused_statuses: str | Sequence[int] | None
    unobserved_statuses: str | Sequence[int] | None
    ai_spans: bool | None
    event_prefix: str | None
    feature_flags: bool | None
    dry_run: bool | None
    privacy: str | Mapping[str, Any] | None
    privacy_hash_key: str | None
    before_send: str | Callable[[dict[str, Any]], dict[str, Any] | None] | None
    opt_out: Names | Callable[[str, str], bool] | None
    person_properties: Names | None
    campaign_properties: bool | None
    log_body: bool | None
    geoip: bool | None
    timeout_millis: int | float | None
    max_retries: int | None
    outbox: str | None
    outbox_mode: str | None
    outbox_max_bytes: int | str | None
    outbox_max_age: int | float | str | None
    ledger: str | None
    group_interval_millis: int | float | None
    ledger_max_groups: int | None
