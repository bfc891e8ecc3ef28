"""What one of the daemon's threads does while another is in the middle of something. A slow disk holds the one up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import projects
import pytest
import zmq
from curated import Client, LocalDaemon
from disk import Disk
from raw import Raw, array, head
from verify import check

SYNC_MS = 300
SOON_S = SYNC_MS / 3000


@pytest.fixture(autouse=True)  # before any daemon starts
def _on_this_disk(disk: Disk) -> None:
    pass


@pytest.fixture
def daemon(own_daemon: LocalDaemon) -> LocalDaemon:
    return own_daemon


@pytest.fixture
def project() -> str:
    return "p"


def send(raw: Raw, op: str, **fields: Any) -> None:
    raw.send(msgpack.packb(head(op, "p", **fields)))


def published(client: Client, timeout_s: float = 20) -> dict[str, Any]:
    """The first batch, which is waited for."""
    for event in client.follow(since=0, timeout_s=timeout_s):
        if event["kind"] == "batch.published":
            return event
    raise AssertionError("no batch was published")


# --- stopping ---------------------------------------------------------------------------------------------------------


def stop_while(daemon: LocalDaemon, disk: Disk, begin: Callable[[], None]) -> None:
    disk.slow_down(SYNC_MS)
    begin()
    time.sleep(SOON_S)
    assert daemon.terminate() == 0, "\n".join(daemon.log)
    disk.mend()
    daemon.start()
    check(daemon)


def test_stops_while_a_push_activates_its_version(client, own_daemon, disk, raw):
    """The columns thread is gone when the engine has an old version's columns to be deleted."""
    projects.create(client)
    client.push(probs=projects.probabilities(20), model_version=2)
    probs = array(projects.probabilities(20), "<f4")
    stop_while(own_daemon, disk, lambda: send(raw, "PRED.PUT", model_version=3, activate=True, from_=0, probs=probs))
    assert client.status()["model_version"] == 3
    assert client.verify("p")["checked"]["rows"] == 40


def test_stops_while_the_queue_runs_low(client, own_daemon, disk, raw):
    """The planner is gone when the engine wants a batch in continuous mode."""
    projects.create(client, samples=100, replenish_depth=8, replenish_strategy="random")
    published(client)
    stop_while(own_daemon, disk, lambda: send(raw, "LEASE", worker="w", count=8))
    assert client.status()["leases"] == 8


def listener(daemon: LocalDaemon) -> zmq.Socket[bytes]:
    """A DEALER that takes in whatever comes."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    socket.set_hwm(0)
    socket.connect(daemon.requests)
    return socket


@pytest.mark.parametrize("stop", [False, True])
def test_many_replies_at_once(client, own_daemon, disk, stop):
    """None is lost: neither to a peer that has asked much, nor when the daemon stops."""
    many = 3_000
    projects.create(client, samples=1)
    socket = listener(own_daemon)
    disk.slow_down(SYNC_MS)
    socket.send(msgpack.packb(head("BUDGET.GRANT", "p", amount_microusd=1)))
    time.sleep(SOON_S)
    for _ in range(many):
        socket.send(msgpack.packb(head("BUDGET.GRANT", "p", amount_microusd=1)))
    time.sleep(SYNC_MS / 1000)
    if stop:
        assert own_daemon.terminate() == 0, "\n".join(own_daemon.log)
    answered = 0
    while answered <= many and socket.poll(3_000):
        answered += msgpack.unpackb(socket.recv())["ok"]
    socket.close(linger=0)
    assert answered == many + 1


# --- a plan and the state it meets ------------------------------------------------------------------------------------


def two_at_once(daemon: LocalDaemon, disk: Disk, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """The second request comes while the first one's effect is being written."""
    sockets = [Raw(daemon.requests) for _ in requests]
    disk.slow_down(SYNC_MS)
    for socket, fields in zip(sockets, requests, strict=True):
        send(socket, **fields)
        time.sleep(SOON_S)
    replies = [socket.receive() for socket in sockets]
    disk.mend()
    for socket in sockets:
        socket.close()
    return replies


def test_batches_at_the_same_time_are_both_whole(client, own_daemon, disk):
    """The second is selected from what the first has left."""
    projects.create(client, samples=400, usd=100)
    commit = {"op": "BATCH.COMMIT", "count": 150, "strategy": "margin"}
    replies = two_at_once(own_daemon, disk, commit, commit)
    assert [reply["items"] for reply in replies] == [150, 150]
    assert client.replay(2)["same"] is True


@pytest.mark.parametrize("field", ["only", "include"])
def test_what_is_asked_for_by_name_is_had_or_refused(client, own_daemon, disk, field):
    projects.create(client, usd=100)
    how = {} if field == "only" else {"count": 6, "strategy": "margin"}
    commit = {"op": "BATCH.COMMIT", field: {"slots": [2, 3, 4]}, **how}
    imported, batch = two_at_once(own_daemon, disk, {"op": "LABEL.IMPORT", "slots": [2], "labels": ["cat"]}, commit)
    assert imported["ok"]
    if batch["ok"]:
        replay = client.replay(1) if field == "include" else None
        pytest.fail(f"a batch without one of the samples asked for; its replay: {replay}")
    assert batch["error"]["code"] == "conflict" and batch["error"]["field"] == field
    assert client.status()["batches"] == 0


def test_replay_after_classes_were_added(client):
    projects.create(client)
    client.evaluate(1, per_class={"cat": 0.5})
    client.next_batch(count=5, strategy="margin")
    client.set_project(classes=[*projects.CLASSES, *(f"c{number}" for number in range(10_000))])
    assert client.replay(1)["same"] is True


# --- continuous mode --------------------------------------------------------------------------------------------------

LONG = 12_000


def planner_is_idle(client: Client) -> bool:
    return client.daemon_status()["planner"]["task"] == 0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def slow(client: Client) -> Client:
    """A project in continuous mode whose next batch is being selected, which takes a while."""
    projects.create(client, samples=LONG, predicted=False, usd=1_000_000)
    client.push(embeddings=np.random.default_rng(0).normal(size=(LONG, 64)).astype(np.float16))
    client.set_project(replenish_strategy="kcenter", replenish_depth=LONG)
    wait_until(lambda: client.daemon_status()["planner"].get("done", 0) > 0)
    return client


def test_a_batch_given_up_while_draining_is_made_afterwards(slow):
    slow.drain(True)
    wait_until(lambda: planner_is_idle(slow))
    slow.begin_model(1)  # the engine has had the plan
    with pytest.raises(AssertionError):
        published(slow, timeout_s=0.2)
    slow.drain(False)
    assert published(slow)["items"] == LONG


def test_nothing_is_bought_once_it_is_switched_off(slow):
    slow.set_project(replenish_depth=0)
    wait_until(lambda: planner_is_idle(slow))
    slow.grant(1)
    assert slow.status()["batches"] == 0


def test_begins_when_what_it_needs_is_there(client):
    projects.create(client, predicted=False, replenish_depth=4, replenish_strategy="kcenter")
    assert client.status()["batches"] == 0
    client.push(embeddings=projects.vectors(20))
    assert published(client)["strategy"] == "kcenter"


def test_begins_when_settings_allow_it(client):
    projects.create(client, predicted=False, replenish_depth=4, replenish_strategy="kcenter")
    wait_until(lambda: planner_is_idle(client))
    assert client.status()["batches"] == 0
    client.set_project(replenish_strategy="random")
    assert published(client)["strategy"] == "random"


# --- snapshots --------------------------------------------------------------------------------------------------------


class Ingest:
    """Two projects that are written to without a pause: new model versions in one, new samples in the other."""

    def __init__(self, daemon: LocalDaemon) -> None:
        self.daemon = daemon
        self.stop = threading.Event()
        self.failures: list[BaseException] = []
        self.threads = [threading.Thread(target=self._run, args=(step,)) for step in (self._models, self._samples)]
        for thread in self.threads:
            thread.start()

    def _run(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as failure:
            self.failures.append(failure)

    def _models(self) -> None:
        with self.daemon.client("models") as client:
            projects.create(client, samples=300, keep_models=1)
            version = 1
            while not self.stop.is_set():
                version += 1
                client.push(probs=projects.probabilities(300), model_version=version)

    def _samples(self) -> None:
        with self.daemon.client("samples") as client:
            projects.create(client, samples=1)
            count = 1
            while not self.stop.is_set():
                keys = [f"more{number}" for number in range(count, count + 20)]
                client.add_samples(keys)
                client.push(keys=keys, embeddings=projects.vectors(20))
                count += 20

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.failures


def test_a_snapshot_is_of_one_moment(client, own_daemon, program):
    for part in range(10):
        numbers = range(part * 5_000, part * 5_000 + 5_000)
        if part == 0:
            client.create_project(classes=["a"], price_usd=1)
        client.add_samples([f"k{number}" for number in numbers], uris=[f"file:///{number:0>200}" for number in numbers])
    ingest = Ingest(own_daemon)
    wait_until(lambda: client.projects() == ["models", "p", "samples"])
    time.sleep(0.5)
    paths = [client.snapshot(f"number{number}") for number in range(6)]
    ingest.end()
    for path in paths:
        with LocalDaemon(program, path) as copy:
            with copy.client("models") as models:
                assert models.status()["predicted"] == 300, "the predictions of the active version"
            with copy.client("samples") as samples:
                status = samples.status()
                assert all(space["rows"] <= status["samples"] for space in status["spaces"]), "rows of samples unknown"
            check(copy)


def test_a_snapshot_that_was_broken_off(client, own_daemon, disk):
    """Asked for again, it is made; meanwhile nothing looks like one."""
    projects.create(client, samples=20_000)
    client.push(embeddings=projects.vectors(20_000, width=1_000))
    paths: list[str] = []
    folder = own_daemon.store / "snapshots"

    def take() -> None:
        with own_daemon.client() as other:
            paths.append(other.snapshot("monday"))

    disk.slow_down(SYNC_MS)
    thread = threading.Thread(target=take)
    thread.start()
    wait_until(lambda: folder.exists() and any(folder.iterdir()))
    own_daemon.kill()
    disk.mend()
    assert not (folder / "monday").exists()
    own_daemon.start()
    thread.join(60)
    assert paths == [str(folder / "monday")]
    assert [entry.name for entry in folder.iterdir()] == ["monday"]


# --- the configuration ------------------------------------------------------------------------------------------------


def test_configuration_is_read_again_while_it_is_asked_for(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "curated.conf"
    levels = ["info", "warning", "error"]

    def write(level: str) -> None:
        new = path.with_suffix(".new")
        new.write_text(f'log_level = "{level}";\n')
        new.rename(path)

    write("info")
    daemon = LocalDaemon(program, tmp_path / "store", options=(f"--config={path}",)).start()
    raw = Raw(daemon.requests)
    for number in range(100):
        for _ in range(20):
            raw.send(msgpack.packb(head("CONFIG")))
        write(levels[number % 3])
        os.kill(daemon.pid, signal.SIGHUP)
        assert all(raw.receive()["config"]["log_level"] in levels for _ in range(20))
    wait_until(lambda: raw.call("CONFIG")["config"]["log_level"] == levels[99 % 3])
    raw.close()
    assert daemon.stop() == 0
