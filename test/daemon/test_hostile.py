"""Bytes that are no request at all, or that lie about their length. The daemon answers each and lives on."""

from __future__ import annotations

import random
import struct

import msgpack
import projects
import pytest
from raw import Raw, head

MOST = 2**32 - 1
SMALL_MAP = msgpack.packb({"v": 1, "id": "x", "op": "STATUS"})


def memory_kb(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


def lying(value: bytes) -> bytes:
    """A request's map of which one field is `value`, taken as it is."""
    return b"\x84" + SMALL_MAP[1:] + msgpack.packb("x") + value


HOSTILE = {
    "empty frame": b"",
    "not msgpack": b"GET / HTTP/1.1\r\n\r\n",
    "never used byte": b"\xc1",
    "nil": b"\xc0",
    "a list": msgpack.packb([1, 2, 3]),
    "an int": b"\x07",
    "map cut short": SMALL_MAP[:-3],
    "bytes after the map": SMALL_MAP + b"\x00",
    "two maps": SMALL_MAP * 2,
    "map of 2^32-1": b"\xdf" + struct.pack(">I", MOST),
    "map of 2^32-1 that starts well": b"\xdf" + struct.pack(">I", MOST) + SMALL_MAP[1:],
    "list of 2^32-1": lying(b"\xdd" + struct.pack(">I", MOST)),
    "list of 65535": lying(b"\xdc\xff\xff"),
    "str of 2^32-1": lying(b"\xdb" + struct.pack(">I", MOST)),
    "bin of 2^32-1": lying(b"\xc6" + struct.pack(">I", MOST)),
    "ext of 2^32-1": lying(b"\xc9" + struct.pack(">I", MOST) + b"\x01"),
    "lists that each claim much": lying((b"\xdd" + struct.pack(">I", 1 << 28)) * 8),
    "17 levels": lying(b"\x91" * 17 + b"\x01"),
    "10,000 levels": lying(b"\x91" * 10_000 + b"\x01"),
    "1,000,000 levels": lying(b"\x91" * 1_000_000 + b"\x01"),
    "maps 10,000 levels deep": lying(b"\x81\xa1a" * 10_000 + b"\x01"),
    "same key twice": b"\x84" + SMALL_MAP[1:] + msgpack.packb("op") + msgpack.packb("CONFIG"),
    "key of int": b"\x84" + SMALL_MAP[1:] + b"\x01\x01",
    "key of nil": b"\x84" + SMALL_MAP[1:] + b"\xc0\x01",
    "key not UTF-8": b"\x84" + SMALL_MAP[1:] + b"\xa2\xff\xfe\x01",
    "op not UTF-8": b"\x83" + msgpack.packb("v") + b"\x01" + msgpack.packb("id") + msgpack.packb("x") + b"\xa2op\xa2\xff\xfe",
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_are_refused(raw, daemon, payload):
    reply = raw.exchange(payload)
    assert reply["ok"] is False and reply["error"]["code"] == "bad_request"
    assert raw.call("STATUS")["ok"] is True


def test_same_key_twice_deep_inside(raw, client, project):
    projects.create(client, samples=2)
    request = head("PLAN", project, count=1)
    twice = b"\x82" + msgpack.packb("slots") + msgpack.packb([0]) + msgpack.packb("slots") + msgpack.packb([1])
    payload = bytes([0x80 | (len(request) + 1)]) + msgpack.packb(request)[1:] + msgpack.packb("include") + twice
    assert raw.exchange(payload)["error"]["code"] == "bad_request"


def test_sample_key_not_utf8(raw, client, project):
    client.create_project(classes=["a"], price_usd=1)
    request = head("SAMPLE.PUT", project)
    payload = bytes([0x80 | (len(request) + 1)]) + msgpack.packb(request)[1:] + msgpack.packb("keys") + b"\x91\xa2\xc3\x28"
    assert raw.exchange(payload)["error"]["code"] == "bad_request"
    assert client.status()["samples"] == 0


def test_lies_cost_no_memory(own_daemon):
    raw = Raw(own_daemon.requests)
    before = memory_kb(own_daemon.pid)
    for payload in list(HOSTILE.values()) * 20:
        assert raw.exchange(payload)["ok"] is False
    assert memory_kb(own_daemon.pid) - before < 64 * 1024
    raw.close()


def test_thousands_of_damaged_requests(daemon, client, project, raw):
    """Requests with bytes changed, cut and repeated at random (by a fixed seed): each is answered."""
    projects.create(client, samples=8)
    chance = random.Random(1)
    requests = [
        head("STATUS", project),
        head("SAMPLE.GET", project, slots=[1, 2, 3]),
        head("PLAN", project, count=2, strategy="margin", include={"slots": [1]}),
        head("LEASE", project, worker="w", count=3),
        head("SUBMIT", project, worker="w", slot=1, lease=1, label="cat"),
        head("LABELS.SINCE", project, since=0, limit=10),
        head("EXPLAIN", project, key="k1"),
        head("EVAL.PUT", project, model_version=1, metrics={"accuracy": 0.5}, per_class={"cat": {"recall": 0.1}}),
    ]
    window = 0
    for _ in range(3_000):
        payload = bytearray(msgpack.packb(chance.choice(requests)))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(payload))
            match chance.randrange(3):
                case 0:
                    payload[place] = chance.randrange(256)
                case 1:
                    del payload[place : place + chance.randint(1, 8)]
                case 2:
                    payload[place:place] = payload[place : place + chance.randint(1, 8)]
            if not payload:
                break
        raw.send(bytes(payload))
        window += 1
        if window == 100:
            for _ in range(window):
                assert raw.receive()["v"] == 1
            window = 0
    assert client.status()["samples"] == 8


def test_vanishing_clients(daemon):
    """Clients that ask and are gone before the reply."""
    for _ in range(50):
        gone = Raw(daemon.requests)
        for _ in range(20):
            gone.send(msgpack.packb(head("STATUS")))
        gone.close()
    with daemon.client() as client:
        assert client.daemon_status()["version"]
