"""A real Chromium for tests of the page: Debian's, driven by playwright, without a network of its own."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
"""``--no-sandbox``: containers run as root. The others keep the browser from calling its maker."""

COUNT_LONG_TASKS = """
window.longTasks = [];
const lengths = (list) => list.getEntries().map((task) => Math.round(task.duration));
new PerformanceObserver((list) => window.longTasks.push(...lengths(list)))
  .observe({ type: "longtask", buffered: true });
"""


@contextmanager
def chromium() -> Generator[Browser]:
    """Skips where there is none, which fails under ``CI=true``."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def page_of(browser: Browser, address: str, **options: object) -> Generator[Page]:
    """A page that must not report an error, nor ask any other host for anything."""
    context = browser.new_context(viewport={"width": 1360, "height": 860}, **options)  # type: ignore[arg-type]
    page = context.new_page()
    complaints: list[str] = []
    strangers: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on(
        "request", lambda asked: strangers.append(asked.url) if "://127.0.0.1:" not in asked.url else None
    )
    page.add_init_script(COUNT_LONG_TASKS)
    page.goto(address)
    page.wait_for_selector("#live[data-state=live]")
    yield page
    context.close()
    assert strangers == []
    assert complaints == []
