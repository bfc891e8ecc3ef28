"""Events: committed before they are sent, in order, greeted, and replayed where they were missed."""

from __future__ import annotations

import msgpack
import projects
import zmq


def subscribe(daemon, topic: str) -> zmq.Socket:
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.linger = 0
    socket.subscribe(topic)
    socket.connect(daemon.events)
    return socket


def receive(socket: zmq.Socket) -> tuple[str, dict]:
    assert socket.poll(30_000), "no event"
    topic, payload = socket.recv_multipart()
    return topic.decode(), msgpack.unpackb(payload)


def round_of(client) -> None:
    client.next_batch(count=3, strategy="random")
    projects.answer_all(client)


def test_log_is_complete_and_in_order(client):
    projects.create(client)
    round_of(client)
    round_of(client)
    events = list(client.events())
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["kind"] for event in events]
    assert kinds == ["budget.granted", "model.activated", *(["batch.published"] + ["label.accepted"] * 3 + ["batch.done"]) * 2]
    newest: dict[str, int] = {}
    for event in events:
        assert event["prev"] == newest.get(event["kind"], 0), event
        newest[event["kind"]] = event["seq"]
    assert client.status()["event_seq"] == len(events)
    assert [event["seq"] for event in client.events(since=len(events) - 2)] == [len(events) - 1, len(events)]


def test_published_is_what_is_logged(client, daemon, project):
    projects.create(client)
    before = client.status()["event_seq"]
    socket = subscribe(daemon, f"{project}/")
    assert receive(socket)[1]["kind"] == "hello"
    round_of(client)
    for expected in client.events(since=before):
        topic, event = receive(socket)
        assert topic == f"{project}/{event['kind']}"
        assert event == {name: value for name, value in expected.items() if not name.endswith("_usd")}
    socket.close()


def test_published_after_commit(client, daemon, project):
    """Whoever hears of a label can read it."""
    projects.create(client)
    socket = subscribe(daemon, f"{project}/label.accepted")
    assert receive(socket)[1]["kind"] == "hello"
    client.next_batch(count=5)
    items = client.lease("w", count=5)
    for number, item in enumerate(items, start=1):
        item.submit("cat")
        _, event = receive(socket)
        assert event["slot"] == item.slot and event["label"] == "cat" and event["worker"] == "w"
        assert sum(len(page.seqs) for page in client.label_log(event["label_seq"] - 1)) == 1
        assert event["label_seq"] == number
    socket.close()


def test_hello(client, daemon, project):
    projects.create(client)
    round_of(client)
    newest = client.status()["event_seq"]
    last = {event["kind"]: event["seq"] for event in client.events()}
    for topic in (f"{project}/", f"{project}/batch.published"):
        socket = subscribe(daemon, topic)
        heard, hello = receive(socket)
        assert heard == topic and hello["kind"] == "hello" and hello["project"] == project
        assert hello["seq"] == newest
        assert {kind: seq for kind, seq in hello["last"].items() if seq} == last
        socket.close()


def test_kinds_show_their_gaps(client, daemon, project):
    projects.create(client)
    socket = subscribe(daemon, f"{project}/batch.")
    hello = receive(socket)[1]
    assert hello["kind"] == "hello"
    round_of(client)
    round_of(client)
    newest = {"batch.published": 0, "batch.done": 0}
    for _ in range(4):
        _, event = receive(socket)
        assert event["prev"] == newest[event["kind"]]
        newest[event["kind"]] = event["seq"]
    socket.close()


def test_follow_from_the_start(client):
    projects.create(client)
    round_of(client)
    stream = client.follow(since=0, timeout_s=30)
    total = client.status()["event_seq"]
    assert [next(stream)["seq"] for _ in range(total)] == list(range(1, total + 1))
    round_of(client)
    assert [next(stream)["seq"] for _ in range(5)] == list(range(total + 1, total + 6))
    stream.close()


def test_follow_through_a_crash(own_daemon):
    """A follower misses nothing while the daemon dies, comes back and goes on."""
    with own_daemon.client("p") as client, own_daemon.client("p") as watcher:
        projects.create(client, usd=10)
        stream = watcher.follow(since=0, timeout_s=60)
        heard = [next(stream)["seq"] for _ in range(2)]
        for _ in range(2):
            round_of(client)
            own_daemon.kill()
            own_daemon.start()
            round_of(client)
        total = client.status()["event_seq"]
        while heard[-1] < total:
            heard.append(next(stream)["seq"])
        assert heard == list(range(1, total + 1))
        stream.close()


def test_two_projects_do_not_hear_each_other(client, daemon, project):
    projects.create(client)
    socket = subscribe(daemon, f"{project}/")
    receive(socket)
    with daemon.client(f"{project}0") as other:
        projects.create(other)
    client.grant(1)
    topic, event = receive(socket)
    assert topic == f"{project}/budget.granted" and event["project"] == project
    socket.close()


def test_every_other_kind(client):
    keys = projects.create(client, samples=10, usd="0.5", budget_low_usd="0.3")
    client.import_labels(["cat"], keys=keys[:1], source="old")
    client.evaluate(1, metrics={"accuracy": 0.5})
    client.next_batch(only=keys[1:4])
    client.set_project(overlap=2)
    client.cancel_batch(1)
    kinds = {event["kind"]: event for event in client.events()}
    assert kinds["label.imported"]["count"] == 1 and kinds["label.imported"]["source"] == "old"
    assert kinds["evaluation.received"]["model_version"] == 1
    assert kinds["budget.low"]["available_usd"] == 0.2
    assert kinds["batch.canceled"]["canceled"] == 3
    assert "config.changed" in kinds


def test_a_subscriber_that_never_reads_blocks_nobody(client, daemon, project):
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.linger = 0
    socket.rcvhwm = 1
    socket.subscribe("")
    socket.connect(daemon.events)
    client.create_project(classes=["a"], price_usd=1)
    for _ in range(1_200):
        client.grant(1)
    assert client.budget()["granted_usd"] == 1_200
    socket.close()
