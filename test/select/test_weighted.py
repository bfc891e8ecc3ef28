"""Weighted chance: inclusion probabilities are what is recorded, and what the definition says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import select

RUNS = 3000


def exact(weight: npt.ArrayLike, balance: npt.ArrayLike, target: float) -> npt.NDArray[np.float64]:
    """Return min(1, c w) with balances that sum to the target, by bisection."""
    w, b = np.asarray(weight, float), np.asarray(balance, float)
    if b[w > 0].sum() <= target:
        return (w > 0).astype(float)
    low, high = 0.0, 1e12
    for _ in range(300):
        middle = (low + high) / 2
        if (b * np.minimum(1, middle * w)).sum() < target:
            low = middle
        else:
            high = middle
    return np.minimum(1, low * w)


def frequencies(n: int, **arguments: Any) -> tuple[npt.NDArray[np.float64], list[Any]]:
    counts = np.zeros(n)
    results = [select("weighted_random", seed=seed, threads=1, **arguments) for seed in range(RUNS)]
    for result in results:
        counts[result.indices] += 1
    return counts / RUNS, results


def check_frequencies(found: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> None:
    deviation = np.sqrt(expected * (1 - expected) / RUNS)
    assert (np.abs(found - expected) <= 4.5 * deviation + 1e-6).all()


WEIGHTS = np.array([5, 1, 1, 0, 2, 3, 0.5, 40, 0.25, 2.25], np.float32)


@pytest.mark.parametrize("k", [1, 3, 7, 8])
def test_inclusion_is_in_proportion_to_the_weight(k: int) -> None:
    expected = exact(WEIGHTS, np.ones(10), k)
    found, results = frequencies(10, k=k, utility=WEIGHTS)
    check_frequencies(found, expected)
    for result in results[:50]:
        assert len(result) == k
        np.testing.assert_allclose(result.probabilities, expected[result.indices], rtol=1e-9)


def test_pairs_are_not_always_the_same() -> None:
    _, results = frequencies(10, k=2, utility=np.ones(10))
    assert len({tuple(sorted(result.indices)) for result in results}) == 45


def test_a_budget_of_equal_prices_is_a_count() -> None:
    expected = exact(WEIGHTS, np.ones(10), 3)
    found, results = frequencies(10, budget=1.75, prices=0.5, utility=WEIGHTS)
    check_frequencies(found, expected)
    assert all(len(result) == 3 for result in results)


def test_a_budget_of_unequal_prices_is_the_expected_cost() -> None:
    rng = np.random.default_rng(3)
    n = 400
    weight = rng.gamma(1, 1, n).astype(np.float32)
    prices = rng.choice([0.1, 0.2, 0.7], n)
    expected = exact(weight, prices, 20)
    found, results = frequencies(n, budget=20, prices=prices, utility=weight)
    costs = np.array([result.cost_usd for result in results])
    assert costs.max() <= 20 and costs.min() > 20 - 0.7
    # Exact but for the one sample of each run that no partner was left for.
    deviation = np.sqrt(expected * (1 - expected) / RUNS)
    assert (np.abs(found - expected) <= 4.5 * deviation + 5 / n).all()
    np.testing.assert_allclose(results[0].probabilities, expected[results[0].indices], rtol=1e-6)


def test_the_first_bound_to_be_met_counts() -> None:
    prices = np.where(np.arange(10) % 2, 0.1, 0.2)
    result = select("weighted_random", 4, budget=100, prices=prices, utility=WEIGHTS)
    assert len(result) == 4
    np.testing.assert_allclose(result.probabilities, exact(WEIGHTS, np.ones(10), 4)[result.indices])


def test_what_weighs_nothing_is_never_picked() -> None:
    utility = np.array([0, -1, 2, 0, 3], np.float32)
    result = select("weighted_random", 5, utility=utility, spares=5)
    assert sorted(result.indices) == [2, 4]
    assert len(result.spares) == 0
    assert len(select("weighted_random", 5, utility=np.zeros(4))) == 0


def test_free_samples_are_drawn_by_themselves() -> None:
    prices = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    weight = np.array([1, 2, 4, 1, 2, 4, 2, 1])
    expected = exact(weight, prices, 3)
    found, results = frequencies(8, budget=3, prices=prices, utility=weight)
    check_frequencies(found[:3], expected[:3])
    assert all(result.cost_usd <= 3 for result in results)


def test_spares_come_after_the_draw() -> None:
    result = select("weighted_random", 3, utility=np.arange(1, 21), spares=6)
    assert len(result) == 3 and len(result.spares) == 6
    assert not set(result.spares) & set(result.indices)
    alone = select("weighted_random", 3, utility=np.arange(1, 21))
    np.testing.assert_array_equal(result.indices, alone.indices)


def test_groups_replace_what_they_forbid() -> None:
    for seed in range(50):
        result = select("weighted_random", 5, utility=np.arange(1, 21), groups=np.arange(20) // 2, group_max=1, seed=seed)
        assert len(result) == 5
        assert len(np.unique(result.indices // 2)) == 5


def test_weights_of_all_sizes() -> None:
    weight = (2.0 ** -np.arange(100)).astype(np.float32)
    result = select("weighted_random", 20, utility=weight)
    assert len(result) == 20
    expected = exact(weight, np.ones(100), 20)
    np.testing.assert_allclose(result.probabilities, expected[result.indices], rtol=1e-6)
