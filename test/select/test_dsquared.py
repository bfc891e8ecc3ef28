"""k-means++ and BADGE: their draws against the exact probabilities of the definition, written out in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import Pool, clustered, softmax

Doubles = npt.NDArray[np.float64]
SEEDS = 4000


def gradients(embeddings: npt.ArrayLike, probs: npt.ArrayLike, multi_label: bool = False) -> Doubles:
    """Return the gradient embeddings, formed: (p - y) outer embedding, y being the model's own answer."""
    x = np.asarray(embeddings, np.float64)
    p = np.asarray(probs, np.float64)
    y = (p >= 0.5) if multi_label else np.eye(p.shape[1])[p.argmax(1)]
    return ((p - y)[:, :, None] * x[:, None, :]).reshape(len(x), -1)


def distance2(points: Doubles) -> Doubles:
    return ((points[:, None, :] - points[None]) ** 2).sum(-1)


def chances(d2: Doubles, centers: list[int], free: npt.NDArray[np.bool_]) -> Doubles:
    """Return the probability of each point to be drawn next, by the definition."""
    weight = d2[:, centers].min(1) if centers else np.ones(len(d2))
    weight = np.where(free, weight, 0)
    if weight.sum() == 0:
        weight = free.astype(float)
    return weight / weight.sum()


Sets = dict[frozenset[int], float]


def set_chances(
    d2: Doubles, known: list[int], out: list[int], picks: int, groups: npt.NDArray[np.int64], first: int | None = None
) -> list[Sets]:
    """Return, for each number of draws, the probability of every set that they can make, over all orders of drawing it."""
    totals: list[Sets] = [{} for _ in range(picks)]

    def walk(chosen: list[int], chance: float) -> None:
        if chosen:
            key = frozenset(chosen)
            totals[len(chosen) - 1][key] = totals[len(chosen) - 1].get(key, 0) + chance
        if len(chosen) == picks:
            return
        free = ~np.isin(groups, groups[chosen])
        free[known + out] = False
        step = chances(d2, known + chosen, free)
        if not chosen and first is not None:
            step = np.eye(len(d2))[first]
        for i in np.flatnonzero(step):
            walk([*chosen, int(i)], chance * step[i])

    walk([], 1.0)
    return totals


def assert_drawn_by(expected: list[Sets], picks: int, **arguments: Any) -> None:
    """Pearson's chi-square for each number of draws, against the quantile that one test in 100,000 exceeds."""
    counts: list[Sets] = [{} for _ in range(picks)]
    for seed in range(SEEDS):
        chosen = select(k=picks, seed=seed, threads=1, **arguments).indices.tolist()
        for t in range(picks):
            key = frozenset(chosen[: t + 1])
            counts[t][key] = counts[t].get(key, 0) + 1
    for chance, count in zip(expected, counts, strict=True):
        assert set(count) <= set(chance)
        assert sum(chance.values()) == pytest.approx(1)
        frequent = [key for key in chance if SEEDS * chance[key] >= 8]
        e = np.array([SEEDS * chance[key] for key in frequent])
        o = np.array([count.get(key, 0) for key in frequent])
        e, o = np.append(e, SEEDS - e.sum() + 1e-9), np.append(o, SEEDS - o.sum())
        # The quantile by Wilson and Hilferty; the last cell is of all rare sets together.
        freedom = len(frequent)
        statistic = ((o - e)[e >= 8] ** 2 / e[e >= 8]).sum()
        assert statistic < freedom * (1 - 2 / (9 * freedom) + 4.265 * np.sqrt(2 / (9 * freedom))) ** 3


def small(n: int) -> Pool:
    rng = np.random.default_rng(11)
    embeddings = rng.normal(size=(n, 3)) * rng.uniform(0.7, 1.6, size=(n, 1))
    probs = softmax(rng.normal(size=(n, 3)))
    # Pairs stand close, so that a draw changes what may come next.
    embeddings[1::2] = embeddings[: n - 1 : 2] + 0.3 * rng.normal(size=(n // 2, 3))
    probs[1::2] = probs[: n - 1 : 2]
    return Pool(embeddings.astype(np.float32), probs, np.zeros(n, np.int64))


def test_kmeans_draws_have_the_definitions_distribution() -> None:
    pool = small(7)
    expected = set_chances(distance2(pool.embeddings.astype(np.float64)), [], [], 4, np.arange(7))
    assert_drawn_by(expected, 4, strategy="kmeans++", embeddings=pool.embeddings)


def test_kmeans_draws_away_from_labelled_and_in_flight_within_the_rules() -> None:
    pool = small(10)
    groups = np.array([0, 1, 2, 2, 4, 4, 6, 6, 6, 9])
    expected = set_chances(distance2(pool.embeddings.astype(np.float64)), [0, 3], [9], 3, groups)
    assert_drawn_by(
        expected, 3, strategy="kmeans++", embeddings=pool.embeddings, labeled=[0], labels=[0], pending=[3], excluded=[9],
        groups=groups + 1, group_max=1,
    )  # fmt: skip


@pytest.mark.parametrize("multi_label", [False, True])
def test_badge_begins_with_the_largest_gradient_and_draws_by_the_definition(multi_label: bool) -> None:
    pool = small(7)
    formed = gradients(pool.embeddings, pool.probs, multi_label)
    first = int((formed**2).sum(1).argmax())
    expected = set_chances(distance2(formed), [], [], 4, np.arange(7), first)
    assert_drawn_by(expected, 4, strategy="badge", embeddings=pool.embeddings, probs=pool.probs, multi_label=multi_label)


def test_badge_draws_away_from_what_is_in_flight_alone() -> None:
    pool = small(7)
    expected = set_chances(distance2(gradients(pool.embeddings, pool.probs)), [2], [4], 3, np.arange(7))
    assert_drawn_by(
        expected, 3, strategy="badge", embeddings=pool.embeddings, probs=pool.probs, pending=[2], labeled=[4], labels=[0]
    )


def potential(points: Doubles, chosen: npt.NDArray[np.int64]) -> float:
    return float(distance2_to(points, points[chosen]).min(1).sum())


def distance2_to(points: Doubles, centers: Doubles) -> Doubles:
    return np.maximum((points**2).sum(1)[:, None] + (centers**2).sum(1) - 2 * points @ centers.T, 0)


def sample(points: Doubles, k: int, first: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    chosen = [first]
    nearest = distance2_to(points, points[[first]])[:, 0]
    while len(chosen) < k:
        chosen.append(int(rng.choice(len(points), p=nearest / nearest.sum())))
        nearest = np.minimum(nearest, distance2_to(points, points[chosen[-1:]])[:, 0])
    return np.array(chosen)


@pytest.mark.parametrize("strategy", ["kmeans++", "badge"])
def test_the_potential_is_that_of_the_plain_loop(strategy: str) -> None:
    # Many clusters far apart: bounds from before a cluster was found are far too high, and nearly every proposal is refused.
    pool = clustered(np.random.default_rng(3), n=2000, width=8, classes=25, spread=0.05)
    points = pool.embeddings.astype(np.float64)
    if strategy == "badge":
        points = gradients(pool.embeddings, pool.probs)
    rng = np.random.default_rng(8)
    ours, plain = [], []
    for seed in range(10):
        result = select(strategy, 40, embeddings=pool.embeddings, probs=pool.probs, seed=seed)
        ours.append(potential(points, result.indices))
        plain.append(potential(points, sample(points, 40, int(result.indices[0]), rng)))
    error = np.hypot(np.std(ours), np.std(plain)) / np.sqrt(10)
    assert abs(np.mean(ours) - np.mean(plain)) < 4 * error
    assert np.mean(ours) < 0.5 * potential(points, rng.choice(2000, 40, replace=False))


def test_gains_are_squared_distances_at_the_draw(pool: Pool) -> None:
    points = gradients(pool.embeddings, pool.probs)
    result = select("badge", 30, embeddings=pool.embeddings, probs=pool.probs)
    assert result.gains[0] == pytest.approx((points**2).sum(1).max(), rel=1e-5)
    for i in range(1, 30):
        expected = distance2_to(points[result.indices[[i]]], points[result.indices[:i]]).min()
        assert result.gains[i] == pytest.approx(expected, rel=1e-4)
    assert (result.probabilities == 0).all()


@pytest.mark.parametrize("strategy", ["kmeans++", "badge"])
def test_duplicates_of_centers_come_when_nothing_else_is_left(strategy: str) -> None:
    rng = np.random.default_rng(1)
    embeddings = np.repeat(rng.normal(size=(20, 5)), 50, 0).astype(np.float32)
    probs = np.repeat(softmax(rng.normal(size=(20, 4))), 50, 0)
    for seed in range(5):
        result = select(strategy, 1000, embeddings=embeddings, probs=probs, seed=seed)
        assert len(np.unique(result.indices[:20] // 50)) == 20
        assert (result.gains[20:] == 0).all()
        assert len(np.unique(result.indices)) == 1000
        # Where all are alike, chance is equal: not the order of slots.
        assert np.abs(np.corrcoef(np.arange(980), result.indices[20:])[0, 1]) < 0.2


def test_a_certain_model_has_no_gradient() -> None:
    result = select("badge", 10, embeddings=np.eye(10, dtype=np.float32), probs=np.ones((10, 1), np.float32))
    assert result.indices[0] == 0
    assert sorted(result.indices) == list(range(10))
    assert (result.gains == 0).all()


@pytest.mark.parametrize("strategy", ["kmeans++", "badge"])
def test_huge_values_do_not_stop_the_draws(strategy: str) -> None:
    embeddings = np.array([[3e38, -3e38], [-3e38, 3e38], [1, 2], [0, 0], [1e20, 1]], np.float32)
    result = select(strategy, 5, embeddings=embeddings, probs=np.full((5, 2), 0.5, np.float32))
    assert sorted(result.indices) == list(range(5))
    assert np.isfinite(result.gains).all()


def test_seeds_differ_and_repeat(pool: Pool) -> None:
    runs = [select("kmeans++", 40, embeddings=pool.embeddings, seed=seed).indices.tolist() for seed in (1, 2, 1)]
    assert runs[0] == runs[2] != runs[1]


@pytest.mark.parametrize("strategy", ["kmeans++", "badge"])
def test_many_picks_are_the_same_with_any_number_of_threads(strategy: str) -> None:
    pool = clustered(np.random.default_rng(6), n=5000, width=256, classes=30, spread=0.5)
    expected = select(strategy, 700, embeddings=pool.embeddings, probs=pool.probs, threads=1)
    for threads in (2, 16):
        result = select(strategy, 700, embeddings=pool.embeddings, probs=pool.probs, threads=threads)
        np.testing.assert_array_equal(result.indices, expected.indices)
        np.testing.assert_array_equal(result.gains, expected.gains)
