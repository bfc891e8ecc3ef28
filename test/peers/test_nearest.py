"""Neighbours and what is far from all: those of faiss, scikit-learn and cleanlab."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from cleanlab.outlier import OutOfDistribution
from curated import neighbors, select
from pools import Floats
from sklearn.neighbors import NearestNeighbors


def test_neighbors_are_those_of_faiss(points: Floats) -> None:
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    distance2, slots = index.search(points, 11)
    ours = neighbors(points, 10, mode="exact")
    np.testing.assert_array_equal(slots[:, 0], np.arange(len(points)))
    np.testing.assert_array_equal(ours.indices, slots[:, 1:])
    np.testing.assert_allclose(ours.distances, np.sqrt(distance2[:, 1:]), rtol=1e-4)


def test_neighbors_are_those_of_scikit_learn(points: Floats) -> None:
    distance, slots = NearestNeighbors(n_neighbors=10, algorithm="kd_tree").fit(points).kneighbors()
    ours = neighbors(points, 10, mode="exact")
    np.testing.assert_array_equal(ours.indices, slots)
    np.testing.assert_allclose(ours.distances, distance, rtol=1e-5)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_outliers_are_far_from_scikit_learns_neighbor(k: int, points: Floats) -> None:
    distance = NearestNeighbors(n_neighbors=k).fit(points).kneighbors()[0][:, -1]
    ours = select("outlier", len(points), embeddings=points, neighbors=k)
    np.testing.assert_allclose(ours.gains, distance[ours.indices], rtol=1e-5)
    np.testing.assert_allclose(ours.gains, np.sort(distance)[::-1], rtol=1e-5)


def test_outliers_are_those_of_cleanlab(points: Floats) -> None:
    # Its score falls with the mean distance to k neighbours: with one, that is the distance to the nearest. It takes Euclidean
    # distances in three dimensions, others in more.
    few = np.ascontiguousarray(points[:, :3])
    theirs = OutOfDistribution(params={"k": 1}).fit_score(features=few, verbose=False)
    ours = select("outlier", 50, embeddings=few, neighbors=1)
    np.testing.assert_allclose(theirs[ours.indices], np.sort(theirs)[:50], rtol=1e-4)
