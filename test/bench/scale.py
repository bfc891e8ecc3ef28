"""What size costs: latencies and the daemon's own memory with ten thousand samples and with ten million."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np
from curated import Client, LocalDaemon
from ingest import register
from leases import single
from measure import Recorder, anonymous_memory, percentiles

CLASSES, K = 1_000, 5


def push_topk(client: Client, samples: int, step: int = 1_000_000) -> None:
    """Push top-5 predictions of model 1, a million at a time so that this program stays small too."""
    rng = np.random.default_rng(0)
    shares = (np.array([0.5, 0.2, 0.1, 0.05, 0.02]) * 0.9).astype("<f2")
    for start in range(0, samples, step):
        rows = min(step, samples - start)
        first = rng.integers(0, CLASSES - K, size=(rows, 1))
        classes = (first + np.arange(K)).astype("<u2")
        client.push(
            slots=np.arange(start, start + rows, dtype="<u4"),
            topk=(classes, np.broadcast_to(shares, (rows, K))),
            model_version=1,
            activate=False,
        )
    client.activate_model(1)


def status_latencies(client: Client, times: int) -> list[float]:
    latencies = []
    for _ in range(times):
        started = time.perf_counter()
        client.status()
        latencies.append(time.perf_counter() - started)
    return latencies


def measure(program: Path, folder: Path, samples: int) -> dict[str, object]:
    with LocalDaemon(program, folder / f"scale-{samples}") as daemon, daemon.client("scale", timeout=600) as client:
        client.create_project(classes=[f"c{number}" for number in range(CLASSES)], price_usd="0.1")
        client.grant(10_000)
        register_s = register(client, samples)
        started = time.perf_counter()
        push_topk(client, samples)
        push_s = time.perf_counter() - started
        started = time.perf_counter()
        client.next_batch(count=1_000, strategy="margin")
        commit_s = time.perf_counter() - started
        return {
            "status": status_latencies(client, 300),
            "lease": single(client, 500),
            "memory": anonymous_memory(daemon.pid),
            "register_s": register_s,
            "push_s": push_s,
            "commit_s": commit_s,
        }


def run(program: Path, folder: Path, recorder: Recorder, quick: bool) -> None:
    few, many = 10_000, 500_000 if quick else 10_000_000
    small, large = measure(program, folder, few), measure(program, folder, many)
    for name in ("status", "lease"):
        recorder.emit(
            f"{name}-latency-at-scale", f"{many}-samples-top{K}", median(large[name]),
            f"{few}-samples", median(small[name]),
            **percentiles(large[name]),
        )  # fmt: skip
    recorder.emit(
        "margin-batch-at-scale", f"{many}-samples-top{K}-count-1000", large["commit_s"], f"{few}-samples", small["commit_s"]
    )
    recorder.emit(
        "load-at-scale", f"register-and-push-{many}-top{K}", large["register_s"] + large["push_s"],
        f"{few}-samples", small["register_s"] + small["push_s"],
        register_per_s=many / large["register_s"], push_rows_per_s=many / large["push_s"],
    )  # fmt: skip
    recorder.emit(
        "memory-at-scale", f"{many}-samples-top{K}", None, f"{few}-samples", None,
        anonymous_mb=large["memory"] / 1e6, baseline_anonymous_mb=small["memory"] / 1e6,
        anonymous_bytes_per_sample=(large["memory"] - small["memory"]) / (many - few),
    )  # fmt: skip
