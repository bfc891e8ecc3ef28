"""The selection engine beside other packages, on the same arrays in the same run; one JSON line a figure.

    make bench-peers          or          python test/bench/peers.py [--only kcenter,badge] [--quick]

`ratio` is the other package's time over ours. The images are Fashion-MNIST; the embeddings of 512 dimensions are the images
behind one random layer, so that they are as clumped as real ones. What a package does is written out below as its
documentation shows it; `numpy` stands for the method in a few lines, as its authors publish it. Peers that would take more than
about a minute run on fewer samples, which the case names.

OPENBLAS_CORETYPE must not hold numpy back: set to an older processor's name, it makes numpy's matrix products several times
slower, and every ratio that much better than it is. The make target leaves it out, and the first line says which kernels
numpy's matrix products run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from curated import SelectResult, select
from images import behind_random_layer, clumps, fashion_mnist, shifted
from measure import Recorder, peak_of, release_memory, seconds_of
from sampling import worth
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_info, threadpool_limits

Floats = npt.NDArray[np.float32]
Picks = Sequence[int] | npt.NDArray[np.integer[Any]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/bench-peers.jsonl"))
    usual = ",".join(name for name in CASES if name != "large")
    parser.add_argument("--only", default=usual, help=f"which, with commas: {usual}, or large (an hour, 17 GB of memory)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples, to see that everything runs")
    return parser.parse_args()


class Bench:
    """The inputs, and a line for every comparison."""

    def __init__(self, recorder: Recorder, quick: bool) -> None:
        self.recorder = recorder
        self.part = 10 if quick else 1
        self.images = fashion_mnist()[:: self.part]
        self.embeddings = behind_random_layer(self.images)

    def probs(self, classes: int) -> Floats:
        """Return what a linear model of no great skill says."""
        weights = np.random.default_rng(1).normal(size=(512, classes)).astype(np.float32)
        logits = (self.embeddings - self.embeddings.mean(0)) @ weights / 4
        power = np.exp(logits - logits.max(1, keepdims=True))
        return power / power.sum(1, keepdims=True)

    def compare(
        self, bench: str, case: str, ours: Callable[[], Any], others: dict[str, Callable[[], Any]], judge: Callable[[Any], Any]
    ) -> None:
        """Time ours once warm, then each of the others; beside the times: the judge's value of both, and memory in MB."""
        kept: list[Any] = []
        memory = min(peak_of(ours) for _ in range(2)) / 1e6  # the first loads code too
        seconds = min(seconds_after_release(lambda: kept.append(ours())) for _ in range(2))
        for name, other in others.items():
            theirs: list[Any] = []
            times: list[float] = []
            timed = lambda other=other, theirs=theirs: theirs.append(other())  # noqa: E731
            try:
                other_memory = peak_of(lambda times=times, timed=timed: times.append(seconds_of(timed))) / 1e6
            except (MemoryError, ValueError, RuntimeError) as error:
                self.recorder.emit(bench, case, seconds, name, None, failed=f"{type(error).__name__}: {error}"[:100])
                continue
            found = {"value": judge(kept[-1]), "other": judge(theirs[-1]), "mb": memory, "other_mb": other_memory}
            self.recorder.emit(bench, case, seconds, name, times[0], **found)


def seconds_after_release(action: Callable[[], Any]) -> float:
    release_memory()
    return seconds_of(action)


def shape(points: Floats) -> str:
    return f"{points.shape[0]}x{points.shape[1]}"


def indices(result: SelectResult | Picks) -> npt.NDArray[np.int64]:
    return result.indices if isinstance(result, SelectResult) else np.asarray(result, np.int64)


def nearest2(points: Floats, centers: Floats) -> npt.NDArray[np.float64]:
    """Squared distance of each point to the nearest centre, by the block."""
    wide = centers.astype(np.float64)
    norm2 = (wide**2).sum(1)
    found = []
    for part in np.array_split(points.astype(np.float64), max(1, len(points) * len(centers) // 20_000_000)):
        found.append((norm2 - 2 * part @ wide.T).min(1) + (part**2).sum(1))
    return np.maximum(np.concatenate(found), 0)


# --- k-center ---------------------------------------------------------------------------------------------------------------


def kcenter_numpy(points: Floats, k: int, first: int) -> Picks:
    norm2 = (points**2).sum(1)
    nearest = np.full(len(points), np.inf, np.float32)
    chosen = [first]
    for _ in range(k - 1):
        last = chosen[-1]
        np.minimum(nearest, norm2 + norm2[last] - 2 * (points @ points[last]), out=nearest)
        chosen.append(int(nearest.argmax()))
    return chosen


def kcenter_mundig(points: Floats, k: int, first: int) -> Picks:
    from lightly_mundig import Selection

    selection = Selection()
    selection.add_diversifying_strategy(points, 1.0)
    return list(selection.run_selection([first], len(points), k))


def kcenter_activeml(points: Floats, k: int, first: int) -> Picks:
    from skactiveml.pool import CoreSet

    y = np.full(len(points), np.nan)
    y[first] = 0
    return [first, *CoreSet(random_state=0).query(points, y, batch_size=k - 1)]


def kcenter_radius(points: Floats) -> Callable[[Any], float]:
    """Return what k-center makes small: the distance of the farthest point to its nearest centre."""

    def radius(result: Any) -> float:
        return float(np.sqrt(nearest2(points, points[indices(result)]).max()))

    return radius


def bench_kcenter(bench: Bench) -> None:
    many = clumps(1_000_000 // bench.part)
    for name, points, k in (
        ("embeddings", bench.embeddings, 1000),
        ("images", bench.images, 1000),
        ("embeddings", bench.embeddings, 10_000),
        ("images", bench.images, 10_000),
        ("clumps", many, 1000),
        ("embeddings", np.ascontiguousarray(bench.embeddings[::5]), 200),
    ):
        k //= bench.part
        ours = lambda points=points, k=k: select("kcenter", k, embeddings=points)  # noqa: E731
        first = int(ours().indices[0])
        others: dict[str, Callable[[], Any]] = {
            "numpy": lambda points=points, k=k, first=first: kcenter_numpy(points, k, first),
            "lightly-mundig": lambda points=points, k=k, first=first: kcenter_mundig(points, k, first),
        }
        if len(points) <= 12_000:
            others["scikit-activeml"] = lambda points=points, k=k, first=first: kcenter_activeml(points, k, first)
        bench.compare("kcenter", f"{name}-{shape(points)}-k{k}", ours, others, kcenter_radius(points))


# --- BADGE ------------------------------------------------------------------------------------------------------------------


def residuals(probs: Floats) -> Floats:
    residual = probs.copy()
    residual[np.arange(len(probs)), probs.argmax(1)] -= 1
    return residual


def badge_numpy(points: Floats, probs: Floats, k: int) -> Picks:
    """k-means++ on gradient embeddings by their factors."""
    rng = np.random.default_rng(0)
    residual = residuals(probs)
    norm2 = (points**2).sum(1) * (residual**2).sum(1)
    nearest = np.full(len(points), np.inf)
    chosen = [int(norm2.argmax())]
    for _ in range(k - 1):
        last = chosen[-1]
        inner = (points @ points[last]) * (residual @ residual[last])
        np.minimum(nearest, np.maximum(norm2 + norm2[last] - 2 * inner, 0), out=nearest)
        chosen.append(int(rng.choice(len(points), p=nearest / nearest.sum())))
    return chosen


def badge_formed(points: Floats, probs: Floats, k: int) -> Picks:
    """k-means++ on gradient embeddings that are formed."""
    rng = np.random.default_rng(0)
    gradients = (residuals(probs)[:, :, None] * points[:, None, :]).reshape(len(points), -1)
    norm2 = (gradients**2).sum(1)
    nearest = np.full(len(points), np.inf)
    chosen = [int(norm2.argmax())]
    for _ in range(k - 1):
        difference = norm2 + norm2[chosen[-1]] - 2 * (gradients @ gradients[chosen[-1]])
        np.minimum(nearest, np.maximum(difference, 0), out=nearest)
        chosen.append(int(rng.choice(len(points), p=nearest / nearest.sum())))
    return chosen


def badge_potential(points: Floats, probs: Floats) -> Callable[[Any], float]:
    """Return what D^2 sampling makes small: the mean squared distance of gradients to the nearest picked one."""
    residual = residuals(probs)
    norm2 = (points**2).sum(1) * (residual**2).sum(1)

    def potential(result: Any) -> float:
        chosen = indices(result)
        total = 0.0
        for part in np.array_split(np.arange(len(points)), 60):
            inner = (points[part] @ points[chosen].T) * (residual[part] @ residual[chosen].T)
            total += float(np.maximum(norm2[part, None] + norm2[chosen] - 2 * inner, 0).min(1).sum())
        return total / len(points)

    return potential


def bench_badge(bench: Bench) -> None:
    def compare(step: int, classes: int, peers: dict[str, Callable[[Floats, Floats, int], Picks]]) -> None:
        points, probs, k = np.ascontiguousarray(bench.embeddings[::step]), bench.probs(classes)[::step], 1000 // bench.part
        bench.compare(
            "badge",
            f"{shape(points)}-{classes}-classes-k{k}",
            lambda: select("badge", k, embeddings=points, probs=probs),
            {name: lambda peer=peer: peer(points, probs, k) for name, peer in peers.items()},
            badge_potential(points, probs),
        )

    compare(1, 10, {"numpy": badge_numpy})
    compare(1, 100, {"numpy": badge_numpy})
    compare(5, 10, {"numpy-formed": badge_formed})


# --- coverage ---------------------------------------------------------------------------------------------------------------


def kernel(points: Floats, radius: float) -> Floats:
    norm2 = (points**2).sum(1)
    distance2 = np.maximum(norm2[:, None] + norm2 - 2 * (points @ points.T), 0)
    return np.exp(-distance2 / np.float32(radius**2))


def facility_apricot(points: Floats, k: int, radius: float) -> Picks:
    from apricot import FacilityLocationSelection

    selection = FacilityLocationSelection(k, metric="precomputed", optimizer="lazy", random_state=0)
    return list(selection.fit(kernel(points, radius).astype(np.float64)).ranking)


def facility_submodlib(points: Floats, k: int, radius: float) -> Picks:
    from submodlib import FacilityLocationFunction

    function = FacilityLocationFunction(n=len(points), mode="dense", sijs=kernel(points, radius), separate_rep=False)
    return [slot for slot, _ in function.maximize(budget=k, optimizer="LazyGreedy", show_progress=False)]


def herding_activeml(points: Floats, k: int, radius: float, known: Picks = ()) -> Picks:
    from skactiveml.pool import MaxHerding

    strategy = MaxHerding(normalize_samples=False, metric="rbf", metric_dict={"gamma": 1 / radius**2}, random_state=0)
    y = np.full(len(points), np.nan)
    y[np.asarray(known, np.int64)] = 0
    return list(strategy.query(points, y, batch_size=k))


def covered(points: Floats, radius: float) -> Callable[[Any], float]:
    """Return the mean similarity of all samples to the nearest pick."""

    def value(result: Any) -> float:
        return float(np.exp(-nearest2(points, points[indices(result)]) / radius**2).mean())

    return value


def bench_facility(bench: Bench) -> None:
    def compare(step: int, k: int, peers: dict[str, Callable[[Floats, int, float], Picks]]) -> None:
        points, k = np.ascontiguousarray(bench.embeddings[:: max(1, step // bench.part)]), k // bench.part
        radius = float(select("facility_location", 1, embeddings=points).stats["radius"])
        bench.compare(
            "facility_location",
            f"{shape(points)}-k{k}",
            lambda: select("facility_location", k, embeddings=points, radius=radius),
            {name: lambda peer=peer: peer(points, k, radius) for name, peer in peers.items()},
            covered(points, radius),
        )

    compare(6, 1000, {"submodlib": facility_submodlib, "apricot": facility_apricot})
    compare(3, 1000, {"submodlib": facility_submodlib})
    compare(30, 300, {"scikit-activeml-maxherding": herding_activeml})


def herding_numpy(points: Floats, k: int, radius: float, weight: Floats, known: Picks) -> Picks:
    """Uncertainty herding: the sample that raises the weighted coverage most, again and again."""
    near = kernel(points, radius)
    best = near[:, known].max(1)
    chosen: list[int] = []
    for _ in range(k):
        gain = weight @ np.maximum(near - best[:, None], 0)
        gain[[*known, *chosen]] = -1
        chosen.append(int(gain.argmax()))
        np.maximum(best, near[:, chosen[-1]], out=best)
    return chosen


def weighted_submodlib(points: Floats, k: int, radius: float, weight: Floats, known: Picks) -> Picks:
    """The same as facility location over the weighted rows, the known samples taken out beforehand as far as they cover."""
    from submodlib import FacilityLocationFunction

    near = kernel(points, radius)
    left = np.setdiff1d(np.arange(len(points)), known)
    rows = np.ascontiguousarray(weight[:, None] * np.maximum(near[:, left] - near[:, known].max(1)[:, None], 0))
    function = FacilityLocationFunction(n=len(left), mode="dense", sijs=rows, separate_rep=True, n_rep=len(points))
    return [int(left[slot]) for slot, _ in function.maximize(budget=k, optimizer="LazyGreedy", show_progress=False)]


def bench_coverage(bench: Bench) -> None:
    """Uncertainty coverage; scikit-activeml has the one without uncertainty, which is judged by the same objective."""
    points, k = np.ascontiguousarray(bench.embeddings[:: 20 // bench.part]), 300 // bench.part
    probs = bench.probs(10)[:: 20 // bench.part]
    known = np.arange(0, len(points), 30)
    labels = probs[known].argmax(1)
    arguments = {"embeddings": points, "probs": probs, "labeled": known, "labels": labels}
    everything = select("coverage", len(points), **arguments)
    radius = float(everything.stats["radius"])
    weight = np.zeros(len(points), np.float32)
    weight[everything.indices] = everything.reasons["uncertainty"] * everything.reasons["class_weight"]
    near = kernel(points, radius)

    def value(result: Any) -> float:
        return float(weight @ near[:, [*known, *indices(result)]].max(1) / weight.sum())

    others: dict[str, Callable[[], Any]] = {
        "scikit-activeml-maxherding": lambda: herding_activeml(points, k, radius, known),
        "submodlib-weighted": lambda: weighted_submodlib(points, k, radius, weight, known),
        "numpy-uncertainty-herding": lambda: herding_numpy(points, k, radius, weight, known),
    }
    bench.compare("coverage", f"{shape(points)}-k{k}", lambda: select("coverage", k, **arguments), others, value)
    auto = lambda: select("auto", k, **arguments, control_share=0)  # noqa: E731
    bench.compare(
        "auto", f"{shape(points)}-k{k}", auto, {"scikit-activeml-maxherding": others["scikit-activeml-maxherding"]}, value
    )


# --- what takes the others very long ----------------------------------------------------------------------------------------


def herding_blocks(points: Floats, k: int, radius: float, weight: Floats, known: Picks) -> Picks:
    """As herding_numpy, with no second matrix beside the kernel's."""
    near = np.empty((len(points), len(points)), np.float32)
    norm2 = (points**2).sum(1)
    blocks = [slice(start, start + 500) for start in range(0, len(points), 500)]
    for block in blocks:
        distance2 = np.maximum(norm2[block, None] + norm2 - 2 * (points[block] @ points.T), 0)
        np.exp(-distance2 / np.float32(radius**2), out=near[block])
    best = near[known].max(0)
    chosen: list[int] = []
    for _ in range(k):
        gain = np.concatenate([np.maximum(near[block] - best, 0) @ weight for block in blocks])
        gain[[*known, *chosen]] = -1
        chosen.append(int(gain.argmax()))
        np.maximum(best, near[chosen[-1]], out=best)
    return chosen


def bench_large(bench: Bench) -> None:
    """Uncertainty coverage and BADGE on all embeddings, and approximate neighbours among four times as many."""
    points, probs, k = bench.embeddings, bench.probs(10), 1000 // bench.part
    known = np.arange(0, len(points), 60)
    labels = probs[known].argmax(1)
    arguments = {"embeddings": points, "probs": probs, "labeled": known, "labels": labels, "references_max": len(points)}
    stats = select("coverage", 1, **arguments).stats
    radius = float(stats["radius"])
    weight = worth(probs, labels, stats["temperature"]).astype(np.float32)
    weight[known] = 0
    covered_before = np.exp(-nearest2(points, points[known]) / radius**2)

    def value(result: Any) -> float:
        near = np.exp(-nearest2(points, points[indices(result)]) / radius**2)
        return float(weight @ np.maximum(near - covered_before, 0) / weight.sum())

    exact = lambda: select("coverage", k, **arguments)  # noqa: E731
    herding = lambda: herding_blocks(points, k, radius, weight, known)  # noqa: E731
    bench.compare("coverage", f"{shape(points)}-k{k}-exact", exact, {"numpy-uncertainty-herding": herding}, value)
    bench.compare(
        "badge",
        f"{shape(points)}-10-classes-k{k}",
        lambda: select("badge", k, embeddings=points, probs=probs),
        {"numpy-formed": lambda: badge_formed(points, probs, k)},
        badge_potential(points, probs),
    )
    bench_approximate(bench, behind_random_layer(shifted(bench.images)))


# --- clusters ---------------------------------------------------------------------------------------------------------------


def typiclust_numpy(points: Floats, k: int) -> Picks:
    """The published steps: k-means, then the most typical sample of each cluster by neighbours within it."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.neighbors import NearestNeighbors

    cluster = MiniBatchKMeans(k, batch_size=5000, n_init=3, random_state=0).fit_predict(points)
    chosen = []
    for number in np.unique(cluster):
        members = np.flatnonzero(cluster == number)
        neighbors = min(20, len(members) // 2 + 1)
        distance, _ = NearestNeighbors(n_neighbors=neighbors).fit(points[members]).kneighbors()
        chosen.append(int(members[distance.mean(1).argmin()]))
    return chosen


def probcover_numpy(points: Floats, k: int, radius: float) -> Picks:
    """The published steps: all pairs within the radius as a graph, then the node of highest degree again and again."""
    sources, targets = [], []
    norm2 = (points**2).sum(1)
    for part in np.array_split(np.arange(len(points)), 120):
        near = norm2[part, None] + norm2 - 2 * (points[part] @ points.T) < radius**2
        rows, columns = np.nonzero(near)
        sources.append(part[rows])
        targets.append(columns)
    x, y = np.concatenate(sources), np.concatenate(targets)
    chosen = []
    for _ in range(k):
        degree = np.bincount(x, minlength=len(points))
        chosen.append(int(degree.argmax()))
        covered_now = np.zeros(len(points), bool)
        covered_now[y[x == chosen[-1]]] = True
        keep = ~covered_now[y]
        x, y = x[keep], y[keep]
    return chosen


def balls(points: Floats, radius: float) -> Callable[[Any], float]:
    """Return the share of samples within the radius of a pick."""

    def share(result: Any) -> float:
        return float((nearest2(points, points[indices(result)]) < radius**2).mean())

    return share


def bench_clusters(bench: Bench) -> None:
    points, k = bench.embeddings, 100
    typiclust_numpy(points[:2000], 3)  # loads the packages, whose memory is not the method's
    bench.compare(
        "typiclust",
        f"{shape(points)}-k{k}",
        lambda: select("typiclust", k, embeddings=points),
        {"numpy-scikit-learn": lambda: typiclust_numpy(points, k)},
        covered(points, float(np.median(cdist(points[:300], points[300:600])))),
    )
    radius = float(np.quantile(cdist(points[:1000], points[1000:3000]), 0.01))
    bench.compare(
        "probcover",
        f"{shape(points)}-k{k}",
        lambda: select("probcover", k, embeddings=points, radius=radius),
        {"numpy": lambda: probcover_numpy(points, k, radius)},
        balls(points, radius),
    )


# --- neighbours -------------------------------------------------------------------------------------------------------------


def neighbors_faiss(points: Floats, k: int) -> Any:
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    return index.search(points, k + 1)[1][:, 1:]


def neighbors_faiss_lists(points: Floats, k: int, visits: int) -> Any:
    import faiss

    lists = int(4 * np.sqrt(len(points)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(points.shape[1]), points.shape[1], lists)
    index.train(points[:: max(1, len(points) // (40 * lists))])
    index.add(points)
    index.nprobe = visits
    return index.search(points, k + 1)[1][:, 1:]


def neighbors_faiss_graph(points: Floats, k: int, visits: int) -> Any:
    import faiss

    index = faiss.IndexHNSWFlat(points.shape[1], 16)
    index.hnsw.efConstruction = 100
    index.add(points)
    index.hnsw.efSearch = visits
    return index.search(points, k + 1)[1][:, 1:]


def neighbors_sklearn(points: Floats, k: int) -> Any:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=-1).fit(points).kneighbors(return_distance=False)


def bench_neighbors(bench: Bench) -> None:
    from curated import neighbors

    points = bench.embeddings

    def distance(found: Any) -> float:
        rows = found.indices if hasattr(found, "indices") else found
        return float(np.mean([np.linalg.norm(points[rows[i]] - points[i], axis=1).mean() for i in range(0, len(points), 100)]))

    bench.compare(
        "neighbors",
        f"{shape(points)}-10",
        lambda: neighbors(points, 10),
        {"faiss-flat": lambda: neighbors_faiss(points, 10), "scikit-learn": lambda: neighbors_sklearn(points, 10)},
        distance,
    )
    bench_approximate(bench, points)


def bench_approximate(bench: Bench, points: Floats) -> None:
    """Ours at its default recall, the others as their settings of these sizes give at least as much: the values are recalls."""
    import faiss
    from curated import neighbors

    sample = np.arange(0, len(points), max(1, len(points) // 1000))
    flat = faiss.IndexFlatL2(points.shape[1])
    flat.add(points)
    true = [set(row[row != at][:10]) for at, row in zip(sample, flat.search(points[sample], 11)[1], strict=True)]

    def recall(found: Any) -> float:
        rows = found.indices if hasattr(found, "indices") else found
        return float(np.mean([len(true[i] & set(rows[at])) / 10 for i, at in enumerate(sample)]))

    others: dict[str, Callable[[], Any]] = {
        "faiss-ivf-flat": lambda: neighbors_faiss_lists(points, 10, 16),
        "faiss-hnsw": lambda: neighbors_faiss_graph(points, 10, 32),
    }
    ours = lambda: neighbors(points, 10, mode="approximate")  # noqa: E731
    bench.compare("neighbors", f"{shape(points)}-10-approximate", ours, others, recall)


# --- matrix products --------------------------------------------------------------------------------------------------------


def gemm_seconds(m: int, n: int, k: int) -> float:
    """Time of a product of numpy's while another thread does its own, which is how the engine uses the processor's cores."""
    rng = np.random.default_rng(0)
    operands = [
        (rng.random((m, k), np.float32), rng.random((n, k), np.float32), np.empty((m, n), np.float32)) for _ in range(2)
    ]
    times = int(1e9 / (m * n * k)) + 1

    def work(operand: tuple[Floats, Floats, Floats]) -> None:
        for _ in range(times):
            np.dot(operand[0], operand[1].T, out=operand[2])

    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        return min(seconds_of(lambda: list(pool.map(work, operands))) for _ in range(7)) / times


def bench_gemm(bench: Bench) -> None:
    program = Path(os.environ["CURATED_SELECT_LIBRARY"]).parent / "bench" / "bench_gemm"
    lines = subprocess.run([program.resolve()], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    for line in map(json.loads, lines):
        sizes, threads, kernel = line["case"].split("-")
        if threads == "threads2" and kernel == json.loads(lines[0])["case"].split("-")[2]:
            other = gemm_seconds(*map(int, sizes.split("x")))
            bench.recorder.emit("gemm", line["case"], line["seconds"], "numpy", other, gflops=line["gflops"])


# --- scores -----------------------------------------------------------------------------------------------------------------


def bench_scores(bench: Bench) -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(100), 1_000_000 // bench.part).astype(np.float32)

    def margin() -> Picks:
        first_two = np.partition(probs, -2, axis=1)[:, -2:]
        return np.argsort(first_two[:, 1] - first_two[:, 0])[:1000]

    def entropy() -> Picks:
        return np.argsort(-np.nansum(-probs * np.log(probs), axis=1))[:1000]

    for strategy, other in (("margin", margin), ("entropy", entropy)):
        bench.compare(
            strategy,
            f"{shape(probs)}-k1000",
            lambda strategy=strategy: select(strategy, 1000, probs=probs),
            {"numpy": other},
            lambda result: len(indices(result)),
        )


CASES: dict[str, Callable[[Bench], None]] = {
    "kcenter": bench_kcenter,
    "badge": bench_badge,
    "facility": bench_facility,
    "coverage": bench_coverage,
    "clusters": bench_clusters,
    "neighbors": bench_neighbors,
    "gemm": bench_gemm,
    "scores": bench_scores,
    "large": bench_large,
}


def report_blas(recorder: Recorder) -> None:
    """Say which kernels the matrix products of numpy and scipy run: a baseline that runs an old processor's is none."""
    for library in threadpool_info():
        if library["user_api"] == "blas":
            line = {"library": Path(library["filepath"]).name, "kernels": library.get("architecture", "unknown")}
            line |= {"threads": library["num_threads"], "forced": os.environ.get("OPENBLAS_CORETYPE", "")}
            recorder.write(json.dumps(line))


def main() -> int:
    options = arguments()
    bench = Bench(Recorder(options.output), options.quick)
    report_blas(bench.recorder)
    for name in options.only.split(","):
        CASES[name](bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
