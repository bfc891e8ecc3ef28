"""Facility location, graph cut and uncertainty coverage against their definitions in a few lines of numpy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import Pool

Floats = npt.NDArray[np.float64]
RADIUS = 0.8


def similarity(points: npt.NDArray[Any], radius: float = RADIUS) -> Floats:
    wide = points.astype(np.float64)
    return np.exp(-((wide[:, None] - wide[None]) ** 2).sum(-1) / radius**2)


def coverage(near: Floats, weight: Floats, chosen: list[int]) -> float:
    """The sum over samples of weight times similarity to the nearest chosen one."""
    return float((weight * near[:, chosen].max(1)).sum()) if chosen else 0.0


def cut(near: Floats, pool: npt.NDArray[np.int64], redundancy: float, chosen: list[int]) -> float:
    return float(near[np.ix_(pool, chosen)].sum() - redundancy * near[np.ix_(chosen, chosen)].sum())


def assert_greedy(
    value: Callable[[list[int]], float], picks: npt.NDArray[np.int64], candidates: list[int], known: list[int], price: Floats
) -> None:
    """Each pick adds as much per dollar as any other candidate could at its moment, to the digits of single precision."""
    chosen: list[int] = []
    for pick in picks.tolist():
        before = value(known + chosen)
        left = [c for c in candidates if c not in chosen]
        gains = np.array([value([*known, *chosen, c]) - before for c in left])
        per_dollar = np.where(gains > 0, gains / price[left], gains * price[left])
        assert per_dollar[left.index(pick)] >= per_dollar.max() - 1e-5 * abs(per_dollar).max()
        chosen.append(pick)


CASES = {
    "plain": {},
    "labelled": {"labeled": [3, 20, 55], "labels": [0, 1, 2]},
    "in flight": {"pending": [7, 8]},
    "priced": {"prices": np.where(np.arange(120) % 3 == 0, 0.5, 0.1)},
    "half": {"half": True},
}


@pytest.fixture
def small(pool: Pool) -> Pool:
    return pool.part(np.arange(120))


def setting(case: str, small: Pool) -> tuple[npt.NDArray[Any], list[int], list[int], Floats, dict[str, Any]]:
    arguments = dict(CASES[case])
    points = small.embeddings.astype(np.float16) if arguments.pop("half", False) else small.embeddings
    known = [*arguments.get("labeled", []), *arguments.get("pending", [])]
    candidates = [i for i in range(len(small)) if i not in known]
    return points, known, candidates, np.asarray(arguments.get("prices", np.ones(len(small)))), arguments


@pytest.mark.parametrize("case", CASES)
def test_facility_location_is_greedy(case: str, small: Pool) -> None:
    points, known, candidates, price, arguments = setting(case, small)
    near = similarity(points)
    weight = np.isin(np.arange(len(small)), candidates).astype(float)
    result = select("facility_location", 25, embeddings=points, radius=RADIUS, **arguments)
    assert_greedy(lambda chosen: coverage(near, weight, chosen), result.indices, candidates, known, price)
    total = coverage(near, weight, known + result.indices.tolist()) - coverage(near, weight, known)
    assert result.stats["objective"] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("redundancy", [0.1, 0.5, 5.0])
@pytest.mark.parametrize("case", CASES)
def test_graph_cut_is_greedy(case: str, redundancy: float, small: Pool) -> None:
    points, known, candidates, price, arguments = setting(case, small)
    near = similarity(points)
    pool = np.array(candidates)
    result = select("graph_cut", 25, embeddings=points, radius=RADIUS, redundancy=redundancy, **arguments)
    assert_greedy(lambda chosen: cut(near, pool, redundancy, chosen), result.indices, candidates, known, price)
    total = cut(near, pool, redundancy, known + result.indices.tolist()) - cut(near, pool, redundancy, known)
    assert result.stats["objective"] == pytest.approx(total, rel=1e-5)


def worth(small: Pool, labeled: list[int], labels: list[int]) -> Floats:
    """The worth of each sample, as docs/selection.md defines it: uncertainty once labels come, and the weights of classes."""
    classes = small.probs.shape[1]
    two = np.sort(small.probs.astype(np.float64), axis=1)[:, -2:]
    trust = len(labeled) / (len(labeled) + 2 * classes + 1)
    uncertainty = 1 - trust * (two[:, 1] - two[:, 0])
    counts = np.bincount(labels, minlength=classes) if labels else np.zeros(classes)
    weight = np.clip((counts.sum() / classes + 1) / (counts + 1), 1 / 6, 6)
    return uncertainty * weight[small.probs.argmax(1)]


@pytest.mark.parametrize("case", CASES)
def test_uncertainty_coverage_is_greedy(case: str, small: Pool) -> None:
    points, known, candidates, price, arguments = setting(case, small)
    near = similarity(points)
    weight = worth(small, arguments.get("labeled", []), arguments.get("labels", []))
    weight[[i for i in range(len(small)) if i not in candidates]] = 0
    result = select("coverage", 25, embeddings=points, probs=small.probs, radius=RADIUS, **arguments)
    assert_greedy(lambda chosen: coverage(near, weight, chosen), result.indices, candidates, known, price)


def test_coverage_weighs_classes_and_slices(small: Pool) -> None:
    near = similarity(small.embeddings)
    night = np.arange(120) % 4 == 0
    factor = np.array([1, 8, 0.5, 1, 1])
    weight = worth(small, [], []) * factor[small.probs.argmax(1)] * np.where(night, 3, 1)
    result = select(
        "coverage", 20, embeddings=small.embeddings, probs=small.probs, radius=RADIUS, class_weight=factor,
        tags={"night": night}, slice_weight={"night": 3},
    )  # fmt: skip
    assert_greedy(lambda chosen: coverage(near, weight, chosen), result.indices, list(range(120)), [], np.ones(120))
    np.testing.assert_allclose(result.reasons["slice_weight"], np.where(night, 3, 1)[result.indices])
    np.testing.assert_allclose(result.reasons["class_weight"], factor[small.probs.argmax(1)][result.indices])


@pytest.mark.parametrize("strategy", ["facility_location", "coverage"])
@pytest.mark.parametrize("seed", range(8))
def test_greedy_reaches_its_share_of_the_best_set(strategy: str, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 3)).astype(np.float32)
    near, weight = similarity(points, 1.5), np.ones(12)
    best = max(coverage(near, weight, list(chosen)) for chosen in combinations(range(12), 4))
    result = select(strategy, 4, embeddings=points, radius=1.5)
    assert coverage(near, weight, result.indices.tolist()) >= (1 - 1 / np.e) * best


@pytest.mark.parametrize("strategy", ["facility_location", "coverage", "auto"])
@pytest.mark.parametrize("seed", range(8))
def test_the_knapsack_choice_reaches_its_share_of_the_best_set(strategy: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(11, 3)).astype(np.float32)
    prices = rng.choice([0.1, 0.2, 0.9], size=11)
    near, weight = similarity(points, 1.5), np.ones(11)
    affordable = [
        list(chosen) for k in range(1, 12) for chosen in combinations(range(11), k) if prices[list(chosen)].sum() <= 1 + 1e-9
    ]
    best = max(coverage(near, weight, chosen) for chosen in affordable)
    result = select(
        strategy, budget=1, embeddings=points, prices=prices, radius=1.5, control_share=0, duplicates=False, junk=False
    )
    assert result.cost_usd <= 1
    assert coverage(near, weight, result.indices.tolist()) >= 0.5 * (1 - 1 / np.e) * best


@pytest.mark.parametrize("strategy", ["facility_location", "coverage", "probcover"])
def test_one_dear_sample_may_beat_what_greed_buys(strategy: str) -> None:
    """Nine twins for a dear dollar against one far sample for a cent: greed buys the far one and can't pay for a twin."""
    points = np.zeros((10, 2), np.float32)
    points[9] = 50
    prices = np.full(10, 1.0)
    prices[9] = 0.01
    result = select(strategy, budget=1, embeddings=points, prices=prices, radius=1.0)
    assert result.indices[0] != 9
    assert result.cost_usd == 1
    assert result.stats["objective"] == pytest.approx(9)


def test_a_pool_too_large_to_keep_its_kernel_picks_as_a_small_one_does() -> None:
    """Past 512 MB of kernel values they are computed again when needed; a pool of twins shows that the picks are the same."""
    points = np.random.default_rng(5).normal(size=(6000, 4)).astype(np.float32)
    kept = select("facility_location", 30, embeddings=points, radius=0.5)
    twins = np.concatenate([points, points])
    again = select("facility_location", 30, embeddings=twins, radius=0.5)
    assert again.indices.tolist() == kept.indices.tolist()
    np.testing.assert_allclose(again.gains, 2 * kept.gains, rtol=1e-4)


def test_a_sample_of_reference_points_loses_little(pool: Pool) -> None:
    near, weight = similarity(pool.embeddings, 2.0), np.ones(len(pool))
    exact, sampled = (
        select("facility_location", 20, embeddings=pool.embeddings, radius=2.0, references_max=most).indices.tolist()
        for most in (400, 100)
    )
    assert 0.9 * coverage(near, weight, exact) <= coverage(near, weight, sampled) <= coverage(near, weight, exact)


@pytest.mark.parametrize("strategy", ["coverage", "auto"])
def test_many_picks_come_in_rounds_over_new_samples(strategy: str, pool: Pool) -> None:
    """With 40 points for 400 samples a round picks ten: points of one sample alone would not be enough for all."""
    result = select(
        strategy, 100, embeddings=pool.embeddings, probs=pool.probs, radius=2.0, references_max=40, spares=7, control_share=0,
        duplicates=False, junk=False, shares={2: 0.3},
    )  # fmt: skip
    chosen = np.concatenate([result.indices, result.spares])
    assert (len(result), len(result.spares), len(np.unique(chosen))) == (100, 7, 107)
    assert (result.reasons["predicted"] == 2).sum() >= 30
    near, weight = similarity(pool.embeddings, 2.0), np.ones(len(pool))
    by_chance = np.random.default_rng(0).permutation(len(pool))[:100].tolist()
    assert coverage(near, weight, result.indices.tolist()) > coverage(near, weight, by_chance)
    assert result.stats["objective"] == pytest.approx(result.gains.sum())


@pytest.mark.parametrize("strategy", ["coverage", "auto"])
@pytest.mark.parametrize("count", [390, 400, 500])
def test_rounds_take_the_pool_to_its_end(strategy: str, count: int, pool: Pool) -> None:
    """A sample by the chances of the whole pool would hold next to nothing of what is left."""
    off = {"control_share": 0, "duplicates": False, "junk": False}
    result = select(strategy, count, embeddings=pool.embeddings, radius=2.0, references_max=40, **off)
    assert len(np.unique(result.indices)) == len(result) == min(count, 400)


def test_the_last_round_ends_the_money_and_has_the_spares(pool: Pool) -> None:
    prices = np.random.default_rng(3).uniform(0.05, 1.0, size=len(pool))
    result = select("coverage", budget=12, embeddings=pool.embeddings, prices=prices, references_max=40, spares=9)
    chosen = np.concatenate([result.indices, result.spares])
    assert len(result.spares) == 9
    assert len(np.unique(chosen)) == len(chosen)
    assert 11 <= result.cost_usd <= 12


@pytest.mark.parametrize(("copies", "labels"), [(1, 20_000), (30, 20_000), (30, 140_000)])
def test_a_pool_with_many_labels_is_covered_as_by_all_of_them(copies: int, labels: int) -> None:
    """Of few samples every pair is measured; many look through the labelled ones by sketches, a part of these at a time."""
    rng = np.random.default_rng(12)
    labeled = rng.normal(size=(labels, 3)).astype(np.float32)
    points = rng.normal(size=(150, 3)).astype(np.float32) * 2
    nearest = np.array([np.sum((labeled.astype(float) - point) ** 2, axis=1).min() for point in points])
    near = similarity(points)
    covered = np.exp(-nearest / RADIUS**2)
    result = select(
        "facility_location", 20, embeddings=np.concatenate([labeled, *[points] * copies]), radius=RADIUS,
        labeled=np.arange(labels), labels=np.zeros(labels, int),
    )  # fmt: skip
    value = lambda chosen: copies * float(np.maximum(covered, near[:, chosen].max(1) if chosen else 0).sum())  # noqa: E731
    picks = (result.indices - labels) % 150
    assert_greedy(value, picks, list(range(150)), [], np.ones(150))
    assert result.stats["objective"] == pytest.approx(value(picks.tolist()) - value([]), rel=1e-5)
