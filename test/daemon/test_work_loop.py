"""The worker's loop: no lease is lost or forgotten, and nobody works for nothing."""

from __future__ import annotations

import threading
import time
from typing import Any

import projects
import pytest
from curated import Client, WorkItem, working


def test_an_item_lost_while_it_waited_is_not_given_out(client: Client, daemon: Any, project: str) -> None:
    """It is somebody else's now: whoever answers it works for nothing."""
    projects.create(client, samples=3)
    client.next_batch(count=3)
    with daemon.client(project) as other:
        work = client.work("w", lease_s=0.4, prefetch=2, limit=2)
        first = next(work)
        lost = first.lease + 1
        other.session.call("RELEASE", worker="w", slot=other_slot(other, first.slot), lease=lost)
        (taken,) = other.lease("v", lease_s=60)
        time.sleep(1)  # the second's lease would have ended
        first.submit("cat")
        second = next(work)
        assert second.slot != taken.slot and second.submit("cat")["settled"]
        work.close()


def other_slot(client: Client, slot: int) -> int:
    """The slot of the other item under lease."""
    (other,) = (item.slot for item in client.batch_items(1) if item.state == "leased" and item.slot != slot)
    return other


def test_leases_are_kept_by_a_worker_whose_clock_is_slow(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    projects.create(client, samples=1, lease_ms=600)
    client.next_batch(count=1)
    real = time.time
    monkeypatch.setattr(working.time, "time", lambda: real() - 3600)
    for item in client.work("w", limit=1):
        time.sleep(1.8)
        assert item.submit("cat")["settled"]


def test_a_worker_stops_while_the_daemon_drains(own_daemon: Any, project: str) -> None:
    with own_daemon.client(project) as client, own_daemon.client(project) as operator:
        projects.create(operator, samples=2)
        operator.next_batch(count=2)
        operator.drain(True)
        stop = threading.Event()
        worker = threading.Thread(target=lambda: list(client.work("w", stop=stop)), daemon=True)
        worker.start()
        time.sleep(1)
        stop.set()
        worker.join(15)  # a call's time-out is 60 s
        assert not worker.is_alive()
        operator.drain(False)


def test_a_worker_outlives_a_drain(own_daemon: Any, project: str) -> None:
    """Draining is answered `busy`, which went through to the worker when it took longer than a call may."""
    with own_daemon.client(project, timeout=1) as client, own_daemon.client(project) as operator:
        projects.create(operator, samples=2)
        operator.next_batch(count=2)
        operator.drain(True)
        threading.Timer(3, lambda: Client(own_daemon.requests).drain(False)).start()
        for item in client.work("w", limit=2):
            item.submit("cat")
        assert operator.status()["states"]["labeled"] == 2


def test_leaving_does_not_wait_for_each_item(own_daemon: Any, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the daemon gone, each release waited for its time-out: a minute for each item held."""
    asked = []
    release = WorkItem.release
    monkeypatch.setattr(WorkItem, "release", lambda item: (asked.append(item.slot), release(item)))
    with own_daemon.client(project, timeout=1) as client:
        projects.create(client)
        client.next_batch(count=5)
        work = client.work("w", prefetch=5)
        next(work)
        own_daemon.kill()
        work.close()
    assert len(asked) == 1


def test_whatever_ends_the_loop_releases_all(client: Client) -> None:
    projects.create(client)
    client.next_batch(count=5)
    with pytest.raises(KeyboardInterrupt):
        for _ in client.work("w", prefetch=5):
            raise KeyboardInterrupt
    assert client.status()["leases"] == 0 and client.status()["states"]["reserved"] == 5


def test_no_item_is_none(client: Client) -> None:
    projects.create(client)
    client.next_batch(count=5)
    assert list(client.work("w", limit=0)) == []
