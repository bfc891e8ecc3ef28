"""What the Python client promises: no work lost or done twice, and no wrong thing sent where a clear error is due."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from collections.abc import Callable
from decimal import Decimal
from types import FrameType
from typing import Any

import numpy as np
import projects
import pytest
from curated import Client, CuratedError
from curated.connection import Connection


def interrupt_in(code: Any, call: int) -> Callable[..., Any]:
    """A trace function that raises KeyboardInterrupt when a line of `code` has run so many times."""
    lines: dict[int, int] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is not code:
            return trace if event == "call" else None
        if event == "line":
            lines[frame.f_lineno] = lines.get(frame.f_lineno, 0) + 1
            if lines[frame.f_lineno] == call:
                raise KeyboardInterrupt
        return trace

    return trace


def test_usable_after_an_interrupt_between_two_frames(client: Client) -> None:
    projects.create(client, samples=4, predicted=False)
    sys.settrace(interrupt_in(Connection._send.__code__, 3))
    try:
        with pytest.raises(KeyboardInterrupt):
            client.import_labels(np.zeros(4, dtype=np.int64), slots=[0, 1, 2, 3])
    finally:
        sys.settrace(None)
    client.session.connection.timeout = 5
    assert client.import_labels(np.ones(4, dtype=np.int64), slots=[0, 1, 2, 3]) == 4
    assert client.labels()[1].tolist() == ["dog"] * 4


def grant_in_child(client: Client, queue: Any) -> None:
    client.session.connection.timeout = 10
    try:
        queue.put(client.grant(1)["granted_usd"])
    except CuratedError as error:
        queue.put(str(error))


@pytest.mark.parametrize("connected", [False, True])
def test_a_forked_process_is_another_client(daemon: Any, client: Client, project: str, connected: bool) -> None:
    """A client made before a fork, used on both sides of it: both grants count."""
    client.create_project(classes=["a"], price_usd=1)
    with daemon.client(project) as own:
        if connected:
            own.status()
        fork = multiprocessing.get_context("fork")
        queue = fork.Queue()
        process = fork.Process(target=grant_in_child, args=(own, queue))
        process.start()
        try:
            assert queue.get(timeout=30) == 1
            process.join(30)
        finally:
            process.kill()
        assert own.grant(1)["granted_usd"] == 2


def test_a_pickled_client_is_another_client(daemon: Any, client: Client, project: str) -> None:
    client.create_project(classes=["a"], price_usd=1)
    with daemon.client(project) as own, pickle.loads(pickle.dumps(own)) as copy:
        assert [own.grant(1)["granted_usd"], copy.grant(1)["granted_usd"]] == [1, 2]


@pytest.mark.parametrize(
    ("usd", "microusd"),
    [
        (np.float32(99.99), 99_990_000),
        (np.float32(200000.1), 200_000_100_000),
        (np.float16(0.08), 80_000),
        (np.int16(3), 3_000_000),
    ],
)
def test_numbers_of_numpy_count_as_they_print(client: Client, usd: Any, microusd: int) -> None:
    client.create_project(classes=["a"], price_usd=1)
    assert client.grant(usd)["granted_microusd"] == microusd


@pytest.mark.parametrize("usd", ["1e30", Decimal("1e999999"), 1e300, 10**13])
def test_too_much_money_is_no_amount(client: Client, usd: Any) -> None:
    client.create_project(classes=["a"], price_usd=1)
    with pytest.raises(ValueError, match="amount of dollars"):
        client.grant(usd)


def test_a_negative_price_is_not_the_projects_own(client: Client) -> None:
    client.create_project(classes=["a"], price_usd=1)
    with pytest.raises(ValueError, match="price"):
        client.add_samples(["k"], prices_usd=["-0.000001"])
    assert client.status()["samples"] == 0


@pytest.mark.parametrize("samples", [[1.5, 2.7], [False, True, True], np.array([False, True]), "k1"])
@pytest.mark.parametrize("field", ["only", "include"])
def test_batches_of_what_names_no_sample(client: Client, samples: Any, field: str) -> None:
    """Slots were cut to whole numbers, a mask became the slots 0 and 1, and a key its letters: the wrong items were bought."""
    projects.create(client, samples=4)
    client.add_samples(["k", "1"])
    with pytest.raises((TypeError, ValueError)):
        client.next_batch(count=3, **{field: samples})
    assert client.status()["batches"] == 0


def test_labels_that_are_no_class_are_refused(client: Client) -> None:
    """2^32 + 1 was cut to 1."""
    projects.create(client, samples=2)
    with pytest.raises(CuratedError):
        client.import_labels(np.array([2**32 + 1, 2**32]), slots=[0, 1])
    assert client.status()["labels"] == 0


@pytest.mark.parametrize("keys", ["abc", b"abc", [b"a.jpg"], ["a", b"b"]])
def test_keys_are_text(client: Client, keys: Any) -> None:
    """One str was taken for keys of one letter, and bytes for what Python prints of them."""
    client.create_project(classes=["a"], price_usd=1)
    with pytest.raises(TypeError, match="keys"):
        client.add_samples(keys)
    assert client.status()["samples"] == 0


@pytest.mark.parametrize("column", ["probs", "embeddings", "utility"])
def test_masked_values_are_not_pushed(client: Client, column: str) -> None:
    projects.create(client, samples=3, predicted=False)
    rows = {"probs": projects.probabilities(3), "embeddings": projects.vectors(3), "utility": np.ones(3)}[column]
    masked = np.ma.masked_array(rows, mask=np.arange(rows.size).reshape(rows.shape) == 1)
    version = None if column == "embeddings" else 1
    with pytest.raises(ValueError, match="masked"):
        client.push(**{column: masked}, model_version=version)
    assert client.push(**{column: np.ma.masked_array(rows)}, model_version=version) == 3, "nothing of it is masked"


def test_keys_of_full_length_fit_into_requests(client: Client) -> None:
    """262,144 keys of 255 bytes are more than a message may have: the daemon hung up until the time-out."""
    client.create_project(classes=["a"], price_usd=1)
    keys = [f"{number:0255}" for number in range(262_144)]
    client.add_samples(keys)
    client.session.connection.timeout = 10
    assert client.push(keys, utility=np.zeros(len(keys)), model_version=1) == len(keys)
    assert client.import_labels(np.zeros(len(keys), dtype=np.int64), keys=keys) == len(keys)
    assert client.status()["states"]["labeled"] == client.status()["predicted"] == len(keys)


def test_labels_as_numbers_of_numpy(client: Client) -> None:
    projects.create(client, samples=2, predicted=False)
    assert client.import_labels([np.int64(1), np.str_("owl")], slots=[0, 1]) == 2
    assert client.labels()[1].tolist() == ["dog", "owl"]


def test_a_slow_follower_gets_the_end_of_a_burst(client: Client, daemon: Any, project: str) -> None:
    """What had no room was lost, and no later event showed the gap."""
    client.create_project(classes=["a"], price_usd=1)
    client.grant(1)
    events = client.follow(since=0, timeout_s=3)
    assert next(events)["seq"] == 1
    count = 200_000
    with daemon.client(project) as other:
        grants = (other.session.encode("BUDGET.GRANT", amount_microusd=1) for _ in range(count))
        for _ in other.session.connection.pipeline(grants, window=512):
            pass
    assert [event["seq"] for event in events] == list(range(2, count + 2))


@pytest.mark.parametrize(
    "columns",
    [
        {"probs": np.full((2, 3), 1 / 3 + 0.5j)},
        {"topk": (np.full((2, 1), 2**32), np.ones((2, 1)))},
        {"topk": (np.full((2, 1), -1), np.ones((2, 1)))},
    ],
)
def test_predictions_that_conversion_would_change(client: Client, columns: dict[str, Any]) -> None:
    """Imaginary parts were dropped, and class 2^32 became class 0."""
    projects.create(client, samples=2, predicted=False)
    with pytest.raises((TypeError, ValueError)):
        client.push(**columns, model_version=1)
    assert client.begin_model(1) == "staged" and client.status()["predicted"] == 0


@pytest.mark.parametrize("correct", [[0.9, 1], [256, 1], [2, 0]])
def test_correct_is_zero_or_one(client: Client, correct: list[float]) -> None:
    """0.9 and 256 became 0."""
    projects.create(client, samples=2)
    with pytest.raises(ValueError, match="correct"):
        client.evaluate(1, correct=correct)
    assert client.evaluate(1, correct=[True, False]) > 0
