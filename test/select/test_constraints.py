"""The rules that hold for every strategy: money, groups, shares, includes, filters; judged from the picks alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from curated import SelectResult, select, strategies
from pools import Pool

N = 400
RANDOM = ("random", "weighted_random")


@pytest.fixture(params=strategies())
def strategy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(strategy: str, pool: Pool, **arguments: Any) -> SelectResult:
    """Give the strategy every column it may want."""
    rng = np.random.default_rng(2)
    noise = rng.gamma(1, 0.3, size=(3, *pool.probs.shape))
    draws = (pool.probs + noise) / (pool.probs + noise).sum(-1, keepdims=True)
    labeled = np.arange(0, len(pool), 20)
    return select(
        strategy,
        arguments.pop("k", None),
        **{
            "probs": pool.probs,
            "embeddings": pool.embeddings,
            "utility": pool.probs.max(1),
            "draws": draws.astype(np.float32),
            "labeled": labeled,
            "labels": pool.classes[labeled],
            **arguments,
        },
    )


def test_picks_are_candidates_and_each_comes_once(strategy: str, pool: Pool) -> None:
    pending, excluded = np.arange(1, N, 20), np.arange(2, N, 20)
    result = run(strategy, pool, k=60, spares=10, pending=pending, excluded=excluded)
    chosen = np.concatenate([result.indices, result.spares])
    assert len(np.unique(chosen)) == len(chosen)
    assert not np.isin(chosen % 20, [0, 1, 2]).any()
    assert np.isfinite(result.gains).all()
    assert ((result.probabilities >= 0) & (result.probabilities <= 1)).all()


def test_picks_are_told_what_is_predicted(strategy: str, pool: Pool) -> None:
    result = run(strategy, pool, k=30, spares=5)
    np.testing.assert_array_equal(result.reasons["predicted"], pool.probs.argmax(1)[result.indices])


def test_what_is_predicted_is_read_from_any_kind_of_prediction(pool: Pool) -> None:
    """By a strategy that reads none of them."""
    order = np.argsort(-pool.probs, axis=1, kind="stable")
    counts = np.arange(N) % 3
    objects = np.repeat(pool.probs, counts, axis=0)
    for predictions in (
        {"topk": (order[:, :2], np.take_along_axis(pool.probs, order[:, :2], 1)), "classes": 5},
        {"objects": (objects, counts)},
        {"draws": pool.probs[None]},
        {"probs": pool.probs, "multi_label": True},
    ):
        result = select("kcenter", 40, embeddings=pool.embeddings, **predictions)
        expected = pool.probs.argmax(1)[result.indices]
        if "objects" in predictions:
            expected[counts[result.indices] == 0] = -1
        if "multi_label" in predictions:
            expected = select("margin", N, probs=pool.probs, multi_label=True)
            expected = dict(zip(expected.indices, expected.reasons["predicted"], strict=True))
            expected = [expected[slot] for slot in result.indices]
        np.testing.assert_array_equal(result.reasons["predicted"], expected)


def test_the_budget_holds_and_is_used(strategy: str, pool: Pool) -> None:
    prices = np.where(np.arange(N) % 3 == 0, 0.5, 0.1)
    result = run(strategy, pool, budget=5, prices=prices, overlap=2)
    assert result.cost_usd == pytest.approx(2 * prices[result.indices].sum())
    assert result.cost_usd <= 5
    assert result.cost_usd > 3.9


def test_no_group_has_more_than_its_share(strategy: str, pool: Pool) -> None:
    groups = np.arange(N) // 8
    result = run(strategy, pool, k=80, groups=groups, group_max=2)
    assert np.bincount(groups[result.indices]).max() <= 2


def test_minimum_and_maximum_shares(strategy: str, pool: Pool) -> None:
    predicted = pool.probs.argmax(1)
    night = np.arange(N) % 4 == 1
    shares: dict[int | str, Any] = {2: (0.3, 0.4), 0: (0.0, 0.1), "night": (0.5, 1.0)}
    result = run(strategy, pool, k=40, tags={"night": night}, shares=shares)
    counts = np.bincount(predicted[result.indices], minlength=5)
    assert 12 <= counts[2] <= 16
    assert counts[0] <= 4
    assert night[result.indices].sum() >= 20
    filled = result.reasons["share"]
    assert ((filled >= 0) == (result.reasons["arm"] == "share")).all()
    assert (predicted[result.indices][filled == 0] == 2).all() and night[result.indices][filled == 2].all()
    assert set(result.reasons["arm"]) <= {"policy", "control", "share"}


def test_maximum_shares_of_money(strategy: str, pool: Pool) -> None:
    prices = np.where(np.arange(N) % 2 == 0, 0.3, 0.1)
    dear = np.arange(N) % 2 == 0
    result = run(strategy, pool, budget=6, prices=prices, tags={"dear": dear}, shares={"dear": (0.0, 0.25)})
    assert prices[result.indices][dear[result.indices]].sum() <= 1.5 + 1e-9


def test_included_samples_come_first_and_count(strategy: str, pool: Pool) -> None:
    include = [399, 5, 201]
    result = run(strategy, pool, k=20, include=include)
    assert result.indices[:3].tolist() == include
    assert (result.reasons["arm"][:3] == "include").all()
    assert len(np.unique(result.indices)) == len(result) <= 20
    if strategy in RANDOM:
        return
    # They are known to whatever is picked after: the same as if they were being labelled.
    after = run(strategy, pool, k=17, pending=include, control_share=0)
    again = run(strategy, pool, k=20, include=include, control_share=0)
    if strategy not in ("kmeans++", "badge", "power_bald", "typiclust", "cluster_margin"):
        np.testing.assert_array_equal(again.indices[3:], after.indices)


@pytest.mark.parametrize("bound", [{"k": 10}, {"budget": 10}])
def test_chance_is_of_what_included_samples_leave(bound: dict[str, int]) -> None:
    result = select("random", n=200, include=[3, 7], **bound)
    assert len(result) == 10 and result.probabilities[:2].tolist() == [0, 0]
    assert result.probabilities[2:] == pytest.approx(8 / 198)


@pytest.mark.parametrize("bound", [{"k": 20}, {"budget": 20}])
def test_the_control_arm_has_its_share_beside_included_samples(bound: dict[str, int], pool: Pool) -> None:
    result = select("auto", probs=pool.probs, embeddings=pool.embeddings, include=range(20, 28), control_share=0.25, **bound)
    assert (result.reasons["arm"] == "control").sum() == 5
    assert (result.probabilities[result.reasons["arm"] == "include"] == 0).all()
    assert (result.probabilities[result.reasons["arm"] == "control"] > 0).all()


@pytest.mark.parametrize("include", [[0], [5, 5], [400]])
def test_what_cannot_be_included_is_refused(include: list[int], pool: Pool) -> None:
    with pytest.raises(ValueError, match="include: expected"):
        run("margin", pool, k=20, include=include)


def test_includes_must_be_paid_for(pool: Pool) -> None:
    with pytest.raises(ValueError, match="include: expected what the budget reaches, got 2 of 3"):
        run("margin", pool, budget=2, include=[1, 2, 3])
    with pytest.raises(ValueError, match="include: expected no more than count"):
        run("margin", pool, k=2, include=[1, 2, 3])


def test_near_duplicates_are_kept_out(strategy: str, pool: Pool) -> None:
    twins = Pool(np.repeat(pool.embeddings, 2, 0)[:N], np.repeat(pool.probs, 2, 0)[:N], np.repeat(pool.classes, 2)[:N])
    result = run(strategy, twins, k=60, labeled=[0], labels=[int(twins.classes[0])], duplicates=True)
    pairs = result.indices // 2
    assert len(np.unique(pairs)) == len(pairs)
    assert 0 not in pairs  # the twin of the labelled one


def test_junk_is_kept_out(strategy: str, pool: Pool) -> None:
    rng = np.random.default_rng(9)
    embeddings = pool.embeddings.copy()
    junk = np.arange(7, N, 40)
    embeddings[junk] = 30 * rng.normal(size=(len(junk), 8))
    result = run(strategy, Pool(embeddings, pool.probs, pool.classes), k=150, junk=True, control_share=0)
    assert not np.isin(result.indices, junk).any()


def test_filters_need_embeddings(pool: Pool) -> None:
    with pytest.raises(ValueError, match="embeddings: expected embeddings, to keep"):
        select("margin", 5, probs=pool.probs, duplicates=True)


def test_threads_and_precision_pick_the_same(strategy: str, pool: Pool) -> None:
    for embeddings in (pool.embeddings, pool.embeddings.astype(np.float16)):
        expected = run(strategy, pool, k=50, embeddings=embeddings, threads=1, seed=4)
        for threads in (2, 16):
            result = run(strategy, pool, k=50, embeddings=embeddings, threads=threads, seed=4)
            np.testing.assert_array_equal(result.indices, expected.indices)
            np.testing.assert_array_equal(result.gains, expected.gains)


ODD = {
    "one sample": lambda pool: Pool(pool.embeddings[:1], pool.probs[:1], pool.classes[:1]),
    "all equal": lambda pool: Pool(pool.embeddings[[3] * 50], pool.probs[[3] * 50], pool.classes[[3] * 50]),
    "all zero": lambda pool: Pool(np.zeros_like(pool.embeddings[:50]), pool.probs[:50], pool.classes[:50]),
    "one class": lambda pool: Pool(pool.embeddings[:50], np.ones((50, 1), np.float32), np.zeros(50, np.int64)),
    "two twins": lambda pool: Pool(pool.embeddings[[1, 1]], pool.probs[[1, 1]], pool.classes[[1, 1]]),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_pools_are_taken_whole(strategy: str, odd: str, pool: Pool) -> None:
    small = ODD[odd](pool)
    result = run(strategy, small, k=len(small) + 5, labeled=[], labels=[])
    assert len(np.unique(result.indices)) == len(result)
    if strategy not in ("auto", "search"):  # auto keeps duplicates out; a search without an example has none to start from
        assert len(result) == len(small)


def test_free_and_dear_samples(strategy: str, pool: Pool) -> None:
    prices = np.where(np.arange(N) % 2 == 0, 0.0, 1e6)
    result = run(strategy, pool, budget=10, prices=prices)
    assert result.cost_usd == 0
    assert (result.indices % 2 == 0).all()
