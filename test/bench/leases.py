"""Leases and answers: many connections at once, and one client alone; against one sync for each request."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from statistics import median

from curated import Client, LocalDaemon
from measure import Recorder, fsync_seconds, percentiles

CONNECTIONS = 8
WINDOWS = (16, 64, 256)  # requests under way on each connection


def pipelined(program: Path, daemon: LocalDaemon, project: str, window: int, pairs: int) -> dict[str, float]:
    """Lease and answer from connections that each keep a window of requests under way."""
    command = [str(program.resolve()), daemon.requests, project, str(CONNECTIONS), str(window), str(pairs)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def single(client: Client, times: int) -> list[float]:
    """Latencies of one client that leases and gives back, one request at a time."""
    latencies = []
    for _ in range(times):
        started = time.perf_counter()
        (item,) = client.lease("alone")
        latencies.append(time.perf_counter() - started)
        item.release()
    return latencies


def run(build: Path, daemon: LocalDaemon, recorder: Recorder, quick: bool) -> None:
    samples = 30_000 if quick else 180_000
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
        for window in WINDOWS:
            before = client.daemon_status()
            done = pipelined(build / "bench" / "bench_pairs", daemon, "leases", window, samples // len(WINDOWS) - 1_000)
            after = client.daemon_status()
            recorder.emit(
                "lease-submit-pairs", f"{CONNECTIONS}-dealers-window-{window}", done["seconds"],
                "two-fdatasync-a-pair", 2 * done["pairs"] * median(fsync),
                pairs=done["pairs"], pairs_per_s=done["pairs"] / done["seconds"],
                requests_per_commit=(after["requests"] - before["requests"]) / max(1, after["commits"] - before["commits"]),
                p50_ms=done["p50_ms"], p99_ms=done["p99_ms"],
            )  # fmt: skip
