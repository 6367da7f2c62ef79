"""Who may read an inspector."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.inspector.guard import Guard

GUARD = Guard("s3cret", 8009)
RIGHT = {"host": "127.0.0.1:8009", "authorization": "Bearer s3cret"}


@pytest.mark.parametrize(
    ("method", "headers", "query", "status"),
    [
        pytest.param("GET", RIGHT, {}, None, id="whoever has the token in a header reads"),
        pytest.param("GET", {"host": "localhost:8009"}, {"token": "s3cret"}, None, id="or in the address"),
        pytest.param("GET", {"host": "[::1]:8009", "cookie": "a=b; posthog_inspector_8009=s3cret"}, {}, None,
                     id="or in its cookie"),
        pytest.param("GET", {"host": "127.0.0.1:8009"}, {}, 401, id="nobody reads without it"),
        pytest.param("GET", {"host": "127.0.0.1:8009"}, {"token": "s3cre"}, 401, id="a part of it is not it"),
        pytest.param("GET", {"host": "127.0.0.1:8009"}, {"token": ""}, 401, id="an empty one is none"),
        pytest.param("GET", {"host": "127.0.0.1:8009", "cookie": "posthog_inspector_9000=s3cret"}, {}, 401,
                     id="the cookie of another inspector does not count"),
        pytest.param("GET", {**RIGHT, "host": "evil.example:8009"}, {}, 421,
                     id="a rebound name is turned away"),
        pytest.param("GET", {**RIGHT, "host": "127.0.0.1"}, {}, 421, id="so is another port's"),
        pytest.param("GET", {"authorization": "Bearer s3cret"}, {}, 421, id="and no name at all"),
        pytest.param("POST", {**RIGHT, "origin": "http://localhost:3000"}, {}, 403,
                     id="a page of another port changes nothing"),
        pytest.param("DELETE", {**RIGHT, "origin": "null"}, {}, 403, id="nor does a sandboxed one"),
        pytest.param("POST", {**RIGHT, "origin": "http://127.0.0.1:8009"}, {}, None, id="its own page does"),
        pytest.param("DELETE", RIGHT, {}, None, id="and so does a program"),
    ],
)  # fmt: skip
def test_objection(method: str, headers: dict[str, str], query: dict[str, str], status: int | None) -> None:
    objection = GUARD.objection(method, headers, query)
    assert (objection[0] if objection is not None else None) == status
