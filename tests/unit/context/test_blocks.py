"""``organization()``, ``group()``, ``user()``: where they hold, where they end, and what they never do."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from opentelemetry.context import get_current

from opentelemetry import baggage
from opentelemetry.exporter.posthog import group, organization, user
from opentelemetry.exporter.posthog.context import configure, current_scope
from opentelemetry.exporter.posthog.context.blocks import _log
from opentelemetry.exporter.posthog.settings.model import GroupRule
from tests.conftest import ORGANIZATION

AT = datetime(2026, 11, 23, 14, 1, 24, 916575, tzinfo=timezone.utc)
AT_NS = 1_795_442_484_916_575_000


@pytest.fixture(autouse=True)
def quiet_log_afresh() -> Iterator[None]:
    _log.reset()
    yield
    _log.reset()


def current() -> dict[str, object]:
    return dict(current_scope().attributes)


def key() -> object:
    return current().get("organization.id")


# -- what is put ---------------------------------------------------------------------------------------


def test_a_block_puts_key_properties_and_the_mark_that_we_put_them() -> None:
    with organization("org_42", name="Acme", plan_name="team"):
        assert current() == {
            "organization.name": "Acme",
            "organization.plan_name": "team",
            "organization.id": "org_42",
            "posthog.group.stamped": ("organization",),
        }
    assert current() == {}


def test_a_user_is_put_beside_the_organization() -> None:
    with organization("org_42"), user("u_1", name="Ada"):
        assert (key(), current()["user.id"], current()["user.name"]) == ("org_42", "u_1", "Ada")
        assert current()["posthog.group.stamped"] == ("organization",)


def test_another_group_type_uses_its_configured_attributes() -> None:
    configure([ORGANIZATION, GroupRule(type="workspace", attribute="app.ws", prefix="app.ws_")])
    with organization("org_42"), group("workspace", 7, name="East"):
        assert current()["app.ws"] == "7"
        assert current()["app.ws_name"] == "East"
        assert current()["posthog.group.stamped"] == ("organization", "workspace")


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(AT, id="a datetime with a zone"),
        pytest.param(AT.astimezone(timezone(timedelta(hours=2))), id="a datetime in another zone"),
        pytest.param("2026-11-23T14:01:24.916575Z", id="RFC 3339 text"),
        pytest.param(AT_NS, id="nanoseconds"),
    ],
)
def test_at_says_when_the_properties_were_true_to_the_microsecond(at: datetime | str | int) -> None:
    with organization("org_42", at=at, plan_name="team"):
        assert current()["posthog.observed_at"] == AT_NS


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(datetime(2026, 11, 23), id="a datetime without a zone"),
        pytest.param("yesterday", id="a word"),
        pytest.param(-5, id="a time before the epoch"),
        pytest.param(True, id="a bool"),
        pytest.param(1.5, id="a float"),
    ],
)
def test_properties_of_an_unknown_time_are_let_go_and_the_key_stays(
    at: object, caplog: pytest.LogCaptureFixture
) -> None:
    with organization("org_42", at=at, plan_name="team"):  # type: ignore[arg-type]
        assert current() == {"organization.id": "org_42", "posthog.group.stamped": ("organization",)}
    assert "no instant" in caplog.text


class Plan(Enum):
    TEAM = "team"


@pytest.mark.parametrize(
    ("value", "is_put_as"),
    [
        pytest.param("x", "x", id="text"),
        pytest.param(True, True, id="a bool"),
        pytest.param(1.5, 1.5, id="a float"),
        pytest.param(Plan.TEAM, "team", id="an enum is its value"),
        pytest.param(AT, "2026-11-23T14:01:24.916575+00:00", id="a datetime is RFC 3339"),
        pytest.param(date(2026, 11, 23), "2026-11-23", id="a date is ISO text"),
        pytest.param(Decimal("99.00"), "99.00", id="a decimal is exact text"),
        pytest.param(UUID(int=5), "00000000-0000-0000-0000-000000000005", id="a UUID is text"),
        pytest.param(["a", "b"], ("a", "b"), id="a list of one type"),
        pytest.param(["a", 1, None], ("a", "1"), id="a mixed list is text without None"),
    ],
)
def test_a_property_is_put_as_the_sdk_would_keep_it(value: object, is_put_as: object) -> None:
    with organization("org_42", it=value):  # type: ignore[arg-type]
        assert current()["organization.it"] == is_put_as


def test_none_says_nothing_and_nothing_replaces_the_key() -> None:
    with organization("org_42", name=None, id="org_666"):
        assert current() == {"organization.id": "org_42", "posthog.group.stamped": ("organization",)}


def test_a_property_of_no_known_kind_is_let_go_with_a_warning_without_its_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with organization("org_42", secret_thing={"password": "hunter2"}):  # type: ignore[arg-type]
        assert "organization.secret_thing" not in current()
    assert "dict" in caplog.text
    assert "hunter2" not in caplog.text


# -- keys ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "is_key"),
    [
        pytest.param("  org_42 ", "org_42", id="text is stripped"),
        pytest.param(42, "42", id="a whole number is text"),
        pytest.param("ä" * 100, "ä" * 100, id="200 bytes are enough"),
        pytest.param("", None, id="empty"),
        pytest.param("   ", None, id="blank"),
        pytest.param(None, None, id="None"),
        pytest.param(True, None, id="a bool"),
        pytest.param(4.2, None, id="a float"),
        pytest.param(["org_42"], None, id="a list"),
        pytest.param({"id": "org_42"}, None, id="a map"),
        pytest.param("ä" * 101, None, id="202 bytes are too many"),
    ],
)
def test_what_is_a_key(given: object, is_key: str | None, caplog: pytest.LogCaptureFixture) -> None:
    with organization(given):  # type: ignore[arg-type]
        assert key() == is_key
    assert ("no key" in caplog.text) == (is_key is None)


def test_inside_a_block_without_a_key_the_outer_organization_does_not_show_through() -> None:
    with organization("org_1"):
        with organization(""):
            assert key() is None
        assert key() == "org_1"


def test_a_warning_names_neither_key_nor_value_and_comes_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(5):
        with organization("x" * 201, plan_name="top-secret"):
            pass
    assert len(caplog.records) == 1
    assert "xxx" not in caplog.text
    assert "top-secret" not in caplog.text


def test_a_group_type_that_is_not_configured_is_ignored_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with group("workspace", "w_1"):
        assert current() == {}
    assert "OTEL_EXPORTER_POSTHOG_GROUPS" in caplog.text


def test_properties_of_a_group_type_without_prefix_are_let_go(caplog: pytest.LogCaptureFixture) -> None:
    configure([GroupRule(type="organization", attribute="org", prefix=None)])
    with organization("org_42", name="Acme"):
        assert current() == {"org": "org_42", "posthog.group.stamped": ("organization",)}
    assert "GROUP_PREFIXES" in caplog.text


# -- where a block holds and ends ----------------------------------------------------------------------


def test_the_innermost_block_holds_whole_and_the_outer_one_comes_back() -> None:
    with organization("org_1", name="One", at=AT):
        with organization("org_2"):
            assert current() == {"organization.id": "org_2", "posthog.group.stamped": ("organization",)}
        assert current()["organization.name"] == "One"


def test_one_block_object_may_be_entered_again_and_from_several_threads() -> None:
    block = organization("org_1")
    barrier = threading.Barrier(4, timeout=10)
    seen: list[object] = []

    def work() -> None:
        with block:
            barrier.wait()
            with block:
                pass
            seen.append(key())
        seen.append(key())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.count("org_1") == 4
    assert seen.count(None) == 4


def test_an_exception_in_a_block_passes_and_ends_it() -> None:
    with pytest.raises(ValueError, match="theirs"), organization("org_1"):
        raise ValueError("theirs")
    assert key() is None


def test_interleaved_blocks_never_bring_each_other_back() -> None:
    first, second = organization("org_1"), organization("org_2")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert key() == "org_2"
    second.__exit__(None, None, None)
    assert key() is None


def test_concurrent_coroutines_keep_their_own_organization() -> None:
    async def request(name: str) -> list[object]:
        seen: list[object] = []
        with organization(name):
            for _ in range(5):
                await asyncio.sleep(0)
                seen.append(key())
            seen.append(await asyncio.create_task(ask()))
            seen.append(await asyncio.to_thread(key))
        return seen

    async def ask() -> object:
        return key()

    async def serve() -> list[list[object]]:
        return await asyncio.gather(*(request(f"org_{n}") for n in range(10)))

    for number, seen in enumerate(asyncio.run(serve())):
        assert set(seen) == {f"org_{number}"}


def test_a_block_left_in_another_context_is_quiet_and_leaves_nothing_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As a sync generator dependency of FastAPI: entered and left in two copies of one context."""
    block = organization("org_1")
    entered = contextvars.copy_context()
    entered.run(block.__enter__)
    left = entered.copy()  # knows the block, but a token of it would belong to the other one
    left.run(block.__exit__, None, None, None)
    assert left.run(key) is None
    contextvars.copy_context().run(block.__exit__, None, None, None)  # never knew it
    assert not caplog.records


def test_an_async_generator_closed_by_another_task_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def dependency() -> AsyncIterator[None]:
        with organization("org_1"):
            yield

    async def serve() -> object:
        entered = dependency()
        await asyncio.create_task(enter(entered.__aenter__))
        await asyncio.create_task(leave(entered))
        return key()

    async def enter(do: Callable[[], object]) -> None:
        await do()  # type: ignore[misc]

    async def leave(entered: object) -> None:
        await entered.__aexit__(None, None, None)  # type: ignore[attr-defined]

    with caplog.at_level(logging.DEBUG):
        assert asyncio.run(serve()) is None
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


# -- baggage -------------------------------------------------------------------------------------------


def test_nothing_reaches_outgoing_baggage_unless_asked() -> None:
    with organization("org_42", name="Acme"), user("u_1"):
        assert not baggage.get_all()


def test_asked_to_the_key_alone_is_propagated_and_ends_with_the_block() -> None:
    configure(propagate=True)
    with organization("org_1", name="Acme"), user("u_1"):
        assert dict(baggage.get_all()) == {"organization.id": "org_1"}
        with organization("org_2"):
            assert baggage.get_baggage("organization.id") == "org_2"
            with organization(""):
                assert baggage.get_baggage("organization.id") is None
        assert baggage.get_baggage("organization.id") == "org_1"
    assert not baggage.get_all()


def test_what_the_caller_sent_comes_back_when_the_block_ends() -> None:
    configure(propagate=True)
    inbound = baggage.set_baggage("organization.id", "org_caller", get_current())

    def serve() -> object:
        from opentelemetry.context import attach

        attach(inbound)
        with organization("org_1"):
            pass
        return baggage.get_baggage("organization.id")

    assert contextvars.copy_context().run(serve) == "org_caller"


# -- cost to the application ---------------------------------------------------------------------------


def test_the_blocks_need_the_opentelemetry_api_only() -> None:
    code = (
        "import sys\n"
        "from opentelemetry.exporter.posthog import organization, user\n"
        "with organization('org_42', name='Acme'), user('u_1'): pass\n"
        "heavy = ('opentelemetry.sdk', 'httpx', 'sqlite3')\n"
        "loaded = [module for module in sys.modules if module.startswith(heavy)]\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
