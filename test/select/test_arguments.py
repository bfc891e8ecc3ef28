"""What `select` makes of its arguments: no copies, clear refusals, progress, Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from curated import SelectionCanceled, native, select
from curated import pool as pool_module
from pools import Pool


def test_half_and_single_precision_are_read_where_they_are() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(20_000, 256)).astype(np.float32)
    for embeddings in (wide, wide.astype(np.float16), wide[:, :128], wide[::2]):
        tracemalloc.start()
        result = select("kcenter", 5, embeddings=embeddings)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(result) == 5
        assert peak < embeddings.nbytes / 4


def test_strided_and_converted_arrays_select_the_same(pool: Pool) -> None:
    expected = select("kcenter", 20, embeddings=pool.embeddings).indices
    padded = np.zeros((len(pool), 32), np.float32)
    padded[:, 3:11] = pool.embeddings
    for same in (
        padded[:, 3:11],
        pool.embeddings.astype(np.float64),
        np.asfortranarray(pool.embeddings),
        pool.embeddings[::-1][::-1],
        pool.embeddings.tolist(),
    ):
        np.testing.assert_array_equal(select("kcenter", 20, embeddings=same).indices, expected)


def test_inputs_are_not_written_to(pool: Pool) -> None:
    embeddings, probs = pool.embeddings.copy(), pool.probs.copy()
    embeddings.flags.writeable = probs.flags.writeable = False
    select("auto", 10, embeddings=embeddings, probs=probs, labeled=[1, 2], labels=[0, 1])
    np.testing.assert_array_equal(embeddings, pool.embeddings)
    np.testing.assert_array_equal(probs, pool.probs)


def test_masks_and_indices_mean_the_same(pool: Pool) -> None:
    mask = np.zeros(len(pool), bool)
    mask[[3, 50, 77]] = True
    by_mask = select("kcenter", 10, embeddings=pool.embeddings, labeled=mask)
    by_index = select("kcenter", 10, embeddings=pool.embeddings, labeled=[77, 3, 50])
    np.testing.assert_array_equal(by_mask.indices, by_index.indices)
    assert not set(by_mask.indices) & {3, 50, 77}


@pytest.mark.parametrize("state", ["labeled", "pending", "refused", "excluded"])
@pytest.mark.parametrize("strategy", ["auto", "random", "margin", "kcenter"])
def test_what_is_no_candidate_is_never_picked(pool: Pool, state: str, strategy: str) -> None:
    out = np.arange(0, len(pool), 2)
    result = select(strategy, len(pool), embeddings=pool.embeddings, probs=pool.probs, **{state: out})
    assert len(result) and not np.isin(result.indices, out).any()


def test_dollars_become_whole_microdollars(pool: Pool) -> None:
    prices = np.full(len(pool), 0.1)
    result = select("random", budget="0.30", prices=prices)
    assert len(result) == 3
    assert result.cost_usd == 0.3


WRONG = {
    "k": {"strategy": "random", "n": 3},
    "n": {"strategy": "random", "k": 1},
    "strategy": {"strategy": "best", "k": 1, "n": 3},
    "embeddings": {"strategy": "kcenter", "k": 1, "n": 3},
    "probs": {"strategy": "margin", "k": 1, "probs": [[0.5, np.nan]]},
    "draws": {"strategy": "bald", "k": 1, "draws": np.ones((2, 2))},
    "prices": {"strategy": "random", "k": 1, "n": 3, "prices": [1, 2]},
    "labels": {"strategy": "random", "k": 1, "n": 3, "labeled": [0, 1], "labels": [0]},
    "labeled": {"strategy": "random", "k": 1, "n": 3, "labeled": [3]},
    "pending": {"strategy": "random", "k": 1, "n": 3, "pending": [-1]},
    "excluded": {"strategy": "random", "k": 1, "n": 3, "excluded": [True]},
    "groups": {"strategy": "random", "k": 1, "n": 3, "groups": [1, 2]},
    "tags": {"strategy": "random", "k": 1, "n": 3, "excluded_tags": ["night"]},
    "shares": {"strategy": "random", "k": 1, "n": 3, "classes": 2, "shares": {1: 1.5}},
    "class_weight": {"strategy": "random", "k": 1, "n": 3, "classes": 2, "class_weight": [1]},
    "aggregate": {"strategy": "random", "k": 1, "n": 3, "aggregate": "median"},
    "overlap": {"strategy": "random", "k": 1, "n": 3, "overlap": 0},
}


@pytest.mark.parametrize("field", WRONG)
def test_a_refusal_names_the_field(field: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field}\b.*expected .*, got "):
        select(**WRONG[field])


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "radius": (1e-16, 1e16),
        "purity": (1.01,),
        "redundancy": (1e13,),
        "outlier_share": (1.01,),
        "power": (1e13,),
    }.items(),
)
def test_a_parameter_is_within_its_range(name: str, values: tuple[float, ...]) -> None:
    for value in (*values, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"^{name}: expected .*1.*, got "):
            select("random", 1, n=3, **{name: value})
    for value in (0, 0.5, 1):
        assert len(select("random", 1, n=3, **{name: value})) == 1


def test_columns_that_disagree_are_refused(pool: Pool) -> None:
    with pytest.raises(ValueError, match="expected 400 samples as in the others, got 399"):
        select("auto", 1, probs=pool.probs, embeddings=pool.embeddings[1:])


def test_an_unknown_parameter_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="'radios'"):
        select("random", 1, n=3, radios=1)


def slow_pool() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(30_000, 64)).astype(np.float32)


def test_progress_rises_and_can_stop() -> None:
    seen: list[float] = []

    def progress(done: float) -> bool:
        seen.append(done)
        return len(seen) > 3

    with pytest.raises(SelectionCanceled):
        select("kcenter", 20_000, embeddings=slow_pool(), progress=progress)
    assert len(seen) == 4
    assert seen == sorted(seen) and all(0 <= done <= 1 for done in seen)


def test_what_the_progress_function_raises_comes_out() -> None:
    def progress(_: float) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        select("kcenter", 20_000, embeddings=slow_pool(), progress=progress)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """What runs in the background of a shell ignores it, and so would the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_a_long_call() -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    embeddings = slow_pool()
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        select("kcenter", 30_000, embeddings=embeddings, threads=1)
    # No bound on the time but that it was not run to its end, which takes many seconds.
    assert time.monotonic() - begin < 60


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_the_check_of_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = np.ones((1000, 16), np.float32)
    monkeypatch.setattr(pool_module, "CHECK_BYTES", 100 * embeddings[0].nbytes)
    check = native.library().select_rows_check
    parts: list[int] = []

    def interrupted(rows: native.Rows, *rest: object) -> int:
        parts.append(rows.count)
        if len(parts) == 3:
            signal.raise_signal(signal.SIGINT)
        return int(check(rows, *rest))

    monkeypatch.setattr(native.library(), "select_rows_check", interrupted)
    with pytest.raises(KeyboardInterrupt):
        select("kcenter", 5, embeddings=embeddings)
    assert parts == [100] * 3


@pytest.mark.parametrize("row", [0, 99, 100, 999, 1000])
def test_what_is_no_number_is_named_by_its_row(row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    padded = np.ones((1001, 24), np.float16)
    monkeypatch.setattr(pool_module, "CHECK_BYTES", 100 * padded[0].nbytes + 7)
    padded[:, 16:] = np.nan  # between the rows
    padded[row, 15] = np.inf
    with pytest.raises(ValueError, match=rf"^embeddings: expected finite numbers, got others in row {row}$"):
        select("kcenter", 5, embeddings=padded[:, :16])
