"""The calls on docs/how-to/inspect-locally.md do what the page says, against a running inspector."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from typing import Any

from tests.docs.blocks import code_of
from tests.e2e.processes import BIN, Service, environment

PAGE = "docs/how-to/inspect-locally.md"
RUNS = {"docs/how-to/inspect-locally.md": ("sh",)}


class Asked:
    """A started inspector, as a test in any language would use it."""

    def __init__(self, service: Service) -> None:
        said = json.loads(service.wait_for('"environment"'))
        self.host: str = said["environment"]["OTEL_EXPORTER_POSTHOG_HOST"]
        self.token: str = said["token"]

    def shell(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", commands],
            env=environment({"HOST": self.host, "TOKEN": self.token}),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.host + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def test_the_calls_of_the_page_do_what_it_says() -> None:
    exports, calls, verify = code_of(PAGE, "sh")
    read, empty, break_it = calls.splitlines()
    with Service([BIN / "otel-posthog", "inspect", "--port", "0", "--json"], {}) as service:
        inspector = Asked(service)
        exports = exports.replace("http://127.0.0.1:8009", inspector.host)

        inspector.shell(f"{exports}\n{verify}")
        assert [event["event"] for event in inspector.get("/events")] == ["hello"]
        assert len(inspector.get("/findings")) == 2
        assert json.loads(inspector.shell(read.replace("wait=5", "wait=0"))) == [], "hello is not order.paid"

        inspector.shell(empty)
        assert inspector.get("/events") == []

        inspector.shell(break_it)
        assert [(fault["status"], fault["times"]) for fault in inspector.get("/faults")] == [(503, 2)]
