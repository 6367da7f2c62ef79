"""The inspector's page in a real browser, while a real service sends."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from opentelemetry.exporter.posthog.inspector.inspector import Inspector
from opentelemetry.exporter.posthog.inspector.serving import serving
from tests.browser import chromium, page_of
from tests.e2e.processes import APPS, BIN, Service, instrumenting
from tests.unit.inspector.sending import event, group_update, send_legacy

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.xdist_group("browser")

ZERO_CODE = {
    "OTEL_TRACES_EXPORTER": "posthog", "OTEL_LOGS_EXPORTER": "posthog", "OTEL_METRICS_EXPORTER": "none",
    "OTEL_SERVICE_NAME": "shop", "OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BLRP_SCHEDULE_DELAY": "200",
}  # fmt: skip

LONGEST_TASK_MS = 200
"""Beyond it a person feels that a page hangs."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Told:
    """What a started inspector printed."""

    def __init__(self, service: Service) -> None:
        said: dict[str, Any] = json.loads(service.wait_for('"environment"'))
        self.page: str = said["page"]
        self.token: str = said["token"]
        self.environment: dict[str, str] = said["environment"]
        self.host = self.environment["OTEL_EXPORTER_POSTHOG_HOST"]

    def ask(self, path: str) -> Any:
        request = Request(self.host + path, headers={"Authorization": f"Bearer {self.token}"})
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    with Service([BIN / "otel-posthog", "inspect", "--port", "0", "--json"], {}) as service:
        yield Told(service)
        assert service.stop(signal.SIGTERM) == 0


@pytest.fixture(scope="module")
def shop(told: Told) -> Told:
    """The inspector, after a service under zero-code instrumentation has sent to it and ended."""
    command = ["opentelemetry-instrument", "python", APPS / "inspected_shop.py", "24", "40"]
    with Service(command, {**ZERO_CODE, **instrumenting(), **told.environment}) as service:
        service.wait_for("the shop is closed")
        assert service.ended() == 0
    return told


def opened(page: Page, view: str, row: str) -> Any:
    """Choose a row of a view's list; its detail."""
    page.click(f"#tab-{view}")
    page.locator(f"#list-{view} .row:visible", has_text=row).first.click()
    return page.locator(f"#detail-{view}")


def test_events_come_to_an_open_page_without_reloading(browser: Browser) -> None:
    command = ["opentelemetry-instrument", "python", APPS / "inspected_shop.py", "4", "20"]
    with serving(Inspector()) as address, page_of(browser, address.page) as page:
        page.get_by_text("Nothing has arrived yet").wait_for()
        with Service(command, {**ZERO_CODE, **instrumenting(), **address.environment}) as service:
            page.locator("#list-events .row", has_text="POST /orders").first.wait_for()
            assert service.ended() == 0
        assert "token" not in page.url, "the token does not stay in the address bar, for all to see"


def test_an_event_shows_where_each_property_came_from(browser: Browser, shop: Told) -> None:
    with page_of(browser, shop.page) as page:
        detail = opened(page, "events", "POST /orders")
        detail.get_by_text("The signal that it came from").wait_for()
        row = detail.locator(".properties tr", has_text="cart.items")
        assert "the same attribute" in row.inner_text()
        assert "shop.http" in detail.inner_text()
        detail.get_by_text("How it was decided").click()
        assert "becomes property cart.items" in detail.inner_text()


def test_an_organization_shows_what_was_sent_saved_and_refused_as_older(browser: Browser, shop: Told) -> None:
    with page_of(browser, shop.page) as page:
        detail = opened(page, "organizations", "org_acme")
        plan = detail.get_by_role("region", name="Timeline of plan")
        plan.get_by_text("Refused as older").wait_for()
        text = plan.inner_text()
        assert "trial" in text
        assert "PostHog stored it (request" in text
        assert "PostHog holds this very value already, so nothing was sent." in text
        assert "POST /orders" in text
        assert "trial" not in detail.locator("table").first.inner_text(), "the profile kept the newer value"


def test_what_was_not_exported_is_named_with_the_remedy(browser: Browser, shop: Told) -> None:
    with page_of(browser, shop.page) as page:
        page.click("#tab-skipped")
        reason = page.get_by_role("region", name="no_group")
        reason.wait_for()
        assert "with organization(" in reason.inner_text()
        reason.locator("summary").first.click()
        assert "GET /healthz" in reason.inner_text()
        page.get_by_role("region", name="refused_request").wait_for()


def test_what_other_programs_read_is_what_the_page_shows(shop: Told) -> None:
    reasons = {one["reason"]: one["count"] for one in shop.ask("/not-exported")}
    orders = shop.ask("/events?name=POST%20/orders&organization=org_acme")
    assert reasons["no_group"] >= len(orders) > 0
    assert {event["origin"]["name"] for event in orders} == {"POST /orders"}
    (late,) = shop.ask("/events?name=plan.changed&organization=org_acme")[-1:]
    assert late["groups"] == {"organization": "org_acme"}


def test_a_request_is_shown_as_it_came_without_the_key(browser: Browser, shop: Told) -> None:
    with page_of(browser, shop.page) as page:
        detail = opened(page, "requests", "/i/v1/analytics/events")
        detail.get_by_text("As it came, without the key").wait_for()
        assert "phc_local" not in detail.inner_text()


def test_everything_can_be_reached_by_keyboard(browser: Browser, shop: Told) -> None:
    with page_of(browser, shop.page) as page:
        page.locator("#list-events .row").first.wait_for()
        page.keyboard.press("/")
        page.keyboard.type("org:org_globex order.paid")
        assert page.locator("#matches").inner_text().split(" of ")[0] != "0"
        page.keyboard.press("Escape")
        page.locator("#list-events").focus()
        page.keyboard.press("ArrowDown")
        assert page.locator("#detail-events h2").inner_text() == "order.paid"
        chosen = page.locator("#list-events").get_attribute("aria-activedescendant")
        assert page.locator(f"#{chosen}").get_attribute("aria-selected") == "true"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "detail-events"
        for key, view in (("2", "organizations"), ("3", "skipped"), ("4", "requests")):
            page.keyboard.press(key)
            assert page.locator(f"#view-{view}").is_visible()


def test_every_control_has_a_name(browser: Browser, shop: Told) -> None:
    with page_of(browser, shop.page) as page:
        page.locator("#list-events .row").first.wait_for()
        nameless = page.evaluate(NAMELESS)
        assert nameless == []
        assert page.evaluate(
            "new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size"
        ) == page.evaluate("document.querySelectorAll('[id]').length"), "ids occur once"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_themes(browser: Browser, shop: Told, scheme: str) -> None:
    with page_of(browser, shop.page, color_scheme=scheme) as page:
        page.locator("#list-events .row").first.click()
        page.locator("#detail-events h2").wait_for()
        assert page.evaluate(LOW_CONTRAST) == []


NAMELESS = """() => {
  const said = (e) => e.getAttribute("aria-label") || e.getAttribute("aria-labelledby");
  const labelled = (e) => said(e) || e.labels?.length;
  const named = (e) => e.textContent.trim() || labelled(e);
  const kinds = "button, input, select, a, [role=listbox], [role=img], [role=tabpanel]";
  const controls = document.querySelectorAll(kinds);
  return [...controls].filter((e) => !named(e)).map((e) => e.outerHTML);
}"""

LOW_CONTRAST = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const parts = [0.2126, 0.7152, 0.0722];
  const light = (color) => parts.reduce((sum, part, n) => sum + part * linear(color[n] / 255), 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const color = channels(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const says = (e) => [...e.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const found = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || e.id === "toast" || !says(e)) continue;
    const both = [light(channels(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (ratio < 4.5) found.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return [...found];
}"""
"""Elements whose text has less than the contrast that WCAG 2 AA asks for."""


def test_a_fault_from_the_page_is_met_by_the_next_request_and_told(browser: Browser) -> None:
    inspector = Inspector()
    with serving(inspector) as address, page_of(browser, address.page) as page:
        page.click("#faults-open")
        page.get_by_role("button", name="503").click()
        page.locator("#faults-waiting li", has_text="503").wait_for()
        page.get_by_role("button", name="Close").click()
        assert send_legacy(inspector, event("paid")) == 503
        assert send_legacy(inspector, event("paid")) == 200
        detail = opened(page, "requests", "503")
        assert "answered 503" in detail.locator(".sub").first.inner_text()


def test_markup_in_what_arrives_is_text(browser: Browser) -> None:
    inspector = Inspector()
    evil = "<img src=x onerror=\"document.title='owned'\">"
    with serving(inspector) as address, page_of(browser, address.page) as page:
        send_legacy(inspector, event(evil, evil, evil, **{evil: evil}), group_update(evil, **{evil: evil}))
        opened(page, "events", evil)
        opened(page, "organizations", evil)
        opened(page, "requests", "/batch/")
        page.locator("#detail-requests pre").wait_for()
        assert page.locator("main img").count() == 0
        assert page.title() == "Inspector"


def test_clear_empties_the_page_and_what_comes_later_is_shown(browser: Browser) -> None:
    inspector = Inspector()
    send_legacy(inspector, event("before"), group_update("org_acme", plan="free"))
    with serving(inspector) as address, page_of(browser, address.page) as page:
        page.locator("#list-events .row:visible", has_text="before").click()
        page.get_by_role("button", name="Clear").click()
        page.get_by_text("Nothing has arrived yet").wait_for()
        send_legacy(inspector, event("after"))
        page.locator("#list-events .row:visible", has_text="after").wait_for()
        assert page.locator("#list-events .row:visible").count() == 1


def test_a_paused_page_stands_still_and_then_catches_up(browser: Browser) -> None:
    inspector = Inspector()
    send_legacy(inspector, event("before"))
    with serving(inspector) as address, page_of(browser, address.page) as page:
        page.locator("#list-events .row:visible", has_text="before").wait_for()
        page.click("#pause")
        with page.expect_response("**/vocabulary"):  # goes out after the stream has brought what follows
            send_legacy(inspector, event("meanwhile"))
            page.evaluate("fetch('/vocabulary').then((answer) => answer.text())")
        assert page.locator("#list-events .row:visible").count() == 1
        page.click("#pause")
        page.locator("#list-events .row:visible", has_text="meanwhile").wait_for()


def test_masked_from_the_start_shows_no_value(browser: Browser) -> None:
    inspector = Inspector(mask=True)
    send_legacy(inspector, event("paid", plan="hidden-plan"))
    with serving(inspector) as address, page_of(browser, address.page) as page:
        opened(page, "events", "paid")
        page.get_by_text("Values are masked").wait_for()
        assert "hidden-plan" not in page.content()
        assert "org_acme" not in page.content()


def test_ten_thousand_events_and_a_hundred_a_second_never_block_the_page(browser: Browser) -> None:
    inspector = Inspector()
    for batch in range(20):
        send_legacy(inspector, *(order(batch * 500 + n) for n in range(500)))
    ended = threading.Event()

    def send() -> None:
        count = 10_000
        while not ended.wait(0.1):
            send_legacy(inspector, *(order(count + n) for n in range(10)))
            count += 10

    with serving(inspector) as address, page_of(browser, address.page) as page:
        page.locator("#count-events", has_text=re.compile(r"^1\d,")).wait_for()
        sender = threading.Thread(target=send)
        sender.start()
        try:
            use(page)
            page.locator("#count-events", has_text=re.compile(r"^1(0,[5-9]|[1-9],)")).wait_for()
        finally:
            ended.set()
            sender.join()
        tasks = sorted(page.evaluate("window.longTasks"))
        print("long tasks in ms:", tasks)
        assert max(tasks, default=0) <= LONGEST_TASK_MS
        rows = page.locator("#list-events .row").count()
        assert rows < 100, "only rows in sight are elements"


def order(n: int) -> dict[str, object]:
    about = {f"attribute.{place}": f"value {n * place % 97}" for place in range(12)}
    return event(f"order {n % 20}", f"org_{n % 50}", f"u_{n % 300}", number=n, **about)


def use(page: Page) -> None:
    """What a person does: scroll, choose, search, look at the other views."""
    rows = page.locator("#list-events")
    for place in (4_000, 200_000, 0):
        rows.evaluate(f"list => list.scrollTop = {place}")
    rows.focus()
    for key in ("ArrowDown", "PageDown", "End", "Home", "ArrowDown"):
        page.keyboard.press(key)
    page.fill("#search", "value 42")
    page.locator("#matches", has_text=" of ").wait_for()
    page.fill("#search", "org:org_7 person:u_57")
    page.fill("#search", "")
    for view in ("organizations", "skipped", "requests", "events"):
        page.click(f"#tab-{view}")
