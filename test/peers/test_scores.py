"""Scores of single samples: scikit-activeml's are the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import Pool, softmax
from skactiveml.pool import average_kl_divergence, batch_bald, uncertainty_scores, variation_ratios, vote_entropy

Doubles = npt.NDArray[np.float64]
PEER = {"least_confidence": "least_confident", "margin": "margin_sampling", "entropy": "entropy"}


def scores(strategy: str, n: int, **arguments: npt.ArrayLike) -> Doubles:
    """Return our score of each sample."""
    result = select(strategy, n, **arguments)
    found = np.empty(n)
    found[result.indices] = result.gains
    return found


def draws(pool: Pool) -> npt.NDArray[np.float32]:
    """Return a committee of seven that disagrees."""
    noise = np.random.default_rng(1).normal(size=(7, *pool.probs.shape))
    return softmax(np.log(pool.probs + 1e-6) + noise)


@pytest.mark.parametrize("strategy", PEER)
def test_uncertainty(strategy: str, pool: Pool) -> None:
    theirs = uncertainty_scores(pool.probs.astype(np.float64), method=PEER[strategy])
    np.testing.assert_allclose(scores(strategy, len(pool), probs=pool.probs), theirs, rtol=1e-4, atol=1e-5)


def test_committee_divergence(pool: Pool) -> None:
    committee = draws(pool)
    theirs = average_kl_divergence(committee.astype(np.float64))
    np.testing.assert_allclose(scores("committee_kl", len(pool), draws=committee), theirs, rtol=1e-4, atol=1e-5)


def test_bald(pool: Pool) -> None:
    committee = draws(pool)
    theirs = batch_bald(committee.astype(np.float64), batch_size=1, random_state=0)[0]
    np.testing.assert_allclose(scores("bald", len(pool), draws=committee), theirs, rtol=1e-4, atol=1e-5)


def test_votes(pool: Pool) -> None:
    committee = draws(pool)
    votes = committee.argmax(-1).T
    classes = np.arange(pool.probs.shape[1])
    np.testing.assert_allclose(scores("vote_entropy", len(pool), draws=committee), vote_entropy(votes, classes), atol=1e-5)
    np.testing.assert_allclose(scores("variation_ratio", len(pool), draws=committee), variation_ratios(votes), atol=1e-6)
