"""Model versions dropped or overtaken while pushes are on their way: what was acknowledged stays, what was refused goes."""

from __future__ import annotations

import time
from typing import Any

import msgpack
import projects
import pytest
from curated import Client, Conflict, NotFound, StaleModel
from raw import Raw, array, head
from verify import wait_for_rows

SAMPLES, WIDTH = 40, 8192


@pytest.fixture
def samples(client: Client) -> list[str]:
    return projects.create(client, samples=SAMPLES)


def prediction(project: str, version: int) -> dict[str, Any]:
    probs = array(projects.probabilities(SAMPLES), "<f4")
    return head("PRED.PUT", project, from_=0, model_version=version, activate=True, probs=probs)


def test_a_number_is_spent(client: Client, project: str, samples: list[str], raw: Raw) -> None:
    client.begin_model(2)
    client.push(probs=projects.probabilities(SAMPLES), model_version=3, activate=False)
    client.drop_model(3)
    for call in (client.begin_model, lambda version: client.push(utility=[0.0] * SAMPLES, model_version=version)):
        with pytest.raises(Conflict, match="a version that was not dropped"):
            call(3)
    for call in (client.activate_model, client.drop_model):
        with pytest.raises(NotFound):
            call(3)
    assert raw.exchange(msgpack.packb(prediction(project, 3)))["error"]["code"] == "conflict"
    assert client.status()["model_version"] == 1
    client.push(probs=projects.probabilities(SAMPLES), model_version=2)
    client.push(probs=projects.probabilities(SAMPLES), model_version=4)
    with pytest.raises(StaleModel):
        client.begin_model(3)


def test_a_number_is_spent_after_a_restart(own_daemon) -> None:
    with own_daemon.client("p") as client:
        projects.create(client, samples=SAMPLES)
        client.push(probs=projects.probabilities(SAMPLES), model_version=2, activate=False)
        client.drop_model(2)
        assert own_daemon.terminate() == 0
        own_daemon.start()
    with own_daemon.client("p") as client:
        with pytest.raises(Conflict):
            client.begin_model(2)
        assert client.verify("p")["checked"]["rows"] == SAMPLES, "the rows of version 1"


def test_a_push_that_a_newer_version_overtakes(client: Client, project: str, samples: list[str], raw: Raw) -> None:
    """Its rows are on disk before it is refused; they must not stay there."""
    for version in range(3, 43, 2):
        pushes = [prediction(project, version), prediction(project, version - 1)]
        for push in pushes:
            raw.send(msgpack.packb(push))
        replies = {reply["id"]: reply for reply in (raw.receive(), raw.receive())}
        assert replies[pushes[0]["id"]]["ok"]
        assert replies[pushes[1]["id"]]["error"]["code"] == "stale_model"
    wait_for_rows(client, 2 * SAMPLES)


@pytest.mark.parametrize("waiting", [0, 1, 4, 18, 24])
def test_a_push_on_its_way_while_its_version_is_dropped(
    client: Client, project: str, samples: list[str], raw: Raw, waiting: int
) -> None:
    """Other pushes wait to be written. Either the drop comes first, or the push that makes the version the active one."""
    vectors = array(projects.vectors(SAMPLES, WIDTH), "<f4")
    others = [msgpack.packb(head("EMB.PUT", project, from_=0, space="other", embeddings=vectors)) for _ in range(waiting)]
    active = 1
    for version in range(2, 22):
        client.begin_model(version)
        push = prediction(project, version)
        for request in (*others, msgpack.packb(push)):
            raw.send(request)
        time.sleep((version - 2) * 5e-5)  # now the one comes first, now the other
        try:
            client.drop_model(version)
            expected = "conflict"
        except Conflict:
            expected, active = None, version
        replies = [raw.receive() for _ in range(waiting + 1)]
        errors = {reply["id"]: reply["error"]["code"] for reply in replies if not reply["ok"]}
        assert errors == ({push["id"]: expected} if expected else {})
        status = client.status()
        assert (status["model_version"], status["predicted"]) == (active, SAMPLES)
