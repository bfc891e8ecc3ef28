"""k-center and its robust form against the plain loop of the definition, in whole numbers, where every distance is exact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from curated import select

Whole = npt.NDArray[np.int64]


def reference(points: Whole, k: int, known: list[int], outliers: int = 0) -> list[int]:
    """Return the farthest point from all centres, again and again; ties to the lowest index, `outliers` farthest left out."""
    free = np.ones(len(points), bool)
    free[known] = False
    nearest = np.min([((points - points[c]) ** 2).sum(1) for c in known], axis=0)
    chosen: list[int] = []
    while len(chosen) < k and free.sum() > outliers:
        order = np.flatnonzero(free)
        order = order[np.lexsort((order, -nearest[order]))]
        chosen.append(int(order[outliers]))
        free[chosen[-1]] = False
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(1))
    return chosen


def integers(seed: int, n: int, width: int, classes: int, spread: int, rank: int | None = None) -> Whole:
    """Return clusters of whole numbers, within `rank` dimensions where it is given."""
    rng = np.random.default_rng(seed)
    rank = rank or width
    centers = rng.integers(-20, 20, size=(classes, rank))
    points = centers[rng.integers(classes, size=n)] + rng.integers(-spread, spread + 1, size=(n, rank))
    return points @ rng.integers(-1, 2, size=(rank, width)) if rank < width else points


POOLS = {
    "narrow": integers(1, 900, 5, 8, 4),
    "wide clusters": integers(2, 1500, 300, 40, 3),
    "wide noise": integers(3, 1000, 256, 1, 9),
    "wide, of low rank": integers(4, 1500, 320, 30, 5, rank=12),
    "wide, far from the origin": integers(5, 1200, 256, 20, 2) + 900,
    "wide twins": np.repeat(integers(6, 500, 264, 20, 3), 3, 0),
    "on a line": integers(7, 800, 300, 50, 3, rank=1),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_picks_are_those_of_the_plain_loop(name: str, dtype: type) -> None:
    points = POOLS[name]
    assert (points == points.astype(dtype)).all()
    known = [5, 17, 99]
    expected = reference(points, 400, known)
    for threads in (1, 2, 16):
        result = select("kcenter", 400, embeddings=points.astype(dtype), labeled=known, labels=[0] * 3, threads=threads)
        np.testing.assert_array_equal(result.indices, expected)


def test_the_first_is_nearest_to_the_mean_and_gains_are_distances() -> None:
    points = POOLS["narrow"].astype(np.float32)
    result = select("kcenter", 50, embeddings=points)
    assert result.indices[0] == ((points - points.mean(0, dtype=np.float64)) ** 2).sum(1).argmin()
    assert result.gains[0] == 0
    for i in range(1, 50):
        expected = np.linalg.norm(points[result.indices[:i]] - points[result.indices[i]], axis=1).min()
        assert result.gains[i] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["narrow", "wide clusters", "wide twins"])
@pytest.mark.parametrize("share", [0.0, 0.002, 0.05])
def test_robust_picks_leave_the_farthest_share_out(name: str, share: float) -> None:
    points = POOLS[name]
    known = [5, 17, 99]
    outliers = int((share or 1e-4) * (len(points) - 3))
    expected = reference(points, 300, known, outliers)
    result = select(
        "kcenter_robust", 300, embeddings=points.astype(np.float32), labeled=known, labels=[0] * 3, outlier_share=share
    )
    np.testing.assert_array_equal(result.indices, expected)


def test_robust_picks_avoid_junk_that_plain_ones_take_first() -> None:
    rng = np.random.default_rng(9)
    points = rng.normal(size=(1000, 8)).astype(np.float32)
    junk = np.arange(0, 1000, 100)
    points[junk] *= 50
    assert set(junk) <= set(select("kcenter", 12, embeddings=points).indices)
    assert not set(junk) & set(select("kcenter_robust", 100, embeddings=points, outlier_share=0.01).indices)


def test_robust_with_every_sample_an_outlier_picks_one() -> None:
    points = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)
    assert len(select("kcenter_robust", 10, embeddings=points, outlier_share=1)) == 1
    assert len(select("kcenter_robust", 10, embeddings=points, outlier_share=1, labeled=[0], labels=[0])) == 0
