"""The search for one rare class, against a reference written from its definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import Pool, clustered


def reference(
    pool: Pool, anchors: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], neighbors: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return which candidates are neighbours of an anchor, and every candidate's distance to its nearest anchor."""
    x = pool.embeddings.astype(np.float64)
    distance = np.sqrt(((x[candidates][:, None] - x[anchors][None]) ** 2).sum(-1))
    rank = distance.argsort(0).argsort(0)
    return (rank < neighbors).any(1), distance.min(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("neighbors", [1, 5, 100, 128])
def test_neighbors_come_first_by_probability_then_likeness(neighbors: int, dtype: type) -> None:
    pool = clustered(np.random.default_rng(2), 300)
    pool.embeddings = pool.embeddings.astype(dtype)
    anchors = np.flatnonzero(pool.classes == 3)[:2]
    others = np.flatnonzero(pool.classes != 3)[:30]
    labeled = np.concatenate([others, anchors])
    candidates = np.setdiff1d(np.arange(300), labeled)
    inside, distance = reference(pool, anchors, candidates, neighbors)
    result = select(
        "search",
        300,
        probs=pool.probs,
        embeddings=pool.embeddings,
        labeled=labeled,
        labels=pool.classes[labeled],
        class_sought=3,
        **({} if neighbors == 100 else {"neighbors": neighbors}),  # the default
    )
    assert 0 < inside.sum() < len(candidates)
    near = candidates[inside]
    by_probability = near[np.argsort(-pool.probs[near, 3], kind="stable")]
    np.testing.assert_array_equal(result.indices[: len(near)], by_probability)
    np.testing.assert_allclose(result.gains[: len(near)], 1 + pool.probs[by_probability, 3], rtol=1e-6)
    by_distance = dict(zip(candidates, distance, strict=True))
    rest = np.array([by_distance[i] for i in result.indices[len(near) :]])
    assert sorted(result.indices) == candidates.tolist()
    assert (np.diff(rest) >= -1e-3 * rest[:-1]).all()
    assert (result.gains[len(near) :] < 1).all()


def test_without_predictions_likeness_decides() -> None:
    pool = clustered(np.random.default_rng(3), 200)
    labeled = np.flatnonzero(pool.classes == 1)[:1]
    result = select("search", 199, embeddings=pool.embeddings, labeled=labeled, labels=[1], class_sought=1, classes=5)
    distance = np.linalg.norm(pool.embeddings[result.indices] - pool.embeddings[labeled[0]], axis=1)
    assert (np.diff(distance) >= -1e-3 * distance[:-1]).all()
    assert (pool.classes[result.indices[:20]] == 1).mean() > 0.9


def test_without_an_example_probability_decides(pool: Pool) -> None:
    result = select("search", 50, probs=pool.probs, embeddings=pool.embeddings, class_sought=2)
    np.testing.assert_array_equal(result.indices, np.argsort(-pool.probs[:, 2], kind="stable")[:50])


def test_what_search_cannot_do_without(pool: Pool) -> None:
    with pytest.raises(ValueError, match="labels: expected a labelled sample of the class"):
        select("search", 5, embeddings=pool.embeddings, classes=5)
    with pytest.raises(ValueError, match="class_sought: expected a class"):
        select("search", 5, probs=pool.probs, embeddings=pool.embeddings, class_sought=5)
    with pytest.raises(ValueError, match="neighbors: expected at most 128, got 129"):
        select("search", 5, probs=pool.probs, embeddings=pool.embeddings, neighbors=129)
