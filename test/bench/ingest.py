"""Ingest through the Python client, against dd to the same disk."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np
from curated import Client, LocalDaemon
from measure import Recorder, dd_seconds, seconds_of

CLASSES = 100
WIDTH = 512
REPEATS = 3


def register(client: Client, samples: int, step: int = 500_000) -> float:
    """Register so many samples by key alone. Returns the seconds it took, the making of keys not counted."""
    seconds = 0.0
    for start in range(0, samples, step):
        keys = [f"sample-{number:09d}" for number in range(start, min(samples, start + step))]
        seconds += seconds_of(lambda keys=keys: client.add_samples(keys))
    return seconds


def probabilities(rows: int, dtype: str = "<f4") -> np.ndarray:
    values = np.random.default_rng(0).random((rows, CLASSES), dtype=np.float32)
    values /= values.sum(axis=1, keepdims=True)
    return values.astype(dtype)


def run(_build: Path, daemon: LocalDaemon, recorder: Recorder, quick: bool) -> None:
    samples = 50_000 if quick else 400_000
    with daemon.client("ingest") as client:
        client.create_project(classes=[f"c{number}" for number in range(CLASSES)], price_usd="0.1")
        seconds = register(client, samples)
        size = samples * len("sample-000000000")
        baseline = median(dd_seconds(daemon.store, size) for _ in range(REPEATS))
        recorder.emit(
            "register", f"keys-{samples}", seconds, "dd-fdatasync-of-the-keys", baseline, samples_per_s=samples / seconds
        )

        vectors = np.random.default_rng(1).normal(size=(samples, WIDTH)).astype("<f4")
        halves = vectors.astype("<f2")
        probs = probabilities(samples)
        pushes = {
            f"probabilities-{samples}x{CLASSES}-f4": lambda n: client.push(probs=probs, model_version=n),
            f"embeddings-{samples}x{WIDTH}-f4": lambda n: client.push(embeddings=vectors, space=f"f4-{n}"),
            f"embeddings-{samples}x{WIDTH}-f2": lambda n: client.push(embeddings=halves, space=f"f2-{n}"),
        }
        sizes = [probs.nbytes, vectors.nbytes, halves.nbytes]
        for (case, push), size in zip(pushes.items(), sizes, strict=True):
            # Ours and the baseline by turns, so that both meet the disk in the same mood.
            ours, theirs = [], []
            for number in range(1, REPEATS + 1):
                theirs.append(dd_seconds(daemon.store, size))
                ours.append(seconds_of(lambda push=push, number=number: push(number)))
            recorder.emit("ingest", case, median(ours), "dd-fdatasync", median(theirs), mb_per_s=size / 1e6 / median(ours))
