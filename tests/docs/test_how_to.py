"""The code of the how-to pages runs, and does what the page says."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from tests.signal_capture import Signals

from opentelemetry.exporter.posthog import PostHogGroupProcessor

PAGES = Path(__file__).parents[2] / "docs" / "how-to"

RUNS = {
    "docs/how-to/celery.md": ("python",),
    "docs/how-to/fastapi.md": ("python",),
    "docs/how-to/uvicorn.md": ("python",),
}


def run_page(name: str) -> dict[str, Any]:
    """Run all Python blocks of a page, one after the other, in one namespace."""
    names: dict[str, Any] = {"__name__": name.replace(".", "_")}
    for block in re.findall(r"```python\n(.*?)```", (PAGES / name).read_text(), re.DOTALL):
        exec(compile(block, name, "exec", flags=0, dont_inherit=True), names)
    return names


@pytest.mark.parametrize("page", ["uvicorn.md", "celery.md"])
def test_the_code_of_the_page_runs(page: str) -> None:
    run_page(page)


def test_every_how_to_page_ends_with_verify_and_troubleshooting() -> None:
    for page in PAGES.glob("*.md"):
        headings = re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)
        assert headings[-2:] == ["Verify", "Troubleshooting"], page.name


def test_the_fastapi_page_puts_the_organization_on_the_server_span_and_on_the_event() -> None:
    signals = Signals(PostHogGroupProcessor())
    names = run_page("fastapi.md")
    names["events"] = signals.logger
    FastAPIInstrumentor.instrument_app(names["app"], tracer_provider=signals.tracer_provider)

    async def invite(token: str) -> int:
        transport = httpx.ASGITransport(names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            answer = await client.post("/invitations", headers={"authorization": token})
            return answer.status_code

    assert asyncio.run(invite("token-1")) == 200
    assert asyncio.run(invite("stranger")) == 401
    allowed, refused = [span for span in signals.finished_spans() if span.name == "POST /invitations"]
    assert (allowed.attributes or {})["organization.id"] == "org_42"
    assert (allowed.attributes or {})["user.id"] == "u_ada"
    assert "organization.id" not in (refused.attributes or {})
    assert signals.record("member invited")["organization.name"] == "Acme Inc."
