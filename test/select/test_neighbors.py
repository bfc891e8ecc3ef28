"""Nearest neighbours against sorting all distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import SelectionCanceled, neighbors

Array = npt.NDArray[Any]


def reference(points: Array, k: int) -> tuple[Array, Array]:
    """Sort every row's distances to all others; equal ones by index."""
    wide = points.astype(np.float64)
    distance2 = ((wide[:, None] - wide[None]) ** 2).sum(2)
    np.fill_diagonal(distance2, np.inf)
    order = np.argsort(distance2, axis=1, kind="stable")[:, :k]
    distances = np.sqrt(np.take_along_axis(distance2, order, 1))
    order = np.where(np.isfinite(distances), order, -1)
    missing = k - order.shape[1]
    if missing > 0:
        order = np.pad(order, ((0, 0), (0, missing)), constant_values=-1)
        distances = np.pad(distances, ((0, 0), (0, missing)), constant_values=np.inf)
    return order, distances


def whole(n: int, d: int, high: int, seed: int = 0) -> Array:
    """Small whole numbers: their distances have no rounding, and many are equal."""
    return np.random.default_rng(seed).integers(0, high, (n, d)).astype(np.float32)


@pytest.mark.parametrize(
    ("n", "d", "high", "k"),
    [(300, 3, 3, 5), (300, 40, 2, 300), (257, 130, 5, 1), (1, 4, 3, 3), (2, 4, 3, 3), (40, 1, 2, 64), (600, 7, 1, 4)],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_exact_is_sorting_all_distances(n: int, d: int, high: int, k: int, dtype: type) -> None:
    points = whole(n, d, high).astype(dtype)
    found = neighbors(points, k)
    indices, distances = reference(points, k)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)
    assert found.recall == 1


def low_rank(n: int, d: int) -> Array:
    rng = np.random.default_rng(5)
    return (rng.normal(size=(n, 8)) @ rng.normal(size=(8, d)) + 0.1 * rng.normal(size=(n, d)) + 10).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_exact_where_few_directions_hold_the_variance(dtype: type) -> None:
    points = low_rank(2500, 128).astype(dtype)
    found = neighbors(points, 10)
    wide = points.astype(np.float64)
    for row in range(0, len(points), 50):
        distance = np.sqrt(((wide - wide[row]) ** 2).sum(1))
        distance[row] = np.inf
        nearest = np.sort(distance)[:10]
        np.testing.assert_allclose(found.distances[row], nearest, rtol=1e-5)
        np.testing.assert_allclose(distance[found.indices[row]], nearest, rtol=1e-5)


def test_a_row_that_is_not_in_one_piece_is_the_same() -> None:
    points = low_rank(700, 64)
    expected = neighbors(points, 4)
    wide = np.zeros((700, 80), np.float32)
    wide[:, 3:67] = points
    found = neighbors(wide[:, 3:67], 4)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.distances, expected.distances)


@pytest.mark.parametrize("mode", ["exact", "approximate"])
def test_threads_do_not_show(mode: Any) -> None:
    points = low_rank(5000, 100)
    one, two, sixteen = (neighbors(points, 6, mode=mode, threads=threads) for threads in (1, 2, 16))
    for other in (two, sixteen):
        np.testing.assert_array_equal(one.indices, other.indices)
        np.testing.assert_array_equal(one.distances, other.distances)
        assert one.recall == other.recall


def test_approximate_finds_what_was_asked_for_and_says_so() -> None:
    points = np.random.default_rng(1).normal(size=(8000, 12)).astype(np.float32)
    truth = neighbors(points, 10)
    shares = {}
    for wanted in (0.5, 0.95):
        found = neighbors(points, 10, mode="approximate", recall=wanted)
        shares[wanted] = (found.distances <= truth.distances[:, -1:]).mean()
        assert shares[wanted] == pytest.approx(wanted, abs=0.05)
        assert found.recall == pytest.approx(shares[wanted], abs=0.03)
        apart = points[:, None] - points[found.indices]
        np.testing.assert_allclose(found.distances, np.sqrt((apart**2).sum(2)), rtol=1e-5)
        assert (np.diff(found.distances, axis=1) >= 0).all()
        assert (found.indices != np.arange(8000)[:, None]).all()
    assert shares[0.5] < 0.8
    everything = neighbors(points, 10, mode="approximate", recall=1.0)
    assert everything.recall > 0.99


def test_duplicates_are_each_others_neighbours_in_order() -> None:
    points = np.repeat(np.random.default_rng(2).normal(size=(500, 30)).astype(np.float32), 5, axis=0)
    found = neighbors(points, 4)
    assert (found.distances == 0).all()
    for row in range(0, 2500, 7):
        group = row // 5 * 5
        assert found.indices[row].tolist() == [i for i in range(group, group + 5) if i != row]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k: "),
        ({"k": 1025}, "k: "),
        ({"k": 2, "mode": "best"}, "mode: "),
        ({"k": 2, "recall": 1.5}, "recall: "),
        ({"k": 2, "recall": float("nan")}, "recall: "),
        ({"k": 2, "threads": 0}, "threads: "),
    ],
    ids=str,
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        neighbors(whole(10, 3, 4), **arguments)


def test_what_is_no_number_is_refused() -> None:
    points = whole(10, 3, 4)
    points[7, 1] = np.nan
    with pytest.raises(ValueError, match="row 7"):
        neighbors(points, 2)


def test_no_rows_have_no_neighbours() -> None:
    found = neighbors(np.zeros((0, 4), np.float32), 3)
    assert found.indices.shape == found.distances.shape == (0, 3)


def test_progress_is_told_and_stops() -> None:
    points = low_rank(6000, 64)
    seen: list[float] = []
    neighbors(points, 5, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] > 0
    with pytest.raises(SelectionCanceled):
        neighbors(points, 5, progress=lambda done: done > 0.3)
