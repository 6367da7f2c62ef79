"""A ledger in a real cluster of three nodes, and one behind TLS: the same promises over other wires."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.ledger_shop import Shop
from tests.servers import RedisServer, free_ports, running_cluster, running_redis

LONGEST = 2.5
"""Seconds. In a cluster the client looks at the other nodes before it gives a stalled one up, each look a
quarter of a second; its defaults take more than ten."""

EVERYBODY = {f"org_{i}": {"plan": "free", "seats": i} for i in range(60)}


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[RedisServer]]:
    with running_cluster() as nodes:
        yield nodes


@pytest.fixture
def cluster(nodes: list[RedisServer]) -> list[RedisServer]:
    for node in nodes:
        node.ask("FLUSHALL")
    return nodes


def test_groups_lie_on_all_nodes_and_profiles_are_true(cluster: list[RedisServer]) -> None:
    shop = Shop(cluster[0].url)
    assert shop.says_all(EVERYBODY).kept
    assert shop.says_all({key: {"plan": "team"} for key in EVERYBODY}).kept
    assert all(shop.profile(key) == {"plan": "team", "seats": i} for i, key in enumerate(EVERYBODY))
    assert all(int(node.ask("DBSIZE")) > 3 for node in cluster)
    other = Shop(cluster[1].url, double=shop.double)
    other.says_all({key: {"plan": "team"} for key in EVERYBODY})
    other.tend(*cluster)
    assert len(shop.double.identifies) == 2 * len(EVERYBODY), "what one knows the other does not send"
    assert len(list(other.pipeline._ledger._store.groups())) == len(EVERYBODY)
    shop.check_balance()
    for one in (shop, other):
        one.pipeline.shutdown(5.0)


def test_a_stalled_node_holds_an_export_up_once_and_loses_nothing(
    cluster: list[RedisServer], tmp_path: Path
) -> None:
    shop = Shop(cluster[0].url, outbox=str(tmp_path))
    shop.says_all(EVERYBODY)
    cluster[2].stall()
    try:
        first = shop.says_all({key: {"plan": "team"} for key in EVERYBODY})
        later = [shop.says_all({key: {"plan": f"team{i}"} for key in EVERYBODY}) for i in range(3)]
    finally:
        cluster[2].resume()
    assert first.seconds < LONGEST
    assert min(export.seconds for export in later) < 0.5
    assert first.kept
    shop.after_the_pause()
    shop.tend(*cluster)
    assert {shop.profile(key)["plan"] for key in EVERYBODY} == {"team2"}
    assert shop.pipeline.force_flush(5.0)
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


def test_a_dead_node_costs_its_own_groups_their_updates_and_nobody_an_event(
    cluster: list[RedisServer], tmp_path: Path
) -> None:
    with running_cluster() as own:
        shop = Shop(own[0].url, outbox=str(tmp_path))
        shop.says_all(EVERYBODY)
        own[1].kill()
        assert shop.says_all({key: {"plan": "team"} for key in EVERYBODY}).seconds < LONGEST
        assert len(shop.double.events) == 2 * len(EVERYBODY)
        for node in (own[0], own[2]):
            node.kill()
        for _ in range(2):
            shop.after_the_pause()
            assert shop.pipeline.tend() is not None, "somebody comes back though no node answers"
        shop.pipeline.shutdown(5.0)
        shop.check_balance()


def test_slots_that_moved_to_another_node_are_followed(cluster: list[RedisServer]) -> None:
    shop = Shop(cluster[0].url)
    shop.says_all(EVERYBODY)
    ids = [node.ask("CLUSTER", "MYID") for node in cluster]
    key = cluster[0].ask("RANDOMKEY")
    slot = cluster[0].ask("CLUSTER", "KEYSLOT", key)
    cluster[1].ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    cluster[0].ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    port = cluster[1].url.rpartition(":")[2]
    keys = cluster[0].ask("CLUSTER", "GETKEYSINSLOT", slot, "100").splitlines()
    cluster[0].ask("MIGRATE", "127.0.0.1", port, "", "0", "5000", "KEYS", *keys)
    for node in cluster:
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    assert shop.says_all({key: {"plan": "team"} for key in EVERYBODY}).kept
    assert all(shop.profile(key)["plan"] == "team" for key in EVERYBODY)
    assert "ledger_down" not in shop.stats.notes
    assert "ledger_lost" not in shop.stats.notes
    assert len(shop.double.identifies) == 2 * len(EVERYBODY)
    shop.pipeline.shutdown(5.0)


# -- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on PATH (Debian: apt-get install openssl)")
    made = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{made}.key", "-out", f"{made}", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[tuple[RedisServer, str]]:
    (port,) = free_ports(1)
    with running_redis(
        "--tls-port", f"{port}", "--tls-cert-file", f"{certificate}", "--tls-key-file", f"{certificate}.key",
        "--tls-ca-cert-file", f"{certificate}", "--tls-auth-clients", "no",
    ) as server:  # fmt: skip
        yield server, f"rediss://127.0.0.1:{port}"


def test_over_tls_with_a_certificate_of_ones_own(
    tls_server: tuple[RedisServer, str], certificate: Path
) -> None:
    server, url = tls_server
    shop = Shop(f"{url}?ssl_ca_certs={certificate}")
    assert shop.says(plan="free").kept
    server.stall()
    try:
        stalled = shop.says(plan="team")
    finally:
        server.resume()
    assert stalled.seconds < 1.0
    shop.after_the_pause()
    shop.tend(server)
    assert shop.profile() == {"plan": "team"}
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


def test_over_tls_a_certificate_that_nobody_vouches_for_is_refused(
    tls_server: tuple[RedisServer, str],
) -> None:
    _, url = tls_server
    shop = Shop(url)
    assert not shop.says(plan="free").kept
    assert len(shop.double.events) == 1
    assert not shop.double.identifies
    assert shop.stats.notes["ledger_down"] == 1
    shop.pipeline.shutdown(5.0)
