"""Leases: one holder at a time, fenced, ending by themselves, answered once."""

from __future__ import annotations

import threading

import projects
import pytest
from curated import Client, Conflict, LeaseLost

SHORT_S = 0.15


def wait_for(client: Client, kind: str, since: int = 0) -> dict:
    """The next event of a kind."""
    return next(event for event in client.follow(since=since, timeout_s=30) if event["kind"] == kind)


@pytest.fixture
def batch(client):
    projects.create(client, samples=10, usd=10)
    return client.next_batch(count=4, strategy="random")


def test_order_and_numbers(client, batch):
    items = [client.lease("w")[0], *client.lease("v", count=9)]
    assert [item.key for item in items] == batch.keys
    numbers = [item.lease for item in items]
    assert numbers == sorted(set(numbers))
    assert client.lease("u") == []
    assert client.status()["leases"] == 4 and client.status()["waiting"] == 0


def test_only_one_worker_has_it(client, batch, daemon):
    seen: list[str] = []

    def greedy(worker: str) -> None:
        with daemon.client(client.session.project) as own:
            while items := own.lease(worker, count=1):
                seen.extend(item.key for item in items)

    client.next_batch(count=6, strategy="random")
    threads = [threading.Thread(target=greedy, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == len(set(seen)) == 10


def test_expired_lease_goes_to_the_next(client, batch):
    (item,) = client.lease("slow", lease_s=SHORT_S, batch=batch.batch)
    event = wait_for(client, "item.released")
    assert event["cause"] == "expired" and event["slot"] == item.slot
    with pytest.raises(LeaseLost):
        item.touch()
    (again,) = client.lease("quick")
    assert again.key == item.key and again.lease > item.lease
    with pytest.raises(LeaseLost):
        item.submit("cat")
    assert again.submit("dog")["settled"] is True
    with pytest.raises(LeaseLost):
        item.submit("cat")
    assert client.labels()[1].tolist() == ["dog"]
    projects.money_adds_up(client)


def test_late_answer_is_kept_unpaid(client, batch):
    (item,) = client.lease("slow", lease_s=SHORT_S)
    wait_for(client, "item.released")
    with pytest.raises(LeaseLost):
        item.submit("cat")
    (page,) = client.label_log()
    assert page.labels.tolist() == [0] and page.settled.tolist() == [0] and page.charged_microusd.tolist() == [0]
    assert page.workers == ["slow"]
    assert client.labels()[0] == [] and client.budget()["spent_usd"] == 0
    assert client.status()["states"]["reserved"] == 4


def test_touch_keeps_it(client, batch):
    (item,) = client.lease("w", lease_s=1)
    before = item.deadline_ms
    item.touch(60)
    assert item.deadline_ms > before + 30_000
    (other,) = client.lease("v", lease_s=1)
    assert wait_for(client, "item.released")["slot"] == other.slot, "the other's ended, the touched one did not"
    item.submit("cat")


def test_submit_again(client, batch, raw, project):
    (item,) = client.lease("w")
    answer = {"worker": "w", "slot": item.slot, "lease": item.lease}
    first = raw.call("SUBMIT", project, label="cat", **answer)
    again = raw.call("SUBMIT", project, label="cat", **answer)
    assert {**again, "id": 0} == {**first, "id": 0}
    assert raw.call("SUBMIT", project, label=0, **answer)["label_seq"] == first["label_seq"]
    assert raw.call("SUBMIT", project, label="dog", **answer)["error"]["code"] == "conflict"
    assert projects.money_adds_up(client)["spent"] == 100_000
    assert client.budget()["labels_received"] == 1


def test_lease_asked_again_gives_the_same(client, batch, raw, project):
    first = raw.call("LEASE", project, worker="w", count=2, id="same")
    again = raw.call("LEASE", project, worker="w", count=2, id="same")
    numbers = [lease["lease"] for lease in first["leases"]]
    assert [lease["lease"] for lease in again["leases"]] == numbers
    assert client.status()["leases"] == 2
    other = raw.call("LEASE", project, worker="v", count=1, id="same")
    assert other.get("error", {}).get("code") == "conflict" or other["leases"][0]["lease"] not in numbers


def test_release(client, batch):
    (item,) = client.lease("w")
    assert item.release()["state"] == "reserved"
    assert wait_for(client, "item.released")["cause"] == "released"
    (again,) = client.lease("w")
    assert again.key == item.key and again.lease > item.lease
    with pytest.raises(LeaseLost):
        item.submit("cat")


def test_skips_by_different_workers_reject(client):
    projects.create(client, samples=1, usd=1)
    client.next_batch(count=1)
    for worker, state in (("a", "reserved"), ("b", "reserved"), ("c", "rejected")):
        (item,) = client.lease(worker)
        assert item.skip("blurred")["state"] == state
        assert client.lease(worker) == [], "a worker is not given what it skipped"
    assert client.status()["states"]["rejected"] == 1
    event = wait_for(client, "item.rejected")
    assert event["slot"] == 0 and event["reason"] == "blurred"
    assert client.batch(1)["rejected"] == 1


def test_none_of_these_rejects_at_once(client, batch):
    (item,) = client.lease("w")
    reply = item.none_of_these()
    assert reply["state"] == "rejected" and reply["charged_microusd"] == 100_000
    assert client.samples([item.key])[0]["state"] == "rejected"
    assert wait_for(client, "item.rejected")["reason"] == "none_of_these"


def test_no_worker_answers_an_item_twice(client):
    projects.create(client, samples=1, usd=1, overlap=2)
    client.next_batch(count=1)
    client.lease("a")[0].submit("cat")
    assert client.lease("a") == []
    assert client.lease("b")[0].submit("cat")["settled"] is True


def test_canceled_batch_under_lease(client, batch):
    """What is held can still be answered; what is then not answered goes back to the pool."""
    answered, expired = client.lease("w", count=2, lease_s=60)
    assert client.cancel_batch(batch.batch) == 2
    expired.release()
    assert answered.submit("cat")["charged_microusd"] == 100_000
    states = client.status()["states"]
    assert states["labeled"] == 1 and states["pool"] == 9
    assert projects.money_adds_up(client)["reserved"] == 0


def test_work_waits_for_the_next_batch(client, batch, daemon):
    stop = threading.Event()
    keys: list[str] = []
    first_four = threading.Event()

    def worker() -> None:
        with daemon.client(client.session.project) as own:
            for item in own.work("w", prefetch=3, stop=stop):
                item.submit("cat")
                keys.append(item.key)
                if len(keys) == 4:
                    first_four.set()
                if len(keys) == 7:
                    stop.set()

    thread = threading.Thread(target=worker)
    thread.start()
    assert first_four.wait(30)
    client.next_batch(count=3)
    thread.join(30)
    assert not thread.is_alive() and len(set(keys)) == 7


def test_work_keeps_leases_alive_and_releases_the_rest(client, batch):
    work = client.work("w", lease_s=1, prefetch=2, idle_s=5)
    first = next(work)
    other = client.lease("v", lease_s=1)[0]
    # The lease that nobody touches ends later than an untouched one of the same length given before it.
    assert wait_for(client, "item.released")["slot"] == other.slot
    assert first.submit("cat")["settled"]
    second = next(work)
    work.close()
    assert client.status()["leases"] == 0 and client.status()["states"]["reserved"] == 3
    with pytest.raises(LeaseLost):
        second.submit("cat")


def test_work_ends_when_idle(client):
    projects.create(client, samples=2)
    assert list(client.work("w", idle_s=0.1)) == []


def test_conflict_of_an_own_answer(client, batch):
    (item,) = client.lease("w")
    item.submit("cat")
    with pytest.raises(Conflict):
        item.submit("dog")
