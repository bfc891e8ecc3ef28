"""Representing a pool: picks and objectives of submodlib, apricot and scikit-activeml."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from apricot import FacilityLocationSelection
from curated import select
from pools import Floats
from skactiveml.pool import MaxHerding, ProbCover
from submodlib import FacilityLocationFunction, GraphCutFunction

pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # submodlib's
Doubles = npt.NDArray[np.float64]
RADIUS = 4.0
K = 60


@pytest.fixture(scope="session")
def similarity(distances: Doubles) -> Doubles:
    return np.exp(-((distances / RADIUS) ** 2))


def facility(similarity: Doubles, chosen: npt.ArrayLike) -> float:
    return float(similarity[:, np.asarray(chosen)].max(1).sum())


def maximized(function: object, optimizer: str = "LazyGreedy") -> list[int]:
    return [slot for slot, _ in function.maximize(budget=K, optimizer=optimizer, show_progress=False)]  # type: ignore[attr-defined]


def test_facility_location_is_submodlibs(points: Floats, similarity: Doubles) -> None:
    function = FacilityLocationFunction(n=len(points), mode="dense", sijs=similarity.astype(np.float32), separate_rep=False)
    theirs = maximized(function)
    ours = select("facility_location", K, embeddings=points, radius=RADIUS)
    assert ours.indices.tolist() == theirs
    assert ours.stats["objective"] == pytest.approx(function.evaluate(set(theirs)), rel=1e-5)


def test_facility_location_is_apricots(points: Floats, similarity: Doubles) -> None:
    selection = FacilityLocationSelection(K, metric="precomputed", optimizer="lazy").fit(similarity)
    ours = select("facility_location", K, embeddings=points, radius=RADIUS)
    np.testing.assert_array_equal(ours.indices, selection.ranking)
    np.testing.assert_allclose(ours.gains, selection.gains, rtol=1e-4)


@pytest.mark.parametrize("redundancy", [0.1, 0.5, 2.0])
def test_graph_cut_is_submodlibs(redundancy: float, points: Floats, similarity: Doubles) -> None:
    function = GraphCutFunction(
        n=len(points), mode="dense", lambdaVal=redundancy, separate_rep=False, ggsijs=similarity.astype(np.float32)
    )
    theirs = maximized(function, "NaiveGreedy")
    ours = select("graph_cut", len(theirs), embeddings=points, radius=RADIUS, redundancy=redundancy)
    assert len(theirs) > 10
    assert function.evaluate(set(ours.indices.tolist())) >= function.evaluate(set(theirs)) * (1 - 1e-5)
    assert ours.stats["objective"] == pytest.approx(function.evaluate(set(ours.indices.tolist())), rel=1e-4)


@pytest.mark.parametrize("labeled", [[], [4, 90, 333]])
def test_coverage_is_max_herding(labeled: list[int], points: Floats, similarity: Doubles) -> None:
    herding = MaxHerding(normalize_samples=False, metric="rbf", metric_dict={"gamma": 1 / RADIUS**2}, random_state=0)
    y = np.full(len(points), np.nan)
    y[labeled] = 0
    theirs = herding.query(points.astype(np.float64), y, batch_size=K)
    ours = select("coverage", K, embeddings=points, radius=RADIUS, labeled=labeled, labels=[0] * len(labeled), classes=2)
    rest = np.delete(similarity, labeled, axis=0)
    assert facility(rest, [*labeled, *ours.indices]) >= facility(rest, [*labeled, *theirs]) * (1 - 1e-6)
    assert (ours.indices == theirs).mean() > 0.95


def test_weighted_coverage_is_submodlibs_of_weighted_rows(points: Floats, similarity: Doubles) -> None:
    night = np.arange(len(points)) % 7 == 0
    weighted = similarity * np.where(night, 5, 1)[:, None]
    function = FacilityLocationFunction(
        n=len(points), mode="dense", sijs=weighted.astype(np.float32), separate_rep=True, n_rep=len(points)
    )
    theirs = maximized(function)
    ours = select("coverage", K, embeddings=points, radius=RADIUS, tags={"night": night}, slice_weight={"night": 5})
    assert facility(weighted, ours.indices) >= facility(weighted, theirs) * (1 - 1e-6)
    assert ours.stats["objective"] == pytest.approx(facility(weighted, ours.indices), rel=1e-5)


@pytest.mark.filterwarnings("ignore:The maximum purity")
def test_probcover_covers_as_much_as_scikit_activemls(points: Floats, distances: Doubles) -> None:
    radius = float(np.quantile(distances, 0.02))
    theirs = ProbCover(deltas=[radius], random_state=0).query(points, np.full(len(points), np.nan), batch_size=K)
    ours = select("probcover", K, embeddings=points, radius=radius)

    def covered(chosen: npt.ArrayLike) -> int:
        return int((distances[:, np.asarray(chosen)] <= radius).any(1).sum())

    # Of balls that cover as many, each takes another one.
    assert covered(ours.indices) >= 0.98 * covered(theirs)
    assert covered(ours.indices[:1]) == covered(theirs[:1])
