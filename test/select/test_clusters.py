"""TypiClust and ProbCover against their definitions, on clusters that k-means cannot miss; Cluster-Margin on any."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import softmax
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.stats import chisquare

Floats = npt.NDArray[np.float64]
SIZES = [40, 25, 25, 60, 12, 3]


def blobs(sizes: list[int] = SIZES, seed: int = 0, width: int = 6) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return points in clusters so far apart that there is one way to cluster them, in random order."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centers = 50 * np.eye(len(sizes), width)
    return (centers[kind] + rng.normal(size=(len(kind), width))).astype(np.float32), kind


def distances(points: npt.NDArray[Any]) -> Floats:
    wide = points.astype(np.float64)
    return np.sqrt(((wide[:, None] - wide[None]) ** 2).sum(-1))


# --- TypiClust --------------------------------------------------------------------------------------------------------------


def typical(far: Floats, members: list[int], neighbors: int = 20) -> list[int]:
    """The members of a cluster by falling typicality."""
    k = max(1, min(neighbors, len(members) // 2))
    spread = [np.sort(np.delete(far[i, members], members.index(i)))[:k].mean() if len(members) > 1 else 0 for i in members]
    return [members[i] for i in np.argsort(spread, kind="stable")]


def typiclust(
    points: npt.NDArray[Any], kind: npt.NDArray[np.int64], known: list[int], k: int, neighbors: int = 20
) -> list[int]:
    far = distances(points)
    labels = np.bincount(kind[known], minlength=kind.max() + 1)
    sizes = np.bincount(kind)
    order = sorted(range(len(sizes)), key=lambda c: (sizes[c] <= 5, labels[c], -sizes[c]))
    members = {c: [i for i in np.flatnonzero(kind == c).tolist() if i not in known] for c in order}
    ranked = {c: typical(far, members[c], neighbors) for c in order}
    chosen: list[int] = []
    while len(chosen) < k and any(ranked.values()):
        chosen += [ranked[c].pop(0) for c in order if ranked[c]]
    return chosen[:k]


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("known_of", "k"), [([], 6), ([0, 3], 4), ([0, 0, 3, 4], 6), ([], 20), ([], 165)])
def test_typiclust(known_of: list[int], k: int, half: bool) -> None:
    # Sizes all differ: which of two equal clusters comes first is the clustering's own affair.
    points, kind = blobs([40, 25, 27, 60, 12, 3])
    points = points.astype(np.float16) if half else points
    known = [int(np.flatnonzero(kind == c)[i]) for i, c in enumerate(known_of)]
    expected = typiclust(points, kind, known, k)
    result = select("typiclust", k, embeddings=points, labeled=known, labels=[0] * len(known), clusters=6)
    assert result.indices.tolist()[: len(expected)] == expected
    assert len(result) == min(k, len(points) - len(known))


@pytest.mark.parametrize("neighbors", [1, 7, 127, 128])
def test_typiclust_by_other_numbers_of_neighbors(neighbors: int) -> None:
    points, kind = blobs([300, 90])
    result = select("typiclust", 4, embeddings=points, clusters=2, neighbors=neighbors)
    assert result.indices.tolist() == typiclust(points, kind, [], 4, neighbors)


def test_typiclust_comes_to_small_clusters_last() -> None:
    points, kind = blobs([40, 6, 5])
    known = [int(np.flatnonzero(kind == c)[0]) for c in (0, 1)]
    result = select("typiclust", 3, embeddings=points, labeled=known, labels=[0, 1], clusters=3)
    assert kind[result.indices].tolist() == [0, 1, 2]
    assert result.indices.tolist() == typiclust(points, kind, known, 3)


def test_typiclust_makes_a_cluster_for_each_label_and_pick() -> None:
    points, kind = blobs()
    known = [int(np.flatnonzero(kind == c)[0]) for c in (0, 3)]
    result = select("typiclust", 3, embeddings=points, labeled=known, labels=[0, 1])
    assert sorted(kind[result.indices]) == [1, 2, 4]  # the largest ones without a label


def test_typicality_is_the_gain() -> None:
    points, kind = blobs()
    result = select("typiclust", 1, embeddings=points, clusters=6)
    far = np.sort(distances(points[kind == 3]), axis=1)[:, 1:21].mean(1)
    assert result.gains[0] == pytest.approx(1 / far.min(), rel=1e-4)


# --- ProbCover --------------------------------------------------------------------------------------------------------------


def probcover(far: Floats, radius: float, known: list[int], k: int, price: Floats) -> list[int]:
    near = far < radius
    covered = near[known].any(0) if known else np.zeros(len(far), bool)
    chosen: list[int] = []
    for _ in range(k):
        degree = (near & ~covered).sum(1) / price
        degree[known + chosen] = -1
        chosen.append(int(degree.argmax()))
        covered |= near[chosen[-1]]
    return chosen


@pytest.mark.parametrize("priced", [False, True])
@pytest.mark.parametrize("known", [[], [4, 90, 200]])
@pytest.mark.parametrize("radius", [0.5, 2.0, 3.0])
def test_probcover(radius: float, known: list[int], priced: bool) -> None:
    """On a grid of whole numbers, so that many pairs are exactly as far apart as the radius, and many degrees are equal."""
    points = np.random.default_rng(1).integers(0, 12, size=(600, 2)).astype(np.float32)
    prices = np.where(np.arange(600) % 5 == 0, 2.0, 1.0) if priced else np.ones(600)
    far = distances(points)
    expected = probcover(far, radius, known, 40, prices)
    result = select("probcover", 40, embeddings=points, labeled=known, labels=[0] * len(known), radius=radius, prices=prices)
    # Known samples are covered by themselves, so it does not matter that they are no candidates.
    assert result.indices.tolist() == expected


def test_probcover_finds_the_radius_at_which_balls_are_pure() -> None:
    points, kind = blobs([200, 200], width=3)
    points[:, :3] *= np.float32(0.1)  # seven units apart, so that some balls would reach the other cluster
    far = distances(points)
    foreign = np.sort(np.where(kind[:, None] != kind[None], far, np.inf).min(1))
    for purity in (0.95, 0.5):
        result = select("probcover", 3, embeddings=points, clusters=2, purity=purity)
        expected = foreign[round((1 - purity) * len(points))]
        assert result.stats["radius"] == pytest.approx(expected, rel=1e-4)
        assert (foreign[foreign < expected * 0.999].size) <= (1 - purity) * len(points)


def test_probcover_counts_what_it_covers() -> None:
    points, _ = blobs([50, 30, 20])
    result = select("probcover", 5, embeddings=points, radius=20)
    assert result.gains.tolist() == [50, 30, 20, 0, 0]
    assert result.stats["objective"] == 100


# --- Cluster-Margin ---------------------------------------------------------------------------------------------------------


def test_cluster_margin_takes_small_clusters_first() -> None:
    points, kind = blobs()
    probs = softmax(np.random.default_rng(2).normal(size=(len(points), 4)))
    result = select("cluster_margin", 6, embeddings=points, probs=probs, clusters=6, margin_pool=100)
    sizes = np.array(SIZES)[kind[result.indices]]
    assert len(set(kind[result.indices])) == 6
    assert sizes.tolist() == sorted(SIZES)


def test_cluster_margin_looks_at_small_margins_only() -> None:
    points, _ = blobs()
    probs = softmax(np.random.default_rng(2).normal(size=(len(points), 4)))
    two = np.sort(probs, axis=1)[:, -2:]
    least = np.argsort(two[:, 1] - two[:, 0], kind="stable")[:30]
    result = select("cluster_margin", 10, embeddings=points, probs=probs, margin_pool=3)
    assert np.isin(result.indices, least).all()
    np.testing.assert_allclose(result.gains, 1 - (two[:, 1] - two[:, 0])[result.indices], rtol=1e-5)
    assert len(select("cluster_margin", 165, embeddings=points, probs=probs, margin_pool=1)) == 165


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("n", "clusters"), [(1, 1), (40, 40), (40, 5), (300, 30), (1500, 37)])
def test_cluster_margin_links_by_the_average(n: int, clusters: int, half: bool) -> None:
    """Whatever is picked of a cluster, which cluster has its turn is certain: that tells the whole clustering."""
    points = np.random.default_rng(n).normal(size=(n, 5)).astype(np.float16 if half else np.float32)
    result = select("cluster_margin", n, embeddings=points, probs=np.full((n, 2), 0.5, np.float32), clusters=clusters)
    kind = cut_tree(linkage(points.astype(np.float64), method="average"), clusters)[:, 0] if n > 1 else np.zeros(1, int)
    sizes = np.bincount(kind, minlength=clusters)
    first = [int(np.flatnonzero(kind == c)[0]) for c in range(clusters)]
    order = sorted(range(clusters), key=lambda c: (sizes[c], first[c]))
    expected = [c for turn in range(sizes.max()) for c in order if sizes[c] > turn]
    assert kind[result.indices].tolist() == expected


@pytest.mark.parametrize("n", [11585, 11586])
def test_cluster_margin_of_many_samples(n: int) -> None:
    """As many as can be linked, and one more: then it is k-means. The clusters are such that both find them."""
    sizes = [n - 9000, 5000, 3000, 1000]
    points, kind = blobs(sizes, width=4)
    probs = np.full((n, 2), 0.5, np.float32)
    result = select("cluster_margin", 8, embeddings=points, probs=probs, clusters=4, margin_pool=n)
    assert [sizes[k] for k in kind[result.indices]] == sorted(sizes) * 2


def test_cluster_margin_of_equal_samples() -> None:
    points = np.ones((300, 4), np.float32)
    probs = softmax(np.random.default_rng(2).normal(size=(300, 4)))
    result = select("cluster_margin", 300, embeddings=points, probs=probs, clusters=7)
    assert sorted(result.indices.tolist()) == list(range(300))


def test_cluster_margin_takes_any_of_a_cluster() -> None:
    points, _ = blobs([8])
    probs = np.full((8, 2), 0.5, np.float32)
    first = [int(select("cluster_margin", 1, embeddings=points, probs=probs, seed=seed).indices[0]) for seed in range(400)]
    assert chisquare(np.bincount(first, minlength=8)).pvalue > 1e-3


# --- all --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["typiclust", "probcover", "cluster_margin"])
def test_the_seed_and_nothing_else_decides(strategy: str) -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(3000, 20)).astype(np.float32)
    probs = softmax(rng.normal(size=(3000, 5)))
    run = lambda threads: select(strategy, 40, embeddings=points, probs=probs, seed=5, threads=threads).indices  # noqa: E731
    np.testing.assert_array_equal(run(1), run(2))
    np.testing.assert_array_equal(run(1), run(16))
