"""Strategies that rank samples by a score of their predictions, against references written from the definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import Pool, clustered, softmax

Doubles = npt.NDArray[np.float64]


def plogp(p: Doubles) -> Doubles:
    """Return -p ln p, 0 where p is 0."""
    return -p * np.log(np.where(p > 0, p, 1))


def least_confidence(p: Doubles) -> Doubles:
    return 1 - p.max(1)


def margin(p: Doubles) -> Doubles:
    padded = np.concatenate([p, np.zeros((len(p), 1))], 1)
    ordered = np.sort(padded, 1)
    return 1 - (ordered[:, -1] - ordered[:, -2])


def entropy(p: Doubles) -> Doubles:
    return plogp(p).sum(1)


SCORES: dict[str, Callable[[Doubles], Doubles]] = {
    "least_confidence": least_confidence,
    "margin": margin,
    "entropy": entropy,
}


def check_ranking(strategy: str, expected: Doubles, atol: float = 1e-5, **arguments: Any) -> None:
    """Every sample is picked, its gain is its score, and the order is that of the scores as far as floats tell them apart."""
    result = select(strategy, len(expected), **arguments)
    assert len(np.unique(result.indices)) == len(expected)
    np.testing.assert_allclose(result.gains, expected[result.indices], rtol=0, atol=atol)
    assert (np.diff(result.gains) <= 0).all()
    # Of equal gains the lower index comes first.
    equal = np.diff(result.gains) == 0
    assert (np.diff(result.indices)[equal] > 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("classes", [1, 2, 5, 16, 23, 41, 100])
@pytest.mark.parametrize("strategy", SCORES)
def test_scores_are_their_definitions(strategy: str, classes: int, dtype: type) -> None:
    rng = np.random.default_rng(classes)
    probs = softmax(rng.normal(size=(331, classes)) * rng.choice([0.1, 1, 8], size=(331, 1))).astype(dtype)
    probs[7] = probs[300] = 0
    probs[8, 0], probs[8, 1:] = 1, 0
    probs[50:60] = probs[49]
    check_ranking(strategy, SCORES[strategy](probs.astype(np.float64)), probs=probs)


@pytest.mark.parametrize("strategy", SCORES)
def test_top_k_spreads_the_rest(strategy: str) -> None:
    rng = np.random.default_rng(3)
    probs = softmax(2 * rng.normal(size=(200, 12)))
    order = np.argsort(-probs, 1)[:, :4]
    top = np.take_along_axis(probs, order, 1)
    whole = np.repeat((1 - top.astype(np.float64).sum(1, keepdims=True)) / 8, 12, 1)
    np.put_along_axis(whole, order, top.astype(np.float64), 1)
    check_ranking(strategy, SCORES[strategy](whole), topk=(order, top), classes=12)


def test_dear_samples_must_be_worth_it(pool: Pool) -> None:
    prices = np.random.default_rng(1).choice([0.1, 0.5, 2.0], len(pool))
    result = select("entropy", 50, probs=pool.probs, prices=prices)
    per_dollar = entropy(pool.probs.astype(np.float64)) / prices
    np.testing.assert_allclose(result.reasons["utility"], np.sort(per_dollar)[::-1][:50], rtol=1e-4)


@pytest.mark.parametrize("threads", [2, 16])
def test_many_rows_score_the_same_on_any_threads(threads: int) -> None:
    probs = softmax(np.random.default_rng(4).normal(size=(20_000, 10)))
    alone = select("entropy", 20_000, probs=probs, threads=1)
    together = select("entropy", 20_000, probs=probs, threads=threads)
    np.testing.assert_array_equal(alone.indices, together.indices)
    np.testing.assert_array_equal(alone.gains, together.gains)


# --- multi-label -------------------------------------------------------------------------------------------------------------

AGGREGATES: dict[str, Callable[[Doubles], Doubles]] = {
    "max": lambda scores: scores.max(1),
    "mean": lambda scores: scores.mean(1),
    "sum": lambda scores: scores.sum(1),
}


def bernoulli(strategy: str, p: Doubles) -> Doubles:
    """Return the score of every yes or no."""
    pairs = np.stack([p, 1 - p], -1).reshape(-1, 2)
    return SCORES[strategy](pairs).reshape(p.shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("strategy", SCORES)
def test_labels_are_scored_one_by_one(strategy: str, aggregate: str, dtype: type) -> None:
    probs = np.random.default_rng(6).beta(0.3, 0.3, size=(257, 11)).astype(dtype)
    probs[3], probs[4], probs[5] = 0, 1, 0.5
    expected = AGGREGATES[aggregate](bernoulli(strategy, probs.astype(np.float64)))
    check_ranking(strategy, expected, probs=probs, multi_label=True, aggregate=aggregate)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_labels_that_top_k_leaves_out_are_absent(aggregate: str) -> None:
    probs = np.random.default_rng(7).beta(0.3, 0.3, size=(120, 9)).astype(np.float32)
    order = np.argsort(-probs, 1)[:, :3]
    kept = np.zeros((120, 9))
    np.put_along_axis(kept, order, np.take_along_axis(probs, order, 1).astype(np.float64), 1)
    expected = AGGREGATES[aggregate](bernoulli("entropy", kept))
    topk = (order, np.take_along_axis(probs, order, 1))
    check_ranking("entropy", expected, topk=topk, classes=9, multi_label=True, aggregate=aggregate)


def test_the_surest_label_is_the_class_of_a_sample() -> None:
    probs = np.random.default_rng(8).random((50, 4)).astype(np.float32)
    result = select("margin", 50, probs=probs, multi_label=True)
    np.testing.assert_array_equal(result.reasons["predicted"], probs[result.indices].argmax(1))


@pytest.mark.parametrize("strategy", ["gradient_length", "bald"])
def test_what_needs_a_distribution_refuses_labels(strategy: str, pool: Pool) -> None:
    with pytest.raises(ValueError, match="multi_label: expected"):
        select(strategy, 5, probs=pool.probs, embeddings=pool.embeddings, draws=pool.probs[None], multi_label=True)


# --- detections --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("strategy", SCORES)
def test_objects_are_aggregated(strategy: str, aggregate: str, dtype: type) -> None:
    rng = np.random.default_rng(9)
    counts = rng.choice([0, 1, 2, 7], size=150)
    objects = softmax(3 * rng.normal(size=(int(counts.sum()), 6))).astype(dtype)
    scores = SCORES[strategy](objects.astype(np.float64))
    parts = np.split(scores, np.cumsum(counts)[:-1])
    expected = np.array([float(AGGREGATES[aggregate](part[None])[0]) if len(part) else 0.0 for part in parts])
    check_ranking(strategy, expected, objects=(objects, counts), aggregate=aggregate)
    result = select(strategy, 150, objects=(objects, counts), aggregate=aggregate)
    for index, predicted in zip(result.indices, result.reasons["predicted"], strict=True):
        mine = np.split(objects, np.cumsum(counts)[:-1])[index]
        surest = mine[mine.max(1).argmax()].argmax() if len(mine) else -1
        assert predicted == surest


def test_samples_without_any_object() -> None:
    result = select("entropy", 5, objects=(np.empty((0, 3), np.float32), np.zeros(4, np.int64)), classes=3)
    assert sorted(result.indices) == [0, 1, 2, 3]
    assert (result.gains == 0).all()


def test_auto_takes_objects_and_labels(pool: Pool) -> None:
    counts = np.full(len(pool), 2)
    objects = np.repeat(pool.probs, 2, 0)
    labeled = np.arange(0, 400, 4)
    known = {"labeled": labeled, "labels": pool.classes[labeled]}
    assert len(select("auto", 20, objects=(objects, counts), **known)) == 20
    assert len(select("auto", 20, probs=pool.probs, multi_label=True, embeddings=pool.embeddings, **known)) == 20


# --- with embeddings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_gradient_length_is_the_mean_length_of_gradients(dtype: type) -> None:
    pool = clustered(np.random.default_rng(11), 120, width=5, classes=7)
    probs, embeddings = pool.probs.astype(dtype), pool.embeddings.astype(dtype)
    expected = np.zeros(120)
    for i in range(120):
        p, x = probs[i].astype(np.float64), np.append(embeddings[i].astype(np.float64), 1)
        for label in range(7):
            gradient = np.outer(p - np.eye(7)[label], x)
            expected[i] += p[label] * np.sqrt((gradient**2).sum())
    check_ranking("gradient_length", expected, probs=probs, embeddings=embeddings)


def test_lengths_whose_squares_overflow_have_a_gain() -> None:
    embeddings = np.array([[1, 2], [3e25, 0], [3e25, 0]], np.float32)
    result = select("gradient_length", 3, probs=np.array([[0.5, 0.5], [0.5, 0.5], [1, 0]], np.float32), embeddings=embeddings)
    assert result.indices.tolist() == [1, 0, 2]
    assert np.isfinite(result.gains).all()


@pytest.mark.parametrize("power", [0, 2])
def test_density_is_entropy_times_mean_similarity(power: int) -> None:
    pool = clustered(np.random.default_rng(12), 150)
    unit = pool.embeddings.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similarity = np.maximum((unit @ unit.T).mean(1), 0)
    expected = entropy(pool.probs.astype(np.float64)) * similarity ** (power or 1)
    check_ranking("density", expected, probs=pool.probs, embeddings=pool.embeddings, power=power)
    check_ranking("density", similarity ** (power or 1), embeddings=pool.embeddings, power=power)


@pytest.mark.parametrize("neighbors", [0, 1, 9])
def test_outlier_is_the_distance_to_a_neighbor(neighbors: int) -> None:
    pool = clustered(np.random.default_rng(13), 150)
    x = pool.embeddings.astype(np.float64)
    distance = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    np.fill_diagonal(distance, np.inf)
    expected = np.sort(distance, 1)[:, (neighbors or 5) - 1]
    check_ranking("outlier", expected, atol=1e-4, embeddings=pool.embeddings, neighbors=neighbors)


def test_utility_is_the_callers(pool: Pool) -> None:
    utility = np.random.default_rng(14).normal(size=len(pool)).round(1).astype(np.float32)
    result = select("utility", len(pool), utility=utility)
    np.testing.assert_array_equal(result.indices, np.argsort(-utility, kind="stable"))


@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30, 0.0])
def test_order_of_extreme_utilities(scale: float) -> None:
    rng = np.random.default_rng(15)
    utility = (rng.normal(size=30_000) * scale).astype(np.float32)
    utility[17], utility[18] = 3e38, -3e38
    result = select("utility", 30_000, utility=utility, prices=0)
    np.testing.assert_array_equal(result.indices, np.argsort(-utility.astype(np.float64), kind="stable"))
