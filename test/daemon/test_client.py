"""Pieces of the Python client that need no daemon."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest
from curated import Client, CuratedError, push, wire
from curated.connection import Session
from curated.errors import BudgetExhausted, from_reply


def test_arrays_travel_without_a_copy():
    values = np.arange(6, dtype="<f4").reshape(2, 3)
    request = wire.encode("OP", "id", "p", {"probs": values, "nested": {"classes": values.astype("<u2")}, "absent": None})
    head = msgpack.unpackb(request.frames[0])
    assert head["probs"] == {"dtype": "<f4", "shape": [2, 3], "frame": 1}
    assert head["nested"]["classes"] == {"dtype": "<u2", "shape": [2, 3], "frame": 2} and "absent" not in head
    assert np.shares_memory(np.frombuffer(request.frames[1], dtype="<f4"), values)
    assert bytes(request.frames[1]) == values.tobytes()


@pytest.mark.parametrize(
    ("given", "sent"), [("f8", "<f4"), ("f4", "<f4"), ("f2", "<f2"), (">f4", "<f4"), ("i8", "<f4"), ("?", "<f4")]
)
def test_floats(given, sent):
    array = wire.floats(np.ones((2, 2), dtype=given))
    assert wire.dtype_name(array.dtype) == sent and array.tolist() == [[1, 1], [1, 1]]


def test_columns_that_are_not_contiguous():
    values = np.arange(12, dtype="<f4").reshape(3, 4)
    request = wire.encode("OP", "id", None, {"probs": values[:, ::2]})
    assert np.frombuffer(request.frames[1], dtype="<f4").tolist() == values[:, ::2].ravel().tolist()


def test_reply_arrays():
    payload = msgpack.packb({"ok": True, "slots": {"dtype": "<u4", "shape": [2], "data": b"\1\0\0\0\2\0\0\0"}})
    assert wire.decode(payload)["slots"].tolist() == [1, 2]


def test_slots():
    assert wire.slot_array([1, 2]).dtype == np.dtype("<u4")
    for bad in ([-1], [2**32], [0.5]):
        with pytest.raises(ValueError, match="slots"):
            wire.slot_array(bad)
    for none in ({}, {"keys": ["a"], "slots": [1]}):
        with pytest.raises(TypeError):
            wire.samples_field(**none)
    with pytest.raises(TypeError):
        wire.samples_field(keys="a.jpg")


def test_pushes_are_cut_at_whole_blocks():
    session = Session("tcp://127.0.0.1:1", "p", 1)
    columns = push.prediction_columns(np.ones((70_000, 100), dtype="<f4"), None, None, None, None)
    requests = list(push.requests(session, "PRED.PUT", columns, None, None, model_version=1))
    heads = [msgpack.unpackb(request.frames[0]) for request in requests]
    rows = [head["probs"]["shape"][0] for head in heads]
    assert sum(rows) == 70_000 and all(count % 256 == 0 for count in rows[:-1])
    assert [head["from"] for head in heads] == np.cumsum([0, *rows[:-1]]).tolist()
    assert all(len(request.frames[1]) <= push.REQUEST_BYTES for request in requests)
    assert len({head["id"] for head in heads}) == len(heads)


def test_columns_of_different_length():
    columns = push.prediction_columns(np.ones((3, 2)), None, None, None, np.ones(4))
    with pytest.raises(ValueError, match="same number of rows"):
        push.row_count(columns)


def test_errors():
    error = from_reply(
        {"code": "budget_exhausted", "message": "No.", "field": "f", "expected": "e", "got": "g", "available_microusd": 5}
    )
    assert isinstance(error, BudgetExhausted) and error.available_usd == 0.000005
    assert str(error) == "budget_exhausted: No.; field f; expected e; got g"
    said = {"message": "wrong: seed: expected 1, got 2", "field": "seed", "expected": "1", "got": "2"}
    assert str(from_reply({"code": "conflict", **said})) == "conflict: wrong: seed: expected 1, got 2", "once is enough"
    later = from_reply({"code": "of_a_later_version", "message": ""})
    assert type(later) is CuratedError and later.code == "of_a_later_version"


def test_events_address_is_the_next_port():
    assert Client("tcp://127.0.0.1:7811").events_address == "tcp://127.0.0.1:7812"
    assert Client("tcp://127.0.0.1:7811", events="ipc:///e").events_address == "ipc:///e"


@pytest.mark.parametrize(
    "arguments",
    [{}, {"probs": np.ones((2, 2))}, {"utility": np.ones(2)}, {"topk": (np.ones((2, 1)), np.ones((2, 1))), "model_version": 1},
     {"keys": ["a"], "slots": [1], "embeddings": np.ones((1, 2))}],
)  # fmt: skip
def test_push_refuses_what_makes_no_sense(arguments):
    with pytest.raises(TypeError):
        Client("tcp://127.0.0.1:1", "p").push(**arguments)
