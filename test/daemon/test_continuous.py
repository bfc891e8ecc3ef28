"""Continuous mode: the queue refills itself while there is money."""

from __future__ import annotations

import time

import projects


def wait_for(stream, kind):
    return next(event for event in stream if event["kind"] == kind)


def test_queue_refills(client):
    stream = client.follow(since=0, timeout_s=30)
    projects.create(client, samples=100, usd=10, replenish_depth=8, replenish_low=3)
    published = wait_for(stream, "batch.published")
    assert published["items"] == 8 and published["strategy"] == "auto"
    for _ in range(2):
        for item in client.lease("w", count=6):  # which leaves 2, fewer than 3
            item.submit("cat")
        wait_for(stream, "batch.published")
        while client.status()["waiting"] < 8:
            wait_for(stream, "batch.published")
    while client.status()["waiting"] < 3:
        wait_for(stream, "batch.published")
    projects.money_adds_up(client)
    stream.close()


def test_ends_with_the_money(client):
    stream = client.follow(since=0, timeout_s=30)
    projects.create(client, samples=100, usd=2, replenish_depth=8, replenish_strategy="random")
    labels = 0
    for event in stream:
        if event["kind"] == "batch.published":
            labels += len(projects.answer_all(client))
        if event["kind"] == "budget.exhausted":
            break
    labels += len(projects.answer_all(client))
    assert labels == 20 and projects.money_adds_up(client)["available"] == 0
    client.grant("0.4")
    wait_for(stream, "batch.published")
    assert len(projects.answer_all(client)) == 4
    stream.close()


def test_a_queue_of_one(client):
    stream = client.follow(since=0, timeout_s=30)
    projects.create(client, samples=10, usd=10, replenish_depth=1)
    for _ in range(3):
        assert wait_for(stream, "batch.published")["items"] == 1
        (item,) = client.lease("w")
        item.submit("cat")
    stream.close()


def test_why_nothing_is_published_is_logged(own_daemon):
    with own_daemon.client("p") as client:
        projects.create(client, samples=10, usd=10, replenish_depth=4, replenish_strategy="bald")
        end = time.monotonic() + 30
        while not (told := [line for line in own_daemon.log if "replenish_failed" in line]):
            assert time.monotonic() < end, list(own_daemon.log)
            time.sleep(0.02)
        assert "level=warning" in told[0] and "project=p code=conflict" in told[0] and "draws" in told[0]
        assert client.status()["batches"] == 0


def test_switched_on_and_off(client):
    projects.create(client, samples=50)
    stream = client.follow(since=client.status()["event_seq"], timeout_s=30)
    client.set_project(replenish_depth=5)
    wait_for(stream, "batch.published")
    client.set_project(replenish_depth=0)
    batches = client.status()["batches"]
    projects.answer_all(client)
    assert client.plan(count=1).items and client.status()["batches"] == batches
    stream.close()
