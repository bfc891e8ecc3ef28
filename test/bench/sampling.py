"""What it costs the objective of auto that some thousands of points stand for a large pool: the default against every point.

    make bench          or          python test/bench/sampling.py [--sizes 20000,60000]

`value` is the objective of the picks over the whole pool, computed here from its definition; `exact` is that of the picks made
with every sample a reference point, `loss` the share of it that the default gives away. `ratio` is the exact time over ours;
the exact one takes seconds for 20,000 samples and a minute for 60,000.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from curated import SelectResult, select
from images import behind_random_layer, fashion_mnist
from measure import Recorder, seconds_of

Floats = npt.NDArray[np.float32]

CLASSES = 10
PICKS = (100, 1_000)


def predict(embeddings: Floats, labels: npt.NDArray[np.int64], labeled: npt.NDArray[np.int64]) -> Floats:
    """Return what a model says that knows the mean of each class from the labelled samples."""
    if len(labeled) == 0:
        return np.full((len(embeddings), CLASSES), 1 / CLASSES, np.float32)
    centers = np.stack([embeddings[labeled][labels == c].mean(0) for c in range(CLASSES)])
    logits = -((embeddings**2).sum(1)[:, None] - 2 * embeddings @ centers.T + (centers**2).sum(1)) / 8
    power = np.exp(logits - logits.max(1, keepdims=True))
    return power / power.sum(1, keepdims=True)


def worth(probs: Floats, labels: npt.NDArray[np.int64], temperature: float) -> npt.NDArray[np.float64]:
    """Return each sample's uncertainty times the weight of its predicted class, as docs/selection.md defines them."""
    logits = np.log(np.maximum(probs.astype(np.float64), 1e-30)) / temperature
    power = np.exp(logits - logits.max(1, keepdims=True))
    top = np.sort(power / power.sum(1, keepdims=True), axis=1)
    trust = len(labels) / (len(labels) + 2 * CLASSES + 1)
    weight = (len(labels) / CLASSES + 1) / (np.bincount(labels, minlength=CLASSES) + 1)
    return (1 - trust * (top[:, -1] - top[:, -2])) * np.clip(weight, 1 / 6, 6)[probs.argmax(1)]


def value(
    embeddings: Floats, known: npt.NDArray[np.int64], picks: npt.NDArray[np.int64], weight: Floats, radius: float
) -> float:
    """Return how much better the picks cover the pool than what is known does."""
    length2 = (embeddings.astype(np.float64) ** 2).sum(1).astype(np.float32)
    before = np.zeros(len(embeddings), np.float32)
    after = before.copy()
    for rows, into in ((known, before), (picks, after)):
        for start in range(0, len(rows), 256):
            some = rows[start : start + 256]
            distance2 = length2[:, None] + length2[some] - 2 * embeddings @ embeddings[some].T
            np.maximum(into, np.exp(-np.maximum(distance2, 0) / radius**2).max(1), out=into)
    return float((weight * np.maximum(after - before, 0)).sum())


def compare(recorder: Recorder, embeddings: Floats, kinds: npt.NDArray[np.int64], count: int) -> None:
    n = len(embeddings)
    labeled = np.arange(0, n, n // count) if count else np.zeros(0, np.int64)
    labels = kinds[labeled]
    probs = predict(embeddings, labels, labeled)

    def run(references_max: int) -> SelectResult:
        return select(
            "coverage", max(PICKS), embeddings=embeddings, probs=probs, labeled=labeled, labels=labels,
            references_max=references_max,
        )  # fmt: skip

    results: list[SelectResult] = []
    seconds = seconds_of(lambda: results.append(run(0)))
    exact_seconds = seconds_of(lambda: results.append(run(n)))
    stats = results[1].stats
    weight = worth(probs, labels, stats["temperature"]).astype(np.float32)
    weight[labeled] = 0
    for k in PICKS:  # a greedy choice of fewer is the beginning of one of more
        ours, exact = (value(embeddings, labeled, result.indices[:k], weight, stats["radius"]) for result in results)
        recorder.emit(
            "sampling", f"coverage-{n}x{embeddings.shape[1]}-{len(labeled)}-labels-k{k}", seconds, "every-point",
            exact_seconds, references=results[0].stats["references"], value=ours, exact=exact, loss=1 - ours / exact,
        )  # fmt: skip


def run(recorder: Recorder, sizes: Sequence[int]) -> None:
    embeddings = behind_random_layer(fashion_mnist())
    with gzip.open("/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz") as file:
        kinds = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    for n in sizes:
        for count in (0, 1_000):
            compare(recorder, np.ascontiguousarray(embeddings[:n]), kinds[:n], count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/sampling.jsonl"))
    parser.add_argument("--sizes", default="20000", help="samples of the pools, with commas")
    options = parser.parse_args()
    run(Recorder(options.output), [int(size) for size in options.sizes.split(",")])
