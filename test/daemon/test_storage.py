"""A disk that is full or fails: what can't be stored is refused, the rest goes on, and nothing acknowledged is lost."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import projects
import pytest
from curated import Client, CuratedError, LocalDaemon, ReadOnly, StorageFull, WorkItem
from disk import Disk
from verify import check

MIB = 1 << 20


@pytest.fixture
def start(program: Path, tmp_path: Path) -> Iterator[Callable[..., LocalDaemon]]:
    """Starts daemons on one store, with options of their own."""
    started: list[LocalDaemon] = []

    def run(*options: str) -> LocalDaemon:
        started.append(LocalDaemon(program, tmp_path / "store", options=options).start())
        return started[-1]

    yield run
    for daemon in started:
        daemon.kill()


def work_once(client: Client) -> None:
    """One item through lease and answer."""
    (item,) = client.lease("w")
    assert item.submit("cat")["settled"]


def seen(client: Client) -> tuple[dict[str, int], dict[str, int], int]:
    """What a request that was refused must leave as it was."""
    status = client.status()
    return projects.money_adds_up(client), status["states"], status["event_seq"]


def large_keys(first: int, count: int) -> dict[str, list[str]]:
    numbers = range(first, first + count)
    return {"keys": [f"{n:0>250}" for n in numbers], "uris": [f"file:///{n:0>2000}" for n in numbers]}


# --- a map that is full -----------------------------------------------------------------------------------------------


def test_full_state_map(start):
    daemon = start(f"--state-map-bytes={4 * MIB}")
    with daemon.client("p") as client:
        projects.create(client, samples=100, usd=100)
        client.next_batch(count=50, strategy="random")
        before = seen(client)
        with pytest.raises(StorageFull):  # far too much at once
            client.add_samples(**large_keys(0, 5_000))
        assert seen(client) == before
        for _ in range(20):
            work_once(client)
        assert not client.daemon_status()["read_only"]
        check(daemon)
        added = 0
        with pytest.raises(StorageFull):  # a little more, until there is no more room
            while added < 10_000:
                client.add_samples(**large_keys(added, 10))
                added += 10
        assert added > 100
        assert client.status()["samples"] == 100 + added
        check(daemon)
    assert daemon.terminate() == 0, "\n".join(daemon.log)
    daemon = start(f"--state-map-bytes={64 * MIB}")
    with daemon.client("p") as client:
        assert client.status()["samples"] == 100 + added
        for _ in range(20):
            work_once(client)
        client.add_samples(**large_keys(added, 1_000))
        assert client.status()["samples"] == 1_100 + added
    check(daemon)
    assert daemon.stop() == 0


def test_full_vectors_map(start):
    daemon = start(f"--vectors-map-bytes={2 * MIB}")
    with daemon.client("p") as client:
        projects.create(client, samples=1_000, usd=100)
        client.next_batch(count=50, strategy="margin")
        with pytest.raises(StorageFull):
            client.push(embeddings=projects.vectors(1_000, width=1_024))
        assert not client.daemon_status()["read_only"]
        assert client.status()["spaces"] == []
        for _ in range(20):
            work_once(client)
        client.push(embeddings=projects.vectors(1_000, width=8))  # which has room
        client.next_batch(count=10, strategy="kcenter")
        check(daemon)
    assert daemon.stop() == 0, "\n".join(daemon.log)


# --- writes that fail -------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)  # before any daemon starts
def _on_this_disk(disk: Disk) -> None:
    pass


@pytest.fixture
def client(own_daemon) -> Iterator[Client]:
    with own_daemon.client("p") as client:
        projects.create(client, samples=100, usd=100)
        client.next_batch(count=50, strategy="random")
        yield client


def restart(daemon: LocalDaemon, read_only: bool = True) -> None:
    assert daemon.terminate() == 0, "\n".join(daemon.log)
    assert any("msg=read_only" in line for line in daemon.log) == read_only
    daemon.start()
    check(daemon)


@pytest.mark.parametrize("call", ["pages", "sync"])
def test_failed_write_of_the_state(own_daemon, client, disk, call):
    (held,) = client.lease("w")
    before = seen(client)
    disk.fail(call, errno.EIO)
    with pytest.raises(ReadOnly):
        client.grant(1)
    disk.mend()
    refused = [
        lambda: client.grant(1),
        lambda: client.lease("v"),
        lambda: held.submit("cat"),
        lambda: client.add_samples(["new"]),
        lambda: client.next_batch(count=1, strategy="random"),
        lambda: client.push(probs=projects.probabilities(100), model_version=1),
    ]
    for request in refused:
        with pytest.raises(ReadOnly):
            request()
    assert client.daemon_status()["read_only"]
    assert seen(client) == before
    check(own_daemon)
    restart(own_daemon)
    assert not client.daemon_status()["read_only"]
    assert seen(client) == before
    client.grant(1)
    work_once(client)


@pytest.mark.parametrize("call", ["pages", "sync"])
def test_failed_write_of_the_vectors(own_daemon, client, disk, call):
    disk.fail(call, errno.EIO)
    with pytest.raises(ReadOnly):
        client.push(embeddings=projects.vectors(100))
    disk.mend()
    with pytest.raises(ReadOnly):
        client.push(embeddings=projects.vectors(100))
    with pytest.raises(ReadOnly):
        client.grant(1)
    assert client.daemon_status()["read_only"]
    assert client.status()["spaces"] == []
    assert client.status()["predicted"] == 100
    check(own_daemon)
    restart(own_daemon)
    client.push(embeddings=projects.vectors(100))
    assert client.status()["spaces"][0]["rows"] == 100


def test_failed_write_of_the_meta_page(own_daemon, client, disk):
    """After it LMDB gives no more snapshots either: every request gets an error, and a restart recovers."""
    before = seen(client)
    disk.fail("meta", errno.EIO)
    with pytest.raises(ReadOnly):
        client.grant(1)
    disk.mend()
    for request in (lambda: client.grant(1), lambda: client.lease("w"), client.budget):
        with pytest.raises(CuratedError):
            request()
    restart(own_daemon)
    assert seen(client) == before
    work_once(client)


@pytest.mark.parametrize("call", ["pages", "sync"])
def test_full_disk(own_daemon, client, disk, call):
    before = seen(client)
    disk.fail(call, errno.ENOSPC)
    with pytest.raises(StorageFull):
        client.grant(1)
    with pytest.raises(StorageFull):
        client.push(embeddings=projects.vectors(100))
    assert not client.daemon_status()["read_only"]
    assert seen(client) == before
    disk.mend()
    client.grant(1)
    client.push(embeddings=projects.vectors(100))
    work_once(client)
    assert projects.money_adds_up(client)["granted"] == 101_000_000
    check(own_daemon)
    restart(own_daemon, read_only=False)
    assert projects.money_adds_up(client)["granted"] == 101_000_000


def wait_for_end(client: Client, item: WorkItem) -> None:
    """Until the lease has run out, by the clock that the daemon goes by."""
    while time.time() * 1000 <= item.deadline_ms:
        client.daemon_status()


def test_leases_run_out_once_the_disk_has_room_again(own_daemon, client, disk):
    (item,) = client.lease("w", lease_s=1)
    disk.fail("pages", errno.ENOSPC)
    wait_for_end(client, item)
    with pytest.raises(StorageFull):
        client.grant(1)
    assert client.status()["states"]["leased"] == 1
    disk.mend()
    event = next(event for event in client.follow(since=0, timeout_s=30) if event["kind"] == "item.released")
    assert event["slot"] == item.slot and event["cause"] == "expired"
    restart(own_daemon, read_only=False)


def test_a_lease_that_could_not_be_given_back(own_daemon, client, disk):
    """Nobody asks for anything: the daemon finds by itself that it can't write."""
    (item,) = client.lease("w", lease_s=1)
    before = seen(client)
    disk.fail("sync", errno.EIO)
    wait_for_end(client, item)
    deadline = time.monotonic() + 30
    while not client.daemon_status()["read_only"]:
        assert time.monotonic() < deadline
    disk.mend()
    assert seen(client) == before
    restart(own_daemon)
    event = next(event for event in client.follow(since=0, timeout_s=30) if event["kind"] == "item.released")
    assert event["slot"] == item.slot and event["cause"] == "expired"
