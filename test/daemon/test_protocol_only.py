"""A stranger's client: the round of section 4 of docs/protocol.md, from that page, pyzmq and msgpack alone."""

from __future__ import annotations

import itertools
import struct

import msgpack
import pytest
import zmq

ids = itertools.count(1)


class Stranger:
    """REQ for requests and SUB for events; nothing of the client package."""

    def __init__(self, requests: str, events: str, project: str) -> None:
        context = zmq.Context.instance()
        self.project = project
        self.requests = context.socket(zmq.REQ)
        self.requests.connect(requests)
        self.events = context.socket(zmq.SUB)
        self.events.connect(events)

    def ask(self, op: str, frames: tuple[bytes, ...] = (), **fields: object) -> dict:
        request = {"v": 1, "id": str(next(ids)), "op": op, "project": self.project, **fields}
        self.requests.send_multipart([msgpack.packb(request), *frames])
        assert self.requests.poll(30_000), f"no answer to {op}"
        reply = msgpack.unpackb(self.requests.recv())
        assert reply["v"] == 1 and reply["id"] == request["id"]
        return reply

    def subscribe(self) -> None:
        self.events.subscribe(f"{self.project}/")

    def event(self) -> tuple[str, dict]:
        assert self.events.poll(30_000), "no event"
        topic, payload = self.events.recv_multipart()
        return topic.decode(), msgpack.unpackb(payload)

    def close(self) -> None:
        self.requests.close(linger=0)
        self.events.close(linger=0)


@pytest.fixture
def stranger(daemon, project):
    stranger = Stranger(daemon.requests, daemon.events, project)
    yield stranger
    stranger.close()


def test_whole_round(stranger, project):
    reply = stranger.ask("PROJECT.CREATE", classes=["cat", "dog"], price_microusd=80_000, seed=7)
    assert reply["ok"] is True and reply["created"] is True
    stranger.subscribe()
    topic, hello = stranger.event()
    assert topic == f"{project}/"
    assert hello["kind"] == "hello" and hello["project"] == project and hello["seq"] == 0
    assert not any(hello["last"].values())

    reply = stranger.ask("BUDGET.GRANT", amount_microusd=200_000_000)
    assert reply["granted_microusd"] == reply["available_microusd"] == 200_000_000
    reply = stranger.ask("SAMPLE.PUT", keys=["a.jpg", "b.jpg"])
    assert reply["created"] == 2
    assert reply["slots"] == {"dtype": "<u4", "shape": [2], "data": struct.pack("<2I", 0, 1)}

    probabilities = {"dtype": "<f4", "shape": [2, 2], "frame": 1}
    frames = (struct.pack("<4f", 0.9, 0.1, 0.55, 0.45),)
    reply = stranger.ask("PRED.PUT", frames, model_version=1, activate=True, probs=probabilities, **{"from": 0})
    assert reply["rows"] == 2 and reply["active"] is True

    reply = stranger.ask("BATCH.COMMIT", budget_microusd=80_000, strategy="margin")
    assert reply["ok"], reply
    assert (reply["batch"], reply["items"], reply["cost_microusd"]) == (1, 1, 80_000)
    assert reply["available_microusd"] == 199_920_000

    reply = stranger.ask("LEASE", worker="w1")
    assert reply["waiting"] == 0
    (lease,) = reply["leases"]
    assert (lease["slot"], lease["key"], lease["batch"], lease["price_microusd"]) == (1, "b.jpg", 1, 80_000)

    answer = {"worker": "w1", "slot": 1, "lease": lease["lease"], "label": "dog"}
    reply = stranger.ask("SUBMIT", **answer)
    assert (reply["label_seq"], reply["charged_microusd"], reply["settled"]) == (1, 80_000, True)

    reply = stranger.ask("LABELS.SINCE", since=0)
    assert reply["keys"] == ["b.jpg"] and reply["workers"] == ["w1"] and reply["more"] is False
    assert reply["labels"] == {"dtype": "<i4", "shape": [1], "data": struct.pack("<i", 1)}
    assert reply["slots"]["data"] == struct.pack("<I", 1) and reply["settled"]["data"] == b"\x01"

    kinds = []
    while kinds[-1:] != ["batch.done"]:
        topic, event = stranger.event()
        assert topic == f"{project}/{event['kind']}" and event["project"] == project
        assert event["seq"] == len(kinds) + 1
        kinds.append(event["kind"])
    assert kinds == ["budget.granted", "model.activated", "batch.published", "label.accepted", "batch.done"]

    budget = stranger.ask("BUDGET.GET")
    assert budget["spent_microusd"] == 80_000 and budget["reserved_microusd"] == 0


def test_refusal_says_what_is_wrong(stranger):
    reply = stranger.ask("BUDGET.GRANT", amount_microusd="much")
    assert reply["ok"] is False
    assert set(reply["error"]) >= {"code", "message", "field", "expected", "got"}
    reply = stranger.ask("STATUS")
    assert reply["error"]["code"] == "not_found"


def test_dealer_with_and_without_empty_frame(daemon):
    dealer = zmq.Context.instance().socket(zmq.DEALER)
    dealer.connect(daemon.requests)
    request = msgpack.packb({"v": 1, "id": b"binary-id", "op": "STATUS"})
    dealer.send_multipart([b"", request])
    assert dealer.poll(30_000)
    empty, payload = dealer.recv_multipart()
    assert empty == b"" and msgpack.unpackb(payload)["id"] == b"binary-id"
    dealer.send(request)
    assert dealer.poll(30_000)
    (payload,) = dealer.recv_multipart()
    assert msgpack.unpackb(payload)["ok"] is True
    dealer.close(linger=0)


def test_many_under_way_are_matched_by_id(daemon):
    dealer = zmq.Context.instance().socket(zmq.DEALER)
    dealer.connect(daemon.requests)
    sent = {f"many-{number}" for number in range(200)}
    for id in sent:
        dealer.send(msgpack.packb({"v": 1, "id": id, "op": "STATUS"}))
    received = set()
    while len(received) < len(sent):
        assert dealer.poll(30_000)
        received.add(msgpack.unpackb(dealer.recv_multipart()[-1])["id"])
    assert received == sent
    dealer.close(linger=0)
