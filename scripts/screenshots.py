"""Make the pictures of the documentation: a real service, a real inspector, a real browser.

``python scripts/screenshots.py docs/images``; ``make screenshots`` runs it. Needs Debian's chromium.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
SERVICE = ROOT / "tests" / "e2e" / "apps" / "inspected_shop.py"
SIZE = {"width": 1280, "height": 760}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


def main() -> int:
    """Write the pictures into the directory that is named; the exit status."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium")
    if program is None:
        print("There is no chromium. Run: apt-get install chromium", file=sys.stderr)
        return 1
    command = [BIN / "otel-posthog", "inspect", "--port", "0", "--json"]
    inspector = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert inspector.stdout is not None
        told = json.loads(inspector.stdout.readline())
        send(told)
        take(program, told["page"], target)
    finally:
        inspector.terminate()
        inspector.communicate(timeout=30)
    return 0


def send(told: dict[str, object]) -> None:
    """A service sends for three seconds; PostHog is down for two of its requests."""
    environment = told["environment"]
    assert isinstance(environment, dict)
    fault = Request(
        f"{environment['OTEL_EXPORTER_POSTHOG_HOST']}/faults",
        data=json.dumps({"status": 503, "times": 2}).encode(),
        headers={"Authorization": f"Bearer {told['token']}"},
    )
    with urlopen(fault, timeout=30):
        pass
    own = {
        "OTEL_TRACES_EXPORTER": "posthog",
        "OTEL_LOGS_EXPORTER": "posthog",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_BSP_SCHEDULE_DELAY": "300",
        "OTEL_BLRP_SCHEDULE_DELAY": "300",
    }
    subprocess.run(
        [BIN / "opentelemetry-instrument", sys.executable, SERVICE, "90", "30"],
        env={**os.environ, **own, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def take(program: str, address: str, target: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(address)
            page.wait_for_timeout(2_000)  # until everything has come and the rows stand still
            pictures(page, target, scheme)
            context.close()
        browser.close()


def pictures(page: Page, target: Path, scheme: str) -> None:
    """One of each view, with something chosen."""

    def shoot(name: str) -> None:
        path = target / f"inspector-{name}-{scheme}.png"
        page.screenshot(path=path)
        print(path)

    page.locator("#list-events .row:visible", has_text="order.paid").first.click()
    page.get_by_text("The signal that it came from").wait_for()
    shoot("events")
    page.click("#tab-organizations")
    page.locator("#list-organizations .row:visible", has_text="org_acme").click()
    page.get_by_role("region", name="Timeline of plan").wait_for()
    shoot("organization")
    page.click("#tab-skipped")
    page.get_by_role("region", name="no_group").locator("summary").first.click()
    shoot("not-exported")
    page.click("#tab-requests")
    page.locator("#list-requests .row:visible", has_text="503").first.click()
    page.get_by_text("As it came, without the key").wait_for()
    shoot("requests")


if __name__ == "__main__":
    sys.exit(main())
