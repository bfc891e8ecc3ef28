"""A long selection can be watched and stopped, and what a request says of a strategy reaches it."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import projects
import pytest
from curated import BadRequest, Canceled, Client, LocalDaemon, NotFound

LONG = 30_000


@pytest.fixture
def slow(client: Client) -> Client:
    """A pool whose k-center takes many seconds."""
    keys = projects.create(client, samples=LONG, predicted=False, usd=1_000_000)
    vectors = np.random.default_rng(0).normal(size=(LONG, 64)).astype(np.float16)
    client.push(embeddings=vectors)
    assert len(keys) == LONG
    return client


def start(daemon: LocalDaemon, project: str, call: str, outcome: list[Any]) -> threading.Thread:
    def run() -> None:
        with daemon.client(project) as client:
            try:
                outcome.append(getattr(client, call)(count=LONG, strategy="kcenter"))
            except Canceled as error:
                outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_for_progress(client: Client) -> dict[str, Any]:
    """Return the planner's state once it has picked something."""
    for _ in range(3000):
        planner = dict(client.daemon_status()["planner"])
        if planner["task"] and planner["done"] > 0:
            return planner
        time.sleep(0.01)
    raise AssertionError("the planner did not get on")


@pytest.mark.parametrize("call", ["plan", "next_batch"])
def test_a_selection_is_watched_and_stopped(slow: Client, daemon: LocalDaemon, project: str, call: str) -> None:
    before = projects.state_of(slow)
    outcome: list[Any] = []
    thread = start(daemon, project, call, outcome)
    planner = wait_for_progress(slow)
    assert planner["op"] == {"plan": "PLAN", "next_batch": "BATCH.COMMIT"}[call]
    assert 0 < planner["done"] < 1
    assert slow.cancel_planning(planner["task"] + 1) is False, "another task's number stops nothing"
    assert slow.cancel_planning(planner["task"]) is True
    thread.join(60)
    assert isinstance(outcome[0], Canceled)
    assert projects.state_of(slow) == before, "nothing was done"
    assert len(slow.plan(count=2, strategy="kcenter")) == 2, "the next one is not stopped"


def test_there_is_nothing_to_stop(client: Client) -> None:
    for _ in range(100):
        client.verify()
        assert client.daemon_status()["planner"] == {"task": 0}, "what was answered is not under way"
    assert client.cancel_planning() is False


def test_a_maximum_share_is_kept(client: Client) -> None:
    projects.create(client, samples=40, minimum_shares=[{"class": "cat", "maximum": 0.25}])
    client.push(embeddings=projects.vectors(40))
    batch = client.plan(count=12, strategy="kcenter")
    assert len(batch) == 12
    assert sum(item.predicted == "cat" for item in batch) <= 3


@pytest.mark.parametrize("share", [{}, {"share": 0.5, "maximum": 0.4}, {"maximum": 2}])
def test_a_share_that_makes_no_sense_is_refused(client: Client, share: dict[str, float]) -> None:
    with pytest.raises(BadRequest):
        projects.create(client, samples=1, minimum_shares=[{"class": "cat", **share}])


def test_filters_are_asked_for_by_request(client: Client) -> None:
    projects.create(client, samples=40)
    vectors = np.repeat(projects.vectors(40)[::2], 2, axis=0)
    client.push(embeddings=vectors)
    twins = [item.slot // 2 for item in client.plan(count=40, strategy="margin")]
    assert len(twins) == 40
    single = [item.slot // 2 for item in client.plan(count=40, strategy="margin", keep_duplicates=False)]
    assert sorted(single) == list(range(20))


def test_parameters_reach_the_strategy_and_its_replay(client: Client) -> None:
    projects.create(client, samples=40, usd=100)
    client.push(embeddings=projects.vectors(40))
    wide = client.plan(count=10, strategy="coverage", parameters={"radius": 50.0})
    assert wide.stats["radius"] == pytest.approx(50)
    batch = client.next_batch(count=10, strategy="coverage", parameters={"radius": 50.0})
    assert batch.keys == wide.keys
    assert client.replay(batch.batch)["same"] is True


@pytest.mark.parametrize(
    ("parameters", "error"),
    [({"radius": -1.0}, BadRequest), ({"neighbors": 0}, BadRequest), ({"class_sought": "unicorn"}, NotFound), (3, BadRequest)],
)
def test_parameters_out_of_range_are_refused(client: Client, parameters: Any, error: type[Exception]) -> None:
    projects.create(client, samples=10)
    with pytest.raises(error):
        client.plan(count=1, parameters=parameters)
