"""Long calls tell how far they are, often, and stop when they are asked to: every strategy, on a pool that takes it a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import SelectionCanceled, duplicates, neighbors, outliers, select, strategies

N, WIDTH, CLASSES = 200_000, 32, 10

# No timed assertion: a pass over everything that never asks takes longer than this on a pool of a size that matters.
SILENCE_MAX_S = 2.0

OTHERS: dict[str, Callable[..., Any]] = {
    "neighbors": lambda columns, **more: neighbors(columns["embeddings"], 5, mode="approximate", recall=0.5, **more),
    "duplicates": lambda columns, **more: duplicates(columns["embeddings"], **more),
    "outliers": lambda columns, **more: outliers(columns["embeddings"], **more),
}
CALLS = [*strategies(), *OTHERS]


@pytest.fixture(scope="module")
def columns() -> dict[str, npt.NDArray[Any]]:
    """Everything that some strategy reads, in clusters."""
    rng = np.random.default_rng(0)
    kind = rng.integers(400, size=N)
    embeddings = rng.normal(size=(400, WIDTH)).astype(np.float32)[kind] * 3
    embeddings += rng.normal(size=(N, WIDTH)).astype(np.float32)
    probs = rng.random((N, CLASSES), np.float32) ** 3
    probs[np.arange(N), kind % CLASSES] += 0.3
    probs /= probs.sum(1, keepdims=True)
    return {
        "embeddings": embeddings,
        "probs": probs,
        "draws": np.stack([probs, np.roll(probs, 1, 0)]),
        "utility": probs[:, 0],
        "prices": rng.uniform(0.05, 0.15, N),
        "labeled": np.arange(0, N, 1000),
        "labels": kind[::1000] % CLASSES,
    }


class Watch:
    """A progress function that stops the call when it is told to, and notes how long the call was silent."""

    def __init__(self, stops: Callable[[int, float], bool]) -> None:
        self.stops = stops
        self.seen: list[float] = []
        self.started = self.last = time.perf_counter()
        self.silence = 0.0
        self.stopped = False

    def __call__(self, done: float) -> bool:
        now = time.perf_counter()
        self.silence = max(self.silence, now - self.last)
        self.last = now
        assert not self.stopped, "the call went on after it was told to stop"
        self.seen.append(done)
        self.stopped = self.stops(len(self.seen), now - self.started)
        return self.stopped


def run(name: str, columns: dict[str, Any], watch: Watch, *, threads: int | None) -> None:
    """Run a call; a strategy that is not built yet skips the test."""
    try:
        if name in OTHERS:
            OTHERS[name](columns, progress=watch, threads=threads)
        else:
            select(name, 400, class_sought=1, progress=watch, threads=threads, **columns)
    except ValueError as error:
        if "one that is built" in str(error):
            pytest.skip(str(error))
        raise
    finally:
        watch.silence = max(watch.silence, time.perf_counter() - watch.last)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_stops_when_it_is_asked_to(name: str, columns: dict[str, Any]) -> None:
    whole = Watch(lambda calls, seconds: seconds > 0.5)  # some calls take minutes: not all of these
    try:
        run(name, columns, whole, threads=1)
    except SelectionCanceled:
        assert whole.stopped
    assert len(whole.seen) > 3
    assert whole.seen == sorted(whole.seen)
    assert 0 <= whole.seen[0] <= whole.seen[-1] <= 1
    silences = {"whole": whole.silence}
    # One thread asks as often each time; of several threads' tiles it is chance how many are the asking one's.
    later = int(np.random.default_rng(len(name)).integers(3, len(whole.seen)))
    for moment, at, threads in (("first", 1, None), ("third", 3, None), ("later", later, 1)):
        watch = Watch(lambda calls, _, at=at: calls == at)  # type: ignore[misc]
        with pytest.raises(SelectionCanceled):
            run(name, columns, watch, threads=threads)
        assert watch.stopped
        silences[moment] = watch.silence
    print(name, {moment: f"{1000 * silence:.0f} ms" for moment, silence in silences.items()})
    assert max(silences.values()) < SILENCE_MAX_S


@pytest.mark.parametrize("name", ["auto", "density", "outlier", "probcover", "typiclust", "coverage", "graph_cut"])
def test_work_before_the_first_pick_is_progress(name: str, columns: dict[str, Any]) -> None:
    part = {column: values[..., :30_000, :] if values.ndim > 1 else values for column, values in columns.items()}
    part |= {column: part[column][:30_000] for column in ("utility", "prices")} | {"labeled": [0, 9], "labels": [0, 1]}
    watch = Watch(lambda calls, seconds: False)
    select(name, 2, progress=watch, threads=1, **part)
    assert watch.seen == sorted(watch.seen)
    assert len({round(done, 2) for done in watch.seen if 0 < done < 1}) > 3
