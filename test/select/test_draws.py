"""Strategies over Monte-Carlo draws or a committee, against references written from the definitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import softmax
from test_scores import check_ranking, entropy, plogp

Doubles = npt.NDArray[np.float64]


def draws_of(seed: int, draws: int, n: int, classes: int, dtype: type = np.float32) -> npt.NDArray[np.floating]:
    rng = np.random.default_rng(seed)
    base = 2 * rng.normal(size=(1, n, classes))
    return softmax(base + rng.normal(size=(draws, n, classes)) * rng.choice([0, 0.3, 2], size=(1, n, 1))).astype(dtype)


def bald(p: Doubles) -> Doubles:
    return entropy(p.mean(0)) - np.mean([entropy(draw) for draw in p], 0)


def committee_kl(p: Doubles) -> Doubles:
    mean = p.mean(0)
    return np.mean([(draw * (np.log(draw) - np.log(mean))).sum(1) for draw in p], 0)


def votes(p: Doubles) -> Doubles:
    """Return the share of draws that vote for each class."""
    return np.mean([np.eye(p.shape[2])[draw.argmax(1)] for draw in p], 0)


def vote_entropy(p: Doubles) -> Doubles:
    return plogp(votes(p)).sum(1)


def variation_ratio(p: Doubles) -> Doubles:
    return 1 - votes(p).max(1)


STRATEGIES = {
    "bald": bald,
    "committee_kl": committee_kl,
    "vote_entropy": vote_entropy,
    "variation_ratio": variation_ratio,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("draws", "classes"), [(1, 3), (2, 2), (5, 10), (20, 45), (7, 1)])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_disagreement_is_its_definition(strategy: str, draws: int, classes: int, dtype: type) -> None:
    p = draws_of(1, draws, 203, classes, dtype)
    p = np.maximum(p, np.finfo(dtype).tiny)  # the reference takes logarithms
    check_ranking(strategy, STRATEGIES[strategy](p.astype(np.float64)), atol=2e-5, draws=p)


def test_draws_that_agree_carry_no_information() -> None:
    p = np.repeat(draws_of(2, 1, 50, 8), 6, 0)
    for strategy in STRATEGIES:
        assert np.abs(select(strategy, 50, draws=p).gains).max() < 1e-5


def test_certain_draws_that_differ_carry_all_there_is() -> None:
    p = np.zeros((4, 2, 4), np.float32)
    p[np.arange(4), 0, np.arange(4)] = 1
    p[:, 1, 2] = 1
    for strategy, most in (("bald", np.log(4)), ("vote_entropy", np.log(4)), ("variation_ratio", 0.75)):
        result = select(strategy, 2, draws=p)
        np.testing.assert_allclose(result.gains, [most, 0], atol=1e-5)


def test_the_mean_of_the_draws_predicts() -> None:
    p = draws_of(3, 5, 60, 4)
    result = select("bald", 60, draws=p, shares={2: (0.0, 0.1)})
    mean = p.astype(np.float64).mean(0)
    np.testing.assert_array_equal(result.reasons["predicted"], mean[result.indices].argmax(1))
    assert (mean[result.indices].argmax(1) == 2).sum() <= 6


# --- power_bald --------------------------------------------------------------------------------------------------------------


def chi_square_bound(freedom: int) -> float:
    """Return a bound that chance passes about once in 100,000 tests (Wilson and Hilferty's approximation)."""
    return float(freedom * (1 - 2 / (9 * freedom) + 4.3 * np.sqrt(2 / (9 * freedom))) ** 3)


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_first_picks_are_drawn_in_proportion(power: float) -> None:
    p = draws_of(4, 6, 6, 3) + 1e-3
    result = [select("power_bald", 2, draws=p, power=power, seed=seed, threads=1) for seed in range(3000)]
    weight = bald(p.astype(np.float64)) ** power
    pairs = np.zeros((6, 6))
    for one in result:
        pairs[one.indices[0], one.indices[1]] += 1
    # First in proportion to the weights, second to those that are left.
    expected = 3000 * weight[:, None] / weight.sum() * weight[None] / (weight.sum() - weight)[:, None]
    np.fill_diagonal(expected, 0)
    big = expected > 5
    rest = expected[~big].sum()
    statistic = ((pairs - expected)[big] ** 2 / expected[big]).sum()
    if rest > 5:
        statistic += (pairs[~big].sum() - rest) ** 2 / rest
    assert statistic < chi_square_bound(int(big.sum()))
    first, second = result[0].indices
    np.testing.assert_allclose(
        result[0].probabilities,
        [weight[first] / weight.sum(), weight[second] / (weight.sum() - weight[first])],
        rtol=1e-2,
    )


def test_samples_that_score_nothing_come_last() -> None:
    p = draws_of(5, 4, 40, 5)
    p[:, ::2] = np.eye(5)[0]
    for seed in range(20):
        result = select("power_bald", 40, draws=p, seed=seed)
        positive = result.gains > 0
        assert positive[: positive.sum()].all()
        assert np.isfinite(result.reasons["utility"]).all()
