"""The security page claims nothing that no test proves: every threat names tests, and they exist."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.docs.named_tests import missing_in, named_in

from opentelemetry.exporter.posthog.groups import redis_client
from opentelemetry.exporter.posthog.inspector.inspector import Inspector
from opentelemetry.exporter.posthog.inspector.serving import serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/security.md").read_text()

THREATS = PAGE[PAGE.index("## Threats") : PAGE.index("## What it does not do")]
ROW = re.compile(r"^\| (?!Threat |---)(.+?) \| (.+?) \| (.*?) \| (.*) ?\|$", re.MULTILINE)


def test_every_row_of_the_tables_is_read() -> None:
    lines = [line for line in THREATS.splitlines() if line.startswith("|")]
    heads = [line for line in lines if line.startswith(("| Threat |", "|---"))]

    assert len(ROW.findall(THREATS)) == len(lines) - len(heads) > 30


@pytest.mark.parametrize(("threat", "proof"), [(row[0], row[2]) for row in ROW.findall(THREATS)])
def test_each_threat_names_tests_that_exist(threat: str, proof: str) -> None:
    assert named_in(proof), f"{threat}: nothing proves it"
    assert missing_in(proof) == []


# -- what had no test of its own -------------------------------------------------------------------------


def test_a_header_that_an_instrumentation_records_names_no_user(posthog_capture: Any) -> None:
    headers = {
        "http.request.header.x_posthog_distinct_id": ["u_admin"],
        "http.request.header.x_posthog_session_id": ["019ab000-0000-7000-8000-000000000000"],
    }
    tracer = posthog_capture.tracer_provider.get_tracer("shop")
    with tracer.start_as_current_span("work", attributes={"organization.id": "acme", **headers}):
        pass

    (event,) = posthog_capture.events
    assert event.distinct_id == "$organization_acme"
    assert "$session_id" not in event.properties
    assert not any("header" in name for name in event.properties)


@pytest.mark.parametrize("kind", [kind for kind, _ in redis_client.WORDS], ids=lambda kind: kind.__name__)
def test_what_the_client_of_redis_says_is_never_repeated(kind: type[Exception]) -> None:
    said = str(redis_client.explained(kind("redis://shop:s3cret@cache.example refused s3cret")))

    assert "s3cret" not in said
    assert "the ledger's server" in said


def test_the_inspector_listens_on_one_address_of_the_loopback() -> None:
    with serving(Inspector()) as address:
        where = urlsplit(address.host)
        assert where.port is not None
        socket.create_connection(("127.0.0.1", where.port), timeout=5).close()
        with pytest.raises(OSError, match="refused"):  # all addresses would answer here, too
            socket.create_connection(("127.0.0.2", where.port), timeout=5).close()
