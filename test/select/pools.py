"""Pools to select from, small enough for references written from the definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass
class Pool:
    """Samples of `classes` clusters: where they are, and how sure a model is of each."""

    embeddings: Floats
    probs: Floats
    classes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)

    def part(self, rows: npt.NDArray[np.integer]) -> Pool:
        """Return some of the samples."""
        return Pool(self.embeddings[rows], self.probs[rows], self.classes[rows])


def softmax(logits: npt.NDArray[np.floating]) -> Floats:
    """Return rows that sum to 1."""
    power = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (power / power.sum(axis=-1, keepdims=True)).astype(np.float32)


def clustered(rng: np.random.Generator, n: int, width: int = 8, classes: int = 5, spread: float = 0.6) -> Pool:
    """Return n samples around one centre a class, and a model that sees the centres dimly."""
    centers = rng.normal(size=(classes, width)) * 2
    kind = rng.integers(classes, size=n)
    embeddings = (centers[kind] + spread * rng.normal(size=(n, width))).astype(np.float32)
    distance2 = ((embeddings[:, None, :] - centers[None]) ** 2).sum(-1)
    return Pool(embeddings, softmax(-0.2 * distance2 + 0.5 * rng.normal(size=(n, classes))), kind)
