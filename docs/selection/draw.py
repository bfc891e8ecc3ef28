"""Draws what each strategy picks of one small pool in the plane: docs/selection/STRATEGY.png, for docs/selection.md.

build/venv/bin/python docs/selection/draw.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from curated import SelectResult, select, strategies

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Floats = npt.NDArray[np.float32]
HERE = Path(__file__).parent
PICKS = 12
COLORS = np.array(["#4878a8", "#8c6bb1", "#41ab5d"])
PARAMETERS: dict[str, dict[str, Any]] = {
    "search": {"class_sought": 2},
    "kcenter_robust": {"outlier_share": 0.01},
    "graph_cut": {"redundancy": 15},
}
TITLES = {
    "search": "search (for the green class)",
    "utility": "utility (here: the height)",
    "kcenter_robust": "kcenter_robust (1 % left out)",
    "graph_cut": "graph_cut (redundancy 15)",
}


@dataclass
class Toy:
    """Two large classes that touch, a rare one at their border, a clump of near-duplicates, and junk far out."""

    points: Floats
    classes: npt.NDArray[np.int64]
    labeled: npt.NDArray[np.int64]

    def probabilities(self, noise: float = 0.0, seed: int = 0) -> Floats:
        """Return what a model says that knows the centres of the classes, more or less."""
        centers = np.array([[-2, 0], [2, 0], [0.3, 2.6]]) + noise * np.random.default_rng(seed).normal(size=(3, 2))
        distance2 = ((self.points[:, None] - centers) ** 2).sum(-1)
        power = np.exp(-0.7 * (distance2 - distance2.min(1, keepdims=True)))
        return (power / power.sum(1, keepdims=True)).astype(np.float32)


def toy() -> Toy:
    rng = np.random.default_rng(7)
    parts = [
        (rng.normal([-2, 0], [1.0, 0.9], (260, 2)), 0),
        (rng.normal([2, 0], [0.9, 1.0], (180, 2)), 1),
        (rng.normal([0.3, 2.6], 0.3, (22, 2)), 2),
        (rng.normal([3.4, -1.6], 0.02, (24, 2)), 1),
        (np.array([[-6.2, 3.4], [6.0, 3.5], [-5.8, -3.6], [6.3, -3.4]]), 0),
    ]
    points = np.concatenate([part for part, _ in parts]).astype(np.float32)
    classes = np.concatenate([np.full(len(part), kind) for part, kind in parts])
    labeled = np.concatenate([np.flatnonzero(classes == kind)[:3] for kind in range(3)])
    return Toy(points, classes, labeled)


def pick(strategy: str, pool: Toy) -> SelectResult:
    return select(
        strategy,
        PICKS,
        probs=pool.probabilities(),
        draws=np.stack([pool.probabilities(0.6, seed) for seed in range(1, 9)]),
        embeddings=pool.points,
        utility=pool.points[:, 1] - pool.points[:, 1].min(),
        labeled=pool.labeled,
        labels=pool.classes[pool.labeled],
        seed=1,
        **PARAMETERS.get(strategy, {}),
    )


def draw(strategy: str, pool: Toy, target: Path) -> None:
    result = pick(strategy, pool)
    figure, axes = plt.subplots(figsize=(4.2, 2.7), dpi=90, layout="constrained")
    axes.scatter(*pool.points.T, s=7, c=COLORS[pool.classes], alpha=0.55, linewidths=0)
    axes.scatter(*pool.points[pool.labeled].T, s=34, c="black", marker="x", linewidths=1.4)
    chosen = pool.points[result.indices]
    axes.scatter(*chosen.T, s=60, facecolors="none", edgecolors="#d7301f", linewidths=1.3)
    for number, (x, y) in enumerate(chosen, 1):
        axes.annotate(str(number), (x, y), (4, 4), textcoords="offset points", fontsize=6.5, color="#b30000")
    axes.set(xticks=[], yticks=[], xlim=(-7.2, 7.2), ylim=(-4.4, 4.4))
    axes.set_title(TITLES.get(strategy, strategy), fontsize=9)
    figure.savefig(target, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    pool = toy()
    for strategy in strategies():
        draw(strategy, pool, HERE / f"{strategy.replace('++', '_plus_plus')}.png")


if __name__ == "__main__":
    main()
