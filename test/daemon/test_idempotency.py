"""The same id and the same bytes: the same reply, one effect. The same id with other bytes: a conflict."""

from __future__ import annotations

import msgpack
import numpy as np
import projects
import pytest
from raw import Raw, array, head


def twice(raw, request, *frames):
    payload = msgpack.packb(request)
    return raw.exchange(payload, *frames), raw.exchange(payload, *frames)


def test_grant(client, raw, project):
    client.create_project(classes=["a"], price_usd=1)
    request = head("BUDGET.GRANT", project, amount_microusd=5_000_000)
    first, again = twice(raw, request)
    assert first["ok"] and first == again
    assert client.budget()["granted_usd"] == 5
    request["amount_microusd"] = 6_000_000
    assert raw.exchange(msgpack.packb(request))["error"]["code"] == "conflict"
    assert client.budget()["granted_usd"] == 5


def test_grant_with_an_id_of_ones_own(client):
    client.create_project(classes=["a"], price_usd=1)
    client.grant(5, request_id="november")
    client.grant(5, request_id="november")
    assert client.budget()["granted_usd"] == 5


def test_commit(client, raw, project):
    projects.create(client)
    request = head("BATCH.COMMIT", project, count=3, strategy="random")
    first, again = twice(raw, request)
    assert first["ok"] and first == again
    assert client.status()["batches"] == 1
    request["count"] = 4
    assert raw.exchange(msgpack.packb(request))["error"]["code"] == "conflict"
    assert client.status()["batches"] == 1
    assert client.next_batch(count=3, strategy="random", request_id="mine").batch == 2
    assert client.next_batch(count=3, strategy="random", request_id="mine").batch == 2


def test_commit_of_other_samples_in_its_frame(client, raw, project):
    projects.create(client)
    request = head("BATCH.COMMIT", project, only={"slots": {"dtype": "<u4", "shape": [2], "frame": 1}})
    first, again = twice(raw, request, np.array([4, 2], "<u4").tobytes())
    assert first["ok"] and first == again
    other = raw.exchange(msgpack.packb(request), np.array([5, 3], "<u4").tobytes())
    assert other["error"]["code"] == "conflict" and other["error"]["field"] == "id"
    assert client.status()["batches"] == 1


def test_lease_while_draining(own_daemon):
    raw = Raw(own_daemon.requests)
    with own_daemon.client("p") as client:
        projects.create(client)
        client.next_batch(count=3, strategy="random")
        payload = msgpack.packb(head("LEASE", "p", worker="w", count=2))
        first = raw.exchange(payload)
        client.drain()
        again = raw.exchange(payload)
        assert sorted(again["leases"], key=lambda lease: lease["lease"]) == first["leases"]
        assert raw.call("LEASE", "p", worker="w")["error"]["code"] == "busy"
    raw.close()


def test_other_settings_are_named(client, raw, project):
    settings = {"classes": ["a"], "price_microusd": 5, "overlap": 2, "excluded_tags": ["night"]}
    assert raw.call("PROJECT.CREATE", project, **settings)["created"] is True
    assert raw.call("PROJECT.CREATE", project, **settings)["created"] is False
    for field, value in [
        ("price_microusd", 6), ("overlap", 1), ("excluded_tags", []), ("seed", 1), ("lease_ms", 5000), ("space", "e"),
        ("type_prices_microusd", {"box": 1}), ("minimum_shares", [{"class": "a", "share": 0.5}]), ("keep_junk", True),
    ]:  # fmt: skip
        error = raw.call("PROJECT.CREATE", project, **{**settings, field: value})["error"]
        assert (error["code"], error["field"], error["got"]) == ("conflict", field, "another value")
    del settings["overlap"]
    error = raw.call("PROJECT.CREATE", project, **settings)["error"]
    assert (error["code"], error["field"], error["got"]) == ("conflict", "overlap", "its default, as the field is missing")


def test_commit_sent_again_while_it_is_under_way(client, daemon, project):
    """Two sockets ask with the same id at the same time, as a client does whose connection broke."""
    projects.create(client, samples=2_000, usd=1_000)
    client.push(embeddings=projects.vectors(2_000, width=64))
    payload = msgpack.packb(head("BATCH.COMMIT", project, count=200))
    sockets = [Raw(daemon.requests) for _ in range(4)]
    for socket in sockets:
        socket.send(payload)
    replies = [socket.receive() for socket in sockets]
    for socket in sockets:
        socket.close()
    answered = [reply for reply in replies if reply["ok"]]
    assert answered and all(reply == answered[0] for reply in answered)
    assert all(reply["error"]["code"] == "busy" for reply in replies if not reply["ok"])
    assert client.status()["batches"] == 1


def test_refused_request_may_be_sent_again_later(client, raw, project):
    projects.create(client, usd=None)
    request = head("BATCH.COMMIT", project, count=3, strategy="random")
    assert raw.exchange(msgpack.packb(request))["error"]["code"] == "budget_exhausted"
    client.grant(1)
    assert raw.exchange(msgpack.packb(request))["ok"] is True


def test_kept_replies_outlive_the_daemon(own_daemon):
    with own_daemon.client("p") as client:
        projects.create(client, usd=None)
        client.grant(5, request_id="first")
        batch = client.next_batch(count=3, strategy="random", request_id="second")
        own_daemon.kill()
        own_daemon.start()
        client.grant(5, request_id="first")
        assert client.next_batch(count=3, strategy="random", request_id="second").keys == batch.keys
        assert client.budget()["granted_usd"] == 5 and client.status()["batches"] == 1


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("PROJECT.SET", {"overlap": 2}),
        ("SAMPLE.PUT", {"keys": ["k0", "new"], "groups": ["g", "g"]}),
        ("SAMPLE.DROP", {"keys": ["k5"]}),
        ("EMB.PUT", {"space": "e", "from_": 0, "embeddings": array(projects.vectors(6), "<f4")}),
        ("MODEL.BEGIN", {"model_version": 2}),
        ("PRED.PUT", {"model_version": 2, "activate": True, "from_": 0, "probs": array(projects.probabilities(6), "<f4")}),
        ("MODEL.ACTIVATE", {"model_version": 1}),
        ("LABEL.IMPORT", {"keys": ["k1"], "labels": ["cat"]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_rest_by_its_nature(client, raw, project, op, fields):
    projects.create(client, samples=6)
    request = head(op, project, **fields)
    first, again = twice(raw, request)
    assert first["ok"] and again["ok"], (first, again)
    state = projects.state_of(client)
    state["status"].pop("event_seq")
    raw.exchange(msgpack.packb(request))
    after = projects.state_of(client)
    after["status"].pop("event_seq")
    assert after == state


def test_a_model_is_dropped_once(client, raw, project):
    projects.create(client, samples=6)
    client.begin_model(2)
    first, again = twice(raw, head("MODEL.DROP", project, model_version=2))
    assert first["ok"] and first == again
    assert raw.call("MODEL.DROP", project, model_version=2)["error"]["code"] == "not_found"


def test_evaluation_replaces(client):
    projects.create(client, samples=6)
    client.evaluate(1, metrics={"accuracy": 0.5}, per_class={"cat": 0.1, "dog": {"recall": 0.9}}, trained_on=3)
    client.evaluate(1, metrics={"accuracy": 0.6}, per_slice={"night": 0.2}, correct=[True, False, True], trained_on=4)
    assert client.status()["evaluation"]["metrics"]["accuracy"] == pytest.approx(0.6)
    budget = client.budget()
    assert budget["labels_effective"] == 4 and len(budget["rounds"]) == 1
