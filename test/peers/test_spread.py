"""Picks that differ from each other: those of lightly-mundig, scikit-activeml, submodlib and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from lightly_mundig import Selection
from pools import Floats, Pool
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import Badge, CoreSet, TypiClust
from sklearn.cluster import kmeans_plusplus
from sklearn.linear_model import LogisticRegression
from submodlib import LogDeterminantFunction

pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # submodlib's
Doubles = npt.NDArray[np.float64]
K = 60


def agree(ours: list[float], theirs: list[float]) -> None:
    """Two samples of a random value have the same mean, as far as their spread tells."""
    error = np.sqrt(np.var(ours, ddof=1) / len(ours) + np.var(theirs, ddof=1) / len(theirs))
    assert abs(np.mean(ours) - np.mean(theirs)) < 3.5 * error
    assert error < 0.05 * np.mean(theirs)


def test_kcenter_picks_are_lightly_mundigs(points: Floats) -> None:
    ours = select("kcenter", K, embeddings=points).indices
    selection = Selection()
    selection.add_diversifying_strategy(points, 1.0)
    theirs = list(selection.run_selection([int(ours[0])], len(points), K))
    assert sorted(ours) == sorted(theirs)


def test_kcenter_picks_are_scikit_activemls(points: Floats) -> None:
    labeled = [5, 300]
    y = np.full(len(points), np.nan)
    y[labeled] = 0
    theirs = CoreSet(random_state=0).query(points, y, batch_size=K)
    ours = select("kcenter", K, embeddings=points, labeled=labeled, labels=[0, 0], classes=1)
    np.testing.assert_array_equal(ours.indices, theirs)


def test_dpp_has_submodlibs_determinant(pool: Pool, distances: Doubles) -> None:
    two = np.sort(pool.probs.astype(np.float64), axis=1)[:, -2:]
    quality = np.clip(1 - (two[:, 1] - two[:, 0]), 0.01, 1)
    process = quality[:, None] * quality * np.exp(-((distances / 4) ** 2))
    function = LogDeterminantFunction(n=len(pool), mode="dense", lambdaVal=0, sijs=process.astype(np.float32))
    found = function.maximize(budget=K, optimizer="NaiveGreedy", stopIfNegativeGain=False, show_progress=False)
    theirs = [slot for slot, _ in found]
    ours = select("dpp", K, embeddings=pool.embeddings, probs=pool.probs, radius=4)

    def log_determinant(chosen: npt.ArrayLike) -> float:
        return float(np.linalg.slogdet(process[np.ix_(chosen, chosen)])[1])

    assert len(theirs) == K
    assert log_determinant(ours.indices) >= log_determinant(theirs) - 1e-3
    assert ours.stats["objective"] == pytest.approx(log_determinant(ours.indices), rel=1e-3)


def potential(distance2: Doubles) -> Callable[[npt.ArrayLike], float]:
    return lambda chosen: float(distance2[:, np.asarray(chosen)].min(1).mean())


def test_kmeans_plus_plus_has_scikit_learns_potential(points: Floats, distances: Doubles) -> None:
    value = potential(distances**2)
    ours = [value(select("kmeans++", 20, embeddings=points, seed=seed).indices) for seed in range(60)]
    theirs = [value(kmeans_plusplus(points, 20, random_state=seed, n_local_trials=1)[1]) for seed in range(60)]
    agree(ours, theirs)


def test_badge_has_scikit_activemls_potential(pool: Pool) -> None:
    # Theirs has a centre at the origin from the start, after the first pick; so has ours here: a sample in flight.
    y = np.full(len(pool), np.nan)
    y[::20] = pool.classes[::20]
    wide = pool.embeddings.astype(np.float64)
    model = SklearnClassifier(LogisticRegression(C=0.1), classes=range(6)).fit(wide, y)
    probs = model.predict_proba(wide)
    left = np.flatnonzero(np.isnan(y))
    residual = probs - np.eye(6)[probs.argmax(1)]
    gradients = (residual[:, :, None] * wide[:, None]).reshape(len(pool), -1)
    norm2 = (gradients**2).sum(1)
    value = potential(np.maximum(norm2[left, None] + norm2 - 2 * gradients[left] @ gradients.T, 0))
    arguments = {
        "embeddings": np.vstack([pool.embeddings, np.zeros((1, 16), np.float32)]),
        "probs": np.vstack([probs, probs[:1]]).astype(np.float32),
        "labeled": np.flatnonzero(~np.isnan(y)),
        "labels": pool.classes[::20],
        "pending": [len(pool)],
        "include": [left[norm2[left].argmax()]],
    }
    ours = [value(select("badge", 20, **arguments, seed=seed).indices) for seed in range(60)]
    theirs = [value(Badge(random_state=seed).query(wide, y, model, fit_clf=False, batch_size=20)) for seed in range(60)]
    agree(ours, theirs)


def test_typiclust_is_as_typical_and_as_spread_as_scikit_activemls(points: Floats, distances: Doubles) -> None:
    typicality = 1 / np.sort(distances, axis=1)[:, 1:21].mean(1)
    spread = potential(distances**2)
    unlabeled = np.full(len(points), np.nan)
    ours = [select("typiclust", 20, embeddings=points, seed=seed).indices for seed in range(8)]
    theirs = [TypiClust(k=20, random_state=seed).query(points, unlabeled, batch_size=20) for seed in range(8)]
    assert np.mean([typicality[picks].mean() for picks in ours]) > 0.97 * np.mean(
        [typicality[picks].mean() for picks in theirs]
    )
    assert np.mean([spread(picks) for picks in ours]) < 1.05 * np.mean([spread(picks) for picks in theirs])
    by_chance = np.mean([typicality[select("random", 20, embeddings=points, seed=seed).indices].mean() for seed in range(8)])
    assert np.mean([typicality[picks].mean() for picks in ours]) > 1.03 * by_chance
