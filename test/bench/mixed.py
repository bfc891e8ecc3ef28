"""Latency of LEASE while a k-center plan computes and ingest runs at full speed, against the same daemon at rest."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from statistics import median

import numpy as np
from curated import Client, LocalDaemon
from leases import single
from measure import Recorder, percentiles

WIDTH = 784


def push_until(
    requests: str, rows: int, stop: multiprocessing.synchronize.Event, pushed: multiprocessing.sharedctypes.Synchronized
) -> None:
    """Push embeddings again and again."""
    vectors = np.random.default_rng(0).normal(size=(rows, 512)).astype("<f4")
    with Client(requests, project="mixed-ingest") as client:
        while not stop.is_set():
            client.push(embeddings=vectors)
            pushed.value += vectors.nbytes


def plan_until(
    requests: str, count: int, stop: multiprocessing.synchronize.Event, plans: multiprocessing.sharedctypes.Synchronized
) -> None:
    """Plan again and again."""
    with Client(requests, project="mixed", timeout=600) as client:
        while not stop.is_set():
            client.plan(count=count, strategy="kcenter")
            plans.value += 1


def clustered(rows: int) -> np.ndarray:
    """Vectors in clusters, as images are; pure noise would make each point as far as any other."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(200, WIDTH)).astype("<f4") * 3
    return centres[rng.integers(0, 200, rows)] + rng.normal(size=(rows, WIDTH)).astype("<f4")


def run(_build: Path, daemon: LocalDaemon, recorder: Recorder, quick: bool) -> None:
    rows, count, times = (10_000, 500, 300) if quick else (60_000, 1_000, 2_000)
    with daemon.client("mixed-ingest") as client:
        client.create_project(classes=["a"], price_usd="0.1")
        client.add_samples([f"k{number}" for number in range(20_000)])
    with daemon.client("mixed", timeout=600) as client:
        client.create_project(classes=["a"], price_usd="0.1")
        client.grant(10_000)
        client.add_samples([f"k{number}" for number in range(rows)])
        client.push(embeddings=clustered(rows))
        client.next_batch(count=100, strategy="random")
        at_rest = single(client, times)

        context = multiprocessing.get_context("spawn")
        stop, pushed, plans = context.Event(), context.Value("q", 0), context.Value("q", 0)
        helpers = [
            context.Process(target=push_until, args=(daemon.requests, 20_000, stop, pushed)),
            context.Process(target=plan_until, args=(daemon.requests, count, stop, plans)),
        ]
        for helper in helpers:
            helper.start()
        try:
            while not (pushed.value and client.status()["planning"]):
                if not all(helper.is_alive() for helper in helpers):
                    raise RuntimeError("a helper ended")
                time.sleep(0.05)  # until both are at it
            started, bytes_before = time.perf_counter(), pushed.value
            under_load = single(client, times)
            seconds = time.perf_counter() - started
            pushed_meanwhile = pushed.value - bytes_before
        finally:
            stop.set()
            for helper in helpers:
                helper.join(600)
        rest, load = percentiles(at_rest), percentiles(under_load)
        recorder.emit(
            "lease-under-load", f"kcenter-{rows}x{WIDTH}-k{count}-and-ingest-p99", load["p99_ms"] / 1000,
            "at-rest-p99", rest["p99_ms"] / 1000,
            p50_ms=median(under_load) * 1000, at_rest_p50_ms=rest["p50_ms"], longest_ms=max(under_load) * 1000,
            ingest_mb_per_s=pushed_meanwhile / 1e6 / seconds, plans=plans.value,
        )  # fmt: skip
