"""Each story ends well on every store that can play it, and badly once its bug is planted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.ledger.benches import Bench, memory_bench, plain_bench, redis_bench, sqlite_bench
from tests.ledger.judge import Violation
from tests.ledger.planted import EVICTION, STORIES, Bug, Story, plant
from tests.ledger.world import World
from tests.servers import RedisServer, running_redis


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def bench_of(kind: str, request: pytest.FixtureRequest) -> AbstractContextManager[Bench]:
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return redis_bench(server)
    return {"plain": plain_bench, "memory": memory_bench, "sqlite": sqlite_bench}[kind]()


def playable() -> list[object]:
    """Each story with each store that can do what it needs: memory loses nothing and is one process's,
    files evict nothing."""
    stores = {frozenset(): ("plain", "memory", "sqlite", "redis"), EVICTION: ("plain", "memory")}
    return [
        pytest.param(story, kind, id=f"{kind}: {name}")
        for name, story in STORIES.items()
        for kind in stores.get(story.needs, ("plain", "sqlite", "redis"))
    ]


@pytest.mark.parametrize(("story", "kind"), playable())
def test_a_story_ends_well(story: Story, kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """[P-STORE-DOWN] among others: nothing is sent by one process's own view."""
    with bench_of(kind, request) as bench:
        world = World(bench, life=story.life, disk=tmp_path / "box" if story.disk else None)
        story.play(world)
        world.end_well()
        world.close()


def test_a_group_that_posthog_refused_without_properties_is_not_missing() -> None:
    with plain_bench() as bench:
        world = World(bench)
        world.deliver(*world.see(0, 1), "400")
        world.end_well()
        world.close()


@pytest.mark.parametrize("story", [pytest.param(story, id=name) for name, story in STORIES.items()])
def test_its_bug_is_found(story: Story, tmp_path: Path) -> None:
    assert story.bug != Bug()
    with plain_bench(story.bug.rule()) as bench:
        world = World(
            bench,
            life=story.life,
            courier=story.bug.courier(),
            project_of=story.bug.project_of,
            disk=tmp_path / "box" if story.disk else None,
            file=story.bug.file,
        )
        plant(story.bug, world)
        with pytest.raises(Violation):
            end_badly(world, story)
        world.close()


def end_badly(world: World, story: Story) -> None:
    story.play(world)
    world.end_well()
