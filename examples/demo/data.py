"""The pool: Fashion-MNIST made to look like what teams have. Long-tailed, with near-duplicates, junk and two prices."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
JUNK = -1
RAREST_SHARE = 0.01  # of the commonest class
DUPLICATE_SHARE = 0.10
JUNK_SHARE = 0.04
DEAR_SHARE = 0.2
CHEAP_USD, DEAR_USD = "0.08", "0.40"
VALIDATION_PER_CLASS = 50


@dataclass(frozen=True)
class Pool:
    """Images of 784 pixels from 0 to 1.

    `truth` is what a careful person answers (`JUNK`: none of the classes). `validation` is a small held-out set that the
    team has labelled: images of the training files that are not in the pool. `rare` are the three rarest classes.
    """

    images: np.ndarray
    truth: np.ndarray
    dear: np.ndarray
    validation: np.ndarray
    validation_truth: np.ndarray
    rare: np.ndarray

    @property
    def keys(self) -> list[str]:
        return [f"image-{row:05d}" for row in range(len(self.truth))]

    @property
    def prices_usd(self) -> list[str]:
        return [DEAR_USD if dear else CHEAP_USD for dear in self.dear]


def read_images(name: str) -> np.ndarray:
    with gzip.open(FOLDER / f"{name}-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=16).reshape(-1, 784)


def read_labels(name: str) -> np.ndarray:
    with gzip.open(FOLDER / f"{name}-labels-idx1-ubyte.gz") as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=8).astype(np.int64)


def scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255


def test_set() -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 test images. Only the report looks at them: nothing is selected, weighed or tuned by them."""
    return scaled(read_images("t10k")), read_labels("t10k")


def make_pool(seed: int, commonest: int) -> Pool:
    """A pool whose commonest class has `commonest` images; which classes are rare is the seed's choice."""
    rng = np.random.default_rng(seed)
    images, labels = read_images("train"), read_labels("train")
    order = rng.permutation(len(CLASSES))  # from the commonest to the rarest
    counts = np.round(commonest * RAREST_SHARE ** (np.arange(len(CLASSES)) / (len(CLASSES) - 1))).astype(int)

    chosen, held_out = [], []
    for label, count in zip(order, counts, strict=True):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held_out.append(rows[:VALIDATION_PER_CLASS])
        chosen.append(rows[VALIDATION_PER_CLASS : VALIDATION_PER_CLASS + count])
    rows, validation = np.concatenate(chosen), np.concatenate(held_out)

    singles, truth = scaled(images[rows]), labels[rows]
    copied = rng.choice(len(rows), int(DUPLICATE_SHARE * len(rows)), replace=False)
    junk = make_junk(scaled(images[rng.choice(rows, int(JUNK_SHARE * len(rows)))]), rng)
    everything = np.concatenate([singles, near_duplicates(singles[copied], rng), junk])
    answers = np.concatenate([truth, truth[copied], np.full(len(junk), JUNK)])
    shuffled = rng.permutation(len(everything))
    return Pool(
        images=everything[shuffled],
        truth=answers[shuffled],
        dear=rng.random(len(everything)) < DEAR_SHARE,
        validation=scaled(images[validation]),
        validation_truth=labels[validation],
        rare=order[-3:],
    )


def near_duplicates(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same pictures taken again: a little lighter or darker, a little noise."""
    gain = rng.uniform(0.95, 1.05, size=(len(images), 1))
    return np.clip(images * gain + rng.normal(scale=0.01, size=images.shape), 0, 1).astype(np.float32)


def make_junk(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pictures of nothing: pure noise, pixels in disorder, and a bright stripe of sensor failure."""
    junk = images.copy()
    for number, image in enumerate(junk):
        match number % 3:
            case 0:
                image[:] = rng.random(784)
            case 1:
                rng.shuffle(image)
            case 2:
                image[:] = 0
                image.reshape(28, 28)[rng.integers(0, 24) :][:4] = rng.uniform(0.6, 1)
    return junk
