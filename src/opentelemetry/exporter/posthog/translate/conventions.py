"""Which attributes of OpenTelemetry's semantic conventions pass, and under which name.

Instrumentations write hundreds of them, with client addresses, URLs, statements, headers and stack traces
among them. So of their namespaces only a documented list passes; whatever else an application calls its
attributes is the application's own and passes. Old HTTP names become the new ones, so that a report does
not break on the day an instrumentation moves on.
"""

from __future__ import annotations

from typing import Final

PASSING: Final = frozenset(
    {
        "cloudevents.event_type",
        "deployment.environment.name",
        "enduser.id",
        "error.type",
        "exception.type",
        "faas.name",
        "faas.trigger",
        "feature_flag.key",
        "feature_flag.provider.name",
        "feature_flag.result.variant",
        "graphql.operation.name",
        "graphql.operation.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "messaging.destination.name",
        "messaging.destination.template",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.system",
        "otel.scope.name",
        "otel.status_code",
        "peer.service",
        "rpc.method",
        "rpc.service",
        "rpc.system",
        "rpc.system.name",
        "service.name",
        "service.version",
        "url.scheme",
        "url.template",
        "user.id",
        "user.roles",
    }
)
"""What says which feature was used and whether it worked, and nothing about who called from where."""

RENAMED: Final = {
    "deployment.environment": "deployment.environment.name",
    "http.client_ip": "client.address",
    "http.method": "http.request.method",
    "http.request_content_length": "http.request.body.size",
    "http.response_content_length": "http.response.body.size",
    "http.scheme": "url.scheme",
    "http.status_code": "http.response.status_code",
    "http.target": "url.path",
    "http.url": "url.full",
    "http.user_agent": "user_agent.original",
    "messaging.destination": "messaging.destination.name",
    "messaging.operation": "messaging.operation.type",
}
"""Names of before 2023 that instrumentations still write by default -> their names now."""

NAMESPACES: Final = frozenset(
    {
        "android", "aspnetcore", "aws", "azure", "browser", "cassandra", "cicd", "cloud",
        "cloudevents", "cloudfoundry", "code", "container", "cpython", "db", "deployment", "dns",
        "dotnet", "elasticsearch", "enduser", "exception", "faas", "feature_flag", "gcp", "gen_ai",
        "geo", "graphql", "heroku", "host", "http", "ios", "jsonrpc", "jvm", "k8s", "log", "mcp",
        "messaging", "net", "network", "nodejs", "oci", "openai", "opentracing", "oracle_cloud",
        "os", "otel", "peer", "process", "rpc", "server", "service", "session", "signalr", "system",
        "telemetry", "thread", "tls", "traceloop", "url", "user", "user_agent", "v8js", "webengine",
    }
)  # fmt: skip
"""First words that belong to the conventions. Words that applications use too (``app``, ``file``, ``source``)
are not among them; the conventions' own keys under those stand in :data:`KEPT_IN`."""

KEPT_IN: Final = frozenset(
    {
        "client.address", "client.port", "destination.address", "destination.port", "device.id",
        "device.manufacturer", "device.model.identifier", "device.model.name", "error.message",
        "file.directory", "file.name", "file.path", "file.symbolic_link.target_path",
        "source.address", "source.port",
    }
)  # fmt: skip


def convention_name(key: str) -> str:
    """The name under which an attribute is known today."""
    return RENAMED.get(key, key)


def is_convention(name: str) -> bool:
    return name in KEPT_IN or name.partition(".")[0] in NAMESPACES


def passes(name: str, further: frozenset[str]) -> bool:
    """May this convention leave? ``further`` holds keys and ``prefix.*`` that the operator let pass."""
    if name in PASSING or name in further:
        return True
    return any(entry.endswith(".*") and name.startswith(entry[:-1]) for entry in further)
