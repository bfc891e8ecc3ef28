"""Leases and answers: many connections at once, and one client alone; against one fsync for each request."""

from __future__ import annotations

import itertools
import time
from statistics import median
from typing import Any

import msgpack
import zmq
from curated import Client, LocalDaemon
from measure import Recorder, fsync_seconds, percentiles

CONNECTIONS = 8
WINDOW = 16
_ids = itertools.count(1)


class Pairs:
    """One connection with a window of LEASEs and SUBMITs under way."""

    def __init__(self, address: str, project: str, worker: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(address)
        self.common = {"v": 1, "project": project, "worker": worker}
        self.sent: dict[str, float] = {}
        self.latencies: list[float] = []
        self.pairs = 0

    def send(self, **fields: Any) -> None:
        id = f"pair-{next(_ids)}"
        self.sent[id] = time.perf_counter()
        self.socket.send(msgpack.packb(self.common | {"id": id} | fields))

    def step(self) -> bool:
        """Take one reply and send what follows from it. False when nothing was left to lease."""
        reply = msgpack.unpackb(self.socket.recv())
        self.latencies.append(time.perf_counter() - self.sent.pop(reply["id"]))
        if not reply["ok"]:
            raise RuntimeError(reply["error"])
        if "leases" in reply:
            for lease in reply["leases"]:
                self.send(op="SUBMIT", slot=lease["slot"], lease=lease["lease"], label=0)
            return bool(reply["leases"])
        self.pairs += 1
        self.send(op="LEASE")
        return True


def pipelined(daemon: LocalDaemon, project: str) -> tuple[float, list[Pairs]]:
    """Answer everything that waits. Returns the seconds and the connections."""
    connections = [Pairs(daemon.requests, project, f"w{number}") for number in range(CONNECTIONS)]
    poller = zmq.Poller()
    for connection in connections:
        poller.register(connection.socket, zmq.POLLIN)
    by_socket = {connection.socket: connection for connection in connections}
    started = time.perf_counter()
    for connection in connections:
        for _ in range(WINDOW):
            connection.send(op="LEASE")
    while any(connection.sent for connection in connections):
        for socket, _ in poller.poll():
            while socket.poll(0):
                by_socket[socket].step()
    seconds = time.perf_counter() - started
    for connection in connections:
        connection.socket.close(linger=0)
    return seconds, connections


def single(client: Client, times: int) -> list[float]:
    """Latencies of one client that leases and gives back, one request at a time."""
    latencies = []
    for _ in range(times):
        started = time.perf_counter()
        (item,) = client.lease("alone")
        latencies.append(time.perf_counter() - started)
        item.release()
    return latencies


def run(daemon: LocalDaemon, recorder: Recorder, quick: bool) -> None:
    samples = 10_000 if quick else 60_000
    with daemon.client("leases") as client:
        client.create_project(classes=["a", "b"], price_usd="0.01")
        client.grant(10_000)
        client.add_samples([f"k{number}" for number in range(samples)])
        client.next_batch(count=samples, strategy="random")
        fsync = fsync_seconds(daemon.store)
        latencies = single(client, 200 if quick else 1_000)
        recorder.emit(
            "lease-latency", "one-client", median(latencies), "fdatasync-4k", median(fsync), **percentiles(latencies)
        )  # fmt: skip
        before = client.daemon_status()
        seconds, connections = pipelined(daemon, "leases")
        after = client.daemon_status()
        pairs = sum(connection.pairs for connection in connections)
        latencies = [latency for connection in connections for latency in connection.latencies]
        recorder.emit(
            "lease-submit-pairs", f"{CONNECTIONS}-dealers-window-{WINDOW}-python", seconds,
            "two-fdatasync-a-pair", 2 * pairs * median(fsync),
            pairs=pairs, pairs_per_s=pairs / seconds,
            requests_per_commit=(after["requests"] - before["requests"]) / max(1, after["commits"] - before["commits"]),
            **percentiles(latencies),
        )  # fmt: skip
