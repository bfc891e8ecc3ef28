"""Groups of near-duplicates against a union-find over all pairs, and outlier scores against their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import SelectionCanceled, duplicates, outliers, select
from pools import clustered

Array = npt.NDArray[Any]

SAMPLE, SECOND, SHARE = 3000, 2, 0.1


def groups_of(points: Array, radius2: float) -> Array:
    """Join all pairs within the radius; number the groups of more than one row by their first."""
    n = len(points)
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    wide = points.astype(np.float64)
    for i in range(n):
        for j in np.flatnonzero(((wide[i + 1 :] - wide[i]) ** 2).sum(1) <= radius2) + i + 1:
            a, b = root(i), root(int(j))
            parent[max(a, b)] = min(a, b)
    roots = np.array([root(i) for i in range(n)])
    numbers = np.zeros(n, np.int64)
    count = 0
    for i in range(n):
        members = roots == i
        if members.sum() > 1:
            count += 1
            numbers[members] = count
    return numbers


def second_nearest(points: Array, sample: Array) -> Array:
    """Squared distance of each row to the second nearest of the sampled rows, itself not counted."""
    wide = points.astype(np.float64)
    distance2 = ((wide[:, None] - wide[sample][None]) ** 2).sum(2)
    distance2[np.arange(len(points))[:, None] == sample[None]] = np.inf
    return np.sort(distance2, axis=1)[:, SECOND - 1]


def middle(values: Array) -> float:
    """The upper median."""
    return float(np.sort(values)[len(values) // 2])


def jittered(rng: np.random.Generator, n: int, width: int, copies: int, jitter: float) -> Array:
    """Rows some of which have several near copies."""
    rows = rng.normal(size=(n, width))
    again = rows[rng.integers(n // 4, size=copies)] + jitter * rng.normal(size=(copies, width))
    return rng.permutation(np.concatenate([rows, again])).astype(np.float32)


@pytest.mark.parametrize(
    ("n", "width", "copies", "jitter"), [(500, 3, 100, 0.01), (700, 40, 300, 0.02), (900, 200, 200, 0.03)], ids=str
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_groups_are_those_of_all_pairs(n: int, width: int, copies: int, jitter: float, dtype: type) -> None:
    points = jittered(np.random.default_rng(n), n, width, copies, jitter).astype(dtype)
    found = duplicates(points)
    assert found.radius == pytest.approx(np.sqrt(SHARE * middle(second_nearest(points, np.arange(len(points))))), rel=1e-4)
    expected = groups_of(points, found.radius**2)
    np.testing.assert_array_equal(found.groups, expected)
    assert found.count == expected.max() > 10


@pytest.mark.parametrize("radius", [1.0, np.sqrt(2.0), 1.8, 2.1])
@pytest.mark.parametrize(("n", "width", "high"), [(600, 3, 9), (600, 10, 2), (500, 130, 2), (300, 1, 500)], ids=str)
def test_a_pair_at_the_radius_is_within(n: int, width: int, high: int, radius: float) -> None:
    """Whole numbers: distances without rounding, many of them equal to the radius."""
    points = np.random.default_rng(width).integers(0, high, (n, width)).astype(np.float32)
    radius2 = round(radius**2)
    found = duplicates(points, radius=np.sqrt(radius2))
    np.testing.assert_array_equal(found.groups, groups_of(points, radius2 + 1e-6))


def test_clusters_far_from_each_other_and_from_the_origin() -> None:
    """Tiles of rows that are passed over as a whole."""
    rng = np.random.default_rng(3)
    centers = 50 * rng.normal(size=(12, 24)) + 100
    points = (centers[rng.integers(12, size=3000)] + rng.normal(size=(3000, 24))).astype(np.float32)
    found = duplicates(points, radius=4.4)
    expected = groups_of(points, 4.4**2)
    np.testing.assert_array_equal(found.groups, expected)
    assert found.count > 12


def test_exact_twins_are_groups() -> None:
    points = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    points = np.concatenate([points, points[::3]])
    found = duplicates(points)
    assert found.count == 100
    np.testing.assert_array_equal(found.groups[300:], found.groups[:300:3])
    assert (np.delete(found.groups[:300], np.arange(0, 300, 3)) == 0).all()
    np.testing.assert_array_equal(found.extra(), np.arange(300, 400))


def test_a_chain_is_one_group() -> None:
    points = np.zeros((400, 2), np.float32)
    points[:, 0] = np.random.default_rng(1).permutation(400)
    found = duplicates(points, radius=1.0)
    assert (found.groups == 1).all()
    assert found.count == 1
    assert duplicates(points, radius=0.99).count == 0


@pytest.mark.parametrize("n", [2, 5, 3000])
def test_rows_that_are_all_equal_are_one_group(n: int) -> None:
    found = duplicates(np.full((n, 8), 7, np.float32))
    assert (found.groups == 1).all()
    assert found.count == 1
    scored = outliers(np.full((n, 8), 7, np.float32))
    assert (scored.scores == 0).all()
    assert not scored.junk.any()


@pytest.mark.parametrize("n", [0, 1])
def test_what_has_no_pair_has_no_group(n: int) -> None:
    found = duplicates(np.ones((n, 4), np.float32))
    assert found.groups.tolist() == [0] * n
    assert found.count == 0
    assert outliers(np.ones((n, 4), np.float32)).scores.tolist() == [0] * n


def test_threads_do_not_show() -> None:
    points = jittered(np.random.default_rng(8), 4000, 48, 2000, 0.02)
    one, two, sixteen = (duplicates(points, threads=threads) for threads in (1, 2, 16))
    assert one.count > 300
    for other in (two, sixteen):
        np.testing.assert_array_equal(other.groups, one.groups)
        assert other.radius == one.radius
    first, second = (outliers(points, threads=threads) for threads in (1, 16))
    np.testing.assert_array_equal(first.scores, second.scores)
    assert first.bound == second.bound


@pytest.mark.parametrize("n", [400, 3500])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_scores_are_distances_over_the_usual_one(n: int, dtype: type) -> None:
    points = clustered(np.random.default_rng(n), n, width=12).embeddings.astype(dtype)
    points[::50] *= 3
    sample = np.flatnonzero(np.arange(n) * SAMPLE // n != (np.arange(n) + 1) * SAMPLE // n) if n > SAMPLE else np.arange(n)
    assert len(sample) == min(n, SAMPLE)
    distance2 = second_nearest(points, sample)
    spacing = middle(distance2[sample])
    found = outliers(points)
    assert found.radius == pytest.approx(np.sqrt(spacing), rel=1e-3)
    np.testing.assert_allclose(found.scores, distance2 / spacing, rtol=1e-2, atol=1e-4)
    deviation = 1.4826 * middle(np.abs(np.log(distance2[sample]) - np.log(spacing)))
    assert found.bound == pytest.approx(np.exp(2.5 * max(deviation, 0.05)), rel=1e-2)
    assert 0 < found.junk.sum() < n // 4


def test_reports_are_what_the_filters_keep_out() -> None:
    rng = np.random.default_rng(4)
    points = jittered(rng, 500, 10, 150, 0.01)
    points[::60] = 20 * rng.normal(size=points[::60].shape)
    near, far = duplicates(points), outliers(points)
    n = len(points)
    assert near.count > 50
    assert far.junk.sum() > 5
    probs = rng.dirichlet(np.ones(4), n).astype(np.float32)
    kept = select("margin", n, probs=probs, embeddings=points, junk=True)
    np.testing.assert_array_equal(np.sort(kept.indices), np.flatnonzero(~far.junk))
    kept = select("margin", n, probs=probs, embeddings=points, duplicates=True)
    wide = points.astype(np.float64)
    apart2 = ((wide[kept.indices][:, None] - wide[kept.indices][None]) ** 2).sum(2)
    np.fill_diagonal(apart2, np.inf)
    assert apart2.min() > near.radius**2
    # Of every group there is at least one, and what is alone is there.
    assert set(near.groups[kept.indices]) == set(near.groups)
    assert np.isin(np.flatnonzero(near.groups == 0), kept.indices).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("known", "width"), [(4500, 80), (4500, 40), (300, 80)])
def test_near_ones_of_many_labelled_samples_are_kept_out(known: int, width: int, dtype: Any) -> None:
    rng = np.random.default_rng(known + width)
    points = 3 + clustered(rng, known + 400, width=width).embeddings.astype(np.float64)
    points += rng.normal(size=points.shape)
    apart = float(np.sqrt(SHARE * middle(second_nearest(points[:600], np.arange(600)))))
    step = rng.normal(size=(200, width))
    step *= rng.choice([0.05, 0.5, 2, 4], size=200)[:, None] * apart / np.linalg.norm(step, axis=1, keepdims=True)
    points[known : known + 200] = points[rng.integers(0, known, 200)] + step
    points = points.astype(dtype)
    n = len(points)
    probs = rng.dirichlet(np.ones(4), n).astype(np.float32)
    kept = select(
        "margin", n, probs=probs, embeddings=points, duplicates=True, labeled=np.arange(known), labels=np.zeros(known, int)
    )
    wide = points.astype(np.float64)
    nearest = np.array([np.sqrt(((wide[:known] - wide[i]) ** 2).sum(1).min()) for i in range(known, n)])
    assert not ((nearest > 0.7 * apart) & (nearest < 1.4 * apart)).any()  # the radius is found from a sample of the data
    np.testing.assert_array_equal(np.sort(kept.indices), known + np.flatnonzero(nearest > apart))
    assert 50 < len(kept.indices) < 350


@pytest.mark.parametrize("radius", [0, -1, float("nan"), float("inf")])
def test_a_radius_must_be_a_distance(radius: float) -> None:
    with pytest.raises(ValueError, match="radius: expected"):
        duplicates(np.ones((3, 2), np.float32), radius=radius)


@pytest.mark.parametrize("call", [duplicates, outliers])
def test_progress_is_told_and_stops(call: Any) -> None:
    points = jittered(np.random.default_rng(5), 9000, 32, 100, 0.01)
    seen: list[float] = []
    call(points, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert 0.5 < seen[-1] <= 1
    with pytest.raises(SelectionCanceled):
        call(points, progress=lambda done: done > 0.3)
    points[5, 5] = np.nan
    with pytest.raises(ValueError, match="row 5"):
        call(points)
