"""The built site in a real browser: it fits both widths, is searchable, and calls nobody else."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.browser import chromium
from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
PAGES = ["", "how-to/inspect-locally/", "reference/configuration/"]

pytestmark = pytest.mark.xdist_group("site")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site of a copy of docs/, since `make docs` may be building the other one."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    command = [sys.executable, "-m", "zensical", "build"]  # links are checked by `make docs`
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=100)
    handler = functools.partial(Quiet, directory=str(folder / "site"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_a_page_fits_its_screen_and_calls_nobody(
    browser: Browser, address: str, width: str, scheme: str
) -> None:
    across, down = WIDTHS[width]
    context = browser.new_context(viewport={"width": across, "height": down}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    strangers: list[str] = []
    errors: list[str] = []
    page.on(
        "request", lambda asked: strangers.append(asked.url) if not asked.url.startswith(address) else None
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    for name in PAGES:
        page.goto(address + name)
        assert page.locator("h1").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate(
            "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        ), name
    context.close()
    assert [url for url in strangers if not url.startswith("data:")] == []
    assert errors == []


def test_a_search_leads_to_the_page(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Control+k")
    page.locator("input[aria-label=Search]").fill("outbox_max_bytes")
    found = page.get_by_role("option").first
    found.wait_for()
    found.click()
    page.wait_for_url("**/reference/configuration/**#outbox_max_bytes")
    context.close()
