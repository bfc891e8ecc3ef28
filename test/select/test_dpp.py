"""The determinantal point process against the definition: the determinant of every set one larger, by numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import Pool, clustered

Doubles = npt.NDArray[np.float64]


def process(pool: Pool, radius: float) -> Doubles:
    """Return L: quality times similarity."""
    x = pool.embeddings.astype(np.float64)
    two = np.sort(pool.probs.astype(np.float64), axis=1)[:, -2:]
    quality = np.clip(1 - (two[:, 1] - two[:, 0]), 0.01, 1)
    d2 = ((x[:, None, :] - x[None]) ** 2).sum(-1)
    return quality[:, None] * quality * np.exp(-d2 / radius**2)


def reference(process: Doubles, k: int, known: list[int]) -> tuple[list[int], list[float]]:
    """Return the picks that raise the log-determinant most, and by how much."""
    chosen, gains = list(known), []
    for _ in range(k):
        base = np.linalg.slogdet(process[np.ix_(chosen, chosen)])[1] if chosen else 0
        left = [i for i in range(len(process)) if i not in chosen]
        gain = [np.linalg.slogdet(process[np.ix_([*chosen, i], [*chosen, i])])[1] - base for i in left]
        chosen.append(left[int(np.argmax(gain))])
        gains.append(max(gain))
    return chosen[len(known) :], gains


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("known", [[], [3, 50, 51]])
def test_picks_are_those_of_the_determinant(seed: int, known: list[int]) -> None:
    pool = clustered(np.random.default_rng(seed), n=120, width=6)
    expected, gains = reference(process(pool, 3.0), 25, known)
    result = select(
        "dpp", 25, embeddings=pool.embeddings, probs=pool.probs, radius=3.0, labeled=known[:1], labels=[0] * len(known[:1]),
        pending=known[1:],
    )  # fmt: skip
    np.testing.assert_array_equal(result.indices, expected)
    np.testing.assert_allclose(result.gains, gains, rtol=1e-3, atol=1e-3)
    assert result.stats["objective"] == pytest.approx(sum(gains), rel=1e-3)


def test_every_pick_of_a_larger_pool_gains_most() -> None:
    # Too many sets for determinants: the conditional variance of every sample, from a full solve.
    pool = clustered(np.random.default_rng(7), n=2000, width=12, spread=1.0)
    matrix = process(pool, 4.0)
    result = select("dpp", 150, embeddings=pool.embeddings, probs=pool.probs, radius=4.0)
    for t in (1, 20, 149):
        chosen = result.indices[:t]
        cross = matrix[chosen]
        left = np.diag(matrix) - (cross * np.linalg.solve(matrix[np.ix_(chosen, chosen)], cross)).sum(0)
        left[chosen] = 0
        assert left[result.indices[t]] >= left.max() * (1 - 1e-4)
        assert result.gains[t] == pytest.approx(np.log(left.max()), abs=1e-3)


def test_without_predictions_all_qualities_are_equal() -> None:
    pool = clustered(np.random.default_rng(1), n=60)
    even = Pool(pool.embeddings, np.full_like(pool.probs, 0.2), pool.classes)
    expected, _ = reference(process(even, 4.0), 10, [])
    np.testing.assert_array_equal(select("dpp", 10, embeddings=pool.embeddings, radius=4.0).indices, expected)


def test_uncertain_samples_win_among_alike() -> None:
    rng = np.random.default_rng(2)
    embeddings = np.repeat(rng.normal(size=(30, 6)).astype(np.float32), 2, 0)
    probs = np.tile(np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), (30, 1))
    result = select("dpp", 60, embeddings=embeddings, probs=probs, radius=1.0)
    assert (result.indices[:30] % 2 == 1).all()
    # What a pick determines comes last: its determinant would be 0.
    assert (result.indices[30:] % 2 == 0).all()
    assert (result.gains[30:] < -13).all() and np.isfinite(result.gains).all()


def test_a_kernel_of_lower_rank_than_the_picks_goes_on() -> None:
    embeddings = np.linspace(0, 1, 200, dtype=np.float32)[:, None]
    result = select("dpp", 200, embeddings=embeddings, radius=5.0)
    assert sorted(result.indices) == list(range(200))
    assert np.isfinite(result.gains).all()
    assert (np.diff(result.gains) <= 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_threads_pick_the_same(dtype: type) -> None:
    pool = clustered(np.random.default_rng(3), n=3000, width=40, classes=30)
    runs = [select("dpp", 200, embeddings=pool.embeddings.astype(dtype), probs=pool.probs, threads=t) for t in (1, 2, 16)]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.indices, runs[0].indices)
        np.testing.assert_array_equal(run.gains, runs[0].gains)


def test_large_pools_are_sampled_by_quality() -> None:
    pool = clustered(np.random.default_rng(4), n=2000, width=4)
    probs = np.where(np.arange(2000)[:, None] < 1000, [[0.95, 0.05]], [[0.55, 0.45]]).astype(np.float32)
    # As many picks as candidates, so that the picks show who the candidates were.
    chosen = select("dpp", 200, embeddings=pool.embeddings, probs=probs, references_max=200).indices
    assert len(chosen) == 200
    # Of quality 0.1 and 0.9: nine in ten.
    assert 160 < (chosen >= 1000).sum() < 196
    other = select("dpp", 200, embeddings=pool.embeddings, probs=probs, references_max=200, seed=1).indices
    assert set(other) != set(chosen)


def test_more_labels_than_are_conditioned_on() -> None:
    pool = clustered(np.random.default_rng(5), n=2000, width=8)
    labeled = np.arange(1500)
    result = select(
        "dpp", 30, embeddings=pool.embeddings, probs=pool.probs, labeled=labeled, labels=pool.classes[labeled], pending=[1999]
    )
    assert (result.indices >= 1500).all() and 1999 not in result.indices
