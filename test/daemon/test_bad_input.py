"""Bad input of every kind: each gets its error code, changes nothing, and never ends the daemon."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import projects
import pytest
from raw import Raw, array, head

NAN, INF = float("nan"), float("inf")
SIX = projects.probabilities(6)


@pytest.fixture(scope="module")
def world(shared_daemon):
    """Six samples, model 2 active, space "e", ten dollars, a batch of two items of which one is leased."""
    with shared_daemon.client("world") as client:
        projects.create(client, samples=6, predicted=False)
        client.push(probs=SIX, model_version=2)
        client.push(embeddings=projects.vectors(6, width=4), space="e")
        client.next_batch(only=[0, 1])
        client.lease("holder")
        yield client


@pytest.fixture
def refused(raw: Raw, world, daemon):
    """Send a request and check that it is refused with one of `codes`, and that nothing has changed."""

    def send(codes: str, op: str, *, project: Any = "world", frames: tuple[bytes, ...] = (), **fields: Any) -> dict[str, Any]:
        before = projects.state_of(world)
        reply = raw.call(op, project, frames, **fields)
        assert reply["ok"] is False, f"{op} was accepted: {reply}"
        error = reply["error"]
        assert error["code"] in codes.split("|"), error
        assert error["message"]
        assert all(isinstance(error[name], str) for name in ("code", "message", "field", "expected", "got"))
        assert projects.state_of(world) == before
        return error

    return send


def pred(**fields: Any) -> dict[str, Any]:
    return {"model_version": 2, "from_": 0, **fields}


def shaped(dtype: Any = "<f4", shape: Any = (6, 3), data: bytes = SIX.tobytes(), **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape, "data": data, **more}


def row(*values: float) -> dict[str, Any]:
    return array([values], "<f4")


def draws(values: Any, dtype: str = "<f4", **fields: Any) -> dict[str, Any]:
    return pred(model_version=3, activate=True, draws=array(values, dtype), **fields)


def topk(classes: list[int], probs: list[float]) -> dict[str, Any]:
    return {"classes": array([classes], "<u2"), "probs": array([probs], "<f4")}


NEW = {"project": "new", "classes": ["a", "b"], "price_microusd": 1}

CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    # what it is, codes, op, fields
    ("no classes", "bad_request", "PROJECT.CREATE", {"project": "new", "price_microusd": 1}),
    ("no price", "bad_request", "PROJECT.CREATE", {"project": "new", "classes": ["a"]}),
    ("same class twice", "bad_request", "PROJECT.CREATE", {**NEW, "classes": ["a", "a"]}),
    ("empty class", "bad_request", "PROJECT.CREATE", {**NEW, "classes": [""]}),
    ("long class", "bad_request", "PROJECT.CREATE", {**NEW, "classes": ["a" * 256]}),
    ("classes of ints", "bad_request", "PROJECT.CREATE", {**NEW, "classes": [1, 2]}),
    ("classes no list", "bad_request", "PROJECT.CREATE", {**NEW, "classes": "a"}),
    ("negative price", "bad_request", "PROJECT.CREATE", {**NEW, "price_microusd": -1}),
    ("price in float", "bad_request", "PROJECT.CREATE", {**NEW, "price_microusd": 0.5}),
    ("negative seed", "bad_request", "PROJECT.CREATE", {**NEW, "seed": -1}),
    ("overlap 0", "bad_request", "PROJECT.CREATE", {**NEW, "overlap": 0}),
    ("overlap 16", "bad_request", "PROJECT.CREATE", {**NEW, "overlap": 16}),
    ("lease of 99 ms", "bad_request", "PROJECT.CREATE", {**NEW, "lease_ms": 99}),
    ("skip_limit 16", "bad_request", "PROJECT.CREATE", {**NEW, "skip_limit": 16}),
    ("share over 1", "bad_request", "PROJECT.CREATE", {**NEW, "control_share": 1.5}),
    ("share nan", "bad_request", "PROJECT.CREATE", {**NEW, "control_share": NAN}),
    ("keep_models 0", "bad_request", "PROJECT.CREATE", {**NEW, "keep_models": 0}),
    ("keep_models 17", "bad_request", "PROJECT.CREATE", {**NEW, "keep_models": 17}),
    ("unknown strategy", "bad_request", "PROJECT.CREATE", {**NEW, "replenish_strategy": "magic"}),
    ("share of neither", "bad_request", "PROJECT.CREATE", {**NEW, "minimum_shares": [{"share": 0.5}]}),
    ("bool as int", "bad_request", "PROJECT.CREATE", {**NEW, "keep_junk": 1}),
    ("slash in a name", "bad_request", "PROJECT.CREATE", {**NEW, "project": "a/b"}),
    ("empty name", "bad_request", "PROJECT.CREATE", {**NEW, "project": ""}),
    ("long name", "bad_request", "PROJECT.CREATE", {**NEW, "project": "a" * 65}),
    ("no name", "bad_request", "PROJECT.CREATE", {**NEW, "project": None}),
    ("other settings", "conflict", "PROJECT.CREATE", {"project": "world", "classes": ["a"], "price_microusd": 1}),
    ("set: fewer classes", "conflict|bad_request", "PROJECT.SET", {"classes": ["cat"]}),
    ("set: other classes", "conflict|bad_request", "PROJECT.SET", {"classes": ["cat", "owl", "dog"]}),
    ("set: seed", "conflict|bad_request", "PROJECT.SET", {"seed": 99}),
    ("set: unknown project", "not_found", "PROJECT.SET", {"project": "nobody", "overlap": 2}),
    ("no keys", "bad_request", "SAMPLE.PUT", {}),
    ("empty key", "bad_request", "SAMPLE.PUT", {"keys": ["new", ""]}),
    ("long key", "bad_request", "SAMPLE.PUT", {"keys": ["new", "k" * 256]}),
    ("same key twice", "bad_request", "SAMPLE.PUT", {"keys": ["new", "new"]}),
    ("key of int", "bad_request", "SAMPLE.PUT", {"keys": ["new", 1]}),
    ("uris too few", "bad_request", "SAMPLE.PUT", {"keys": ["new", "newer"], "uris": ["u"]}),
    ("uri too long", "bad_request|too_large", "SAMPLE.PUT", {"keys": ["new"], "uris": ["u" * 2049]}),
    ("price -2", "bad_request", "SAMPLE.PUT", {"keys": ["new"], "prices_microusd": [-2]}),
    ("price float", "bad_request", "SAMPLE.PUT", {"keys": ["new"], "prices_microusd": array([1], "<f4")}),
    ("price shape", "bad_request", "SAMPLE.PUT", {"keys": ["new"], "prices_microusd": array([1, 2], "<i8")}),
    ("long group", "bad_request", "SAMPLE.PUT", {"keys": ["new"], "groups": ["g" * 256]}),
    ("tags no lists", "bad_request", "SAMPLE.PUT", {"keys": ["new"], "tags": ["night"]}),
    ("long tag", "bad_request", "SAMPLE.PUT", {"keys": ["new"], "tags": [["t" * 65]]}),
    ("65 tags", "too_large", "SAMPLE.PUT", {"keys": ["new"], "tags": [[f"t{n}" for n in range(65)]]}),
    ("get: unknown key", "not_found", "SAMPLE.GET", {"keys": ["nobody"]}),
    ("get: unknown slot", "not_found", "SAMPLE.GET", {"slots": [6]}),
    ("get: negative slot", "bad_request|not_found", "SAMPLE.GET", {"slots": [-1]}),
    ("get: slots and keys", "bad_request", "SAMPLE.GET", {"slots": [0], "keys": ["k0"]}),
    ("get: neither", "bad_request", "SAMPLE.GET", {}),
    ("get: same slot twice", "bad_request", "SAMPLE.GET", {"slots": [1, 1]}),
    ("get: slots of i8", "bad_request", "SAMPLE.GET", {"slots": array([1], "<i8")}),
    ("get: slots of two dimensions", "bad_request", "SAMPLE.GET", {"slots": array([[1]], "<u4")}),
    ("drop: leased", "conflict", "SAMPLE.DROP", {"slots": [0, 5]}),
    ("drop: unknown", "not_found", "SAMPLE.DROP", {"slots": [5, 6]}),
    ("emb: dtype f8", "bad_request", "EMB.PUT", {"space": "e", "from_": 0, "embeddings": array(np.ones((6, 4)), "<f8")}),
    ("emb: big-endian", "bad_request", "EMB.PUT", {"space": "e", "from_": 0, "embeddings": array(np.ones((6, 4)), ">f4")}),
    ("emb: nan", "bad_request", "EMB.PUT", {"space": "e", "slots": [3], "embeddings": row(1, 2, NAN, 4)}),
    ("emb: inf", "bad_request", "EMB.PUT", {"space": "e", "slots": [3], "embeddings": row(1, 2, 3, -INF)}),
    ("emb: other width", "bad_request|conflict", "EMB.PUT", {"space": "e", "slots": [3], "embeddings": row(1, 2, 3)}),
    (
        "emb: other dtype",
        "bad_request|conflict",
        "EMB.PUT",
        {"space": "e", "slots": [3], "embeddings": array([[1] * 4], "<f2")},
    ),
    ("emb: width 0", "bad_request", "EMB.PUT", {"space": "z", "slots": [3], "embeddings": array(np.ones((1, 0)), "<f4")}),
    (
        "emb: width 16385",
        "bad_request",
        "EMB.PUT",
        {"space": "z", "slots": [3], "embeddings": array(np.ones((1, 16385)), "<f4")},
    ),
    ("emb: space name", "bad_request", "EMB.PUT", {"space": "a b", "slots": [3], "embeddings": row(1, 2)}),
    ("emb: no space", "bad_request", "EMB.PUT", {"slots": [3], "embeddings": row(1, 2)}),
    ("emb: unknown slot", "not_found", "EMB.PUT", {"space": "e", "slots": [6], "embeddings": row(1, 2, 3, 4)}),
    ("emb: run past the end", "not_found", "EMB.PUT", {"space": "e", "from_": 5, "embeddings": array(np.ones((2, 4)), "<f4")}),
    (
        "emb: more rows than slots",
        "bad_request",
        "EMB.PUT",
        {"space": "e", "slots": [3], "embeddings": array(np.ones((2, 4)), "<f4")},
    ),
    ("array: shape short of bytes", "bad_request", "PRED.PUT", pred(probs=shaped(shape=(5, 3)))),
    ("array: shape past bytes", "bad_request", "PRED.PUT", pred(probs=shaped(shape=(7, 3)))),
    ("array: shape overflows", "bad_request|too_large", "PRED.PUT", pred(probs=shaped(shape=(2**33, 2**33)))),
    ("array: shape wraps to fit", "bad_request|too_large", "PRED.PUT", pred(probs=shaped(shape=(2**62 + 6, 3)))),
    ("array: negative shape", "bad_request", "PRED.PUT", pred(probs=shaped(shape=(-6, -3)))),
    ("array: shape of floats", "bad_request", "PRED.PUT", pred(probs=shaped(shape=(6.0, 3.0)))),
    ("array: shape no list", "bad_request", "PRED.PUT", pred(probs=shaped(shape=18))),
    ("array: one dimension", "bad_request", "PRED.PUT", pred(probs=shaped(shape=(18,)))),
    ("array: unknown dtype", "bad_request", "PRED.PUT", pred(probs=shaped(dtype="float32"))),
    ("array: dtype not taken here", "bad_request", "PRED.PUT", pred(probs=shaped(dtype="<u4"))),
    ("array: dtype of int", "bad_request", "PRED.PUT", pred(probs=shaped(dtype=4))),
    ("array: no bytes", "bad_request", "PRED.PUT", pred(probs={"dtype": "<f4", "shape": [6, 3]})),
    ("array: frame that is not there", "bad_request", "PRED.PUT", pred(probs={"dtype": "<f4", "shape": [6, 3], "frame": 1})),
    ("array: the map's own frame", "bad_request", "PRED.PUT", pred(probs={"dtype": "<f4", "shape": [6, 3], "frame": 0})),
    ("array: negative frame", "bad_request", "PRED.PUT", pred(probs={"dtype": "<f4", "shape": [6, 3], "frame": -1})),
    ("array: no map", "bad_request", "PRED.PUT", pred(probs=[0.1, 0.9])),
    ("pred: no array", "bad_request", "PRED.PUT", pred()),
    ("pred: no version", "bad_request", "PRED.PUT", {"from_": 0, "probs": shaped()}),
    ("pred: two kinds", "bad_request", "PRED.PUT", pred(probs=shaped(), logits=shaped())),
    ("pred: other dtype than before", "bad_request|conflict", "PRED.PUT", pred(probs=array(SIX, "<f2"))),
    ("pred: wrong number of classes", "bad_request", "PRED.PUT", pred(probs=shaped(shape=(9, 2)))),
    ("pred: nan", "bad_request", "PRED.PUT", pred(from_=3, probs=row(NAN, 0.5, 0.5))),
    ("pred: inf", "bad_request", "PRED.PUT", pred(from_=3, probs=row(INF, 0.5, 0.5))),
    ("pred: negative", "bad_request", "PRED.PUT", pred(from_=3, probs=row(-0.1, 0.6, 0.5))),
    ("pred: sum over 1", "bad_request", "PRED.PUT", pred(from_=3, probs=row(0.2, 0.4, 0.41))),
    ("pred: sum under 1", "bad_request", "PRED.PUT", pred(from_=3, probs=row(0, 0, 0))),
    (
        "pred: half float out of tolerance",
        "bad_request",
        "PRED.PUT",
        pred(model_version=3, activate=True, probs=array([[0.5, 0.5, 0.1]] * 6, "<f2")),
    ),
    ("pred: unknown version", "not_found", "PRED.PUT", pred(model_version=9, probs=shaped())),
    ("pred: stale version", "stale_model", "PRED.PUT", pred(model_version=1, probs=shaped())),
    ("pred: stale version, activated", "stale_model", "PRED.PUT", pred(model_version=1, activate=True, probs=shaped())),
    ("pred: version 0", "bad_request", "PRED.PUT", pred(model_version=0, activate=True, probs=shaped())),
    ("pred: embeddings without space", "bad_request", "PRED.PUT", pred(embeddings=array(np.ones((6, 4)), "<f4"))),
    (
        "pred: bad embeddings beside good probs",
        "bad_request",
        "PRED.PUT",
        pred(space="e", probs=shaped(), embeddings=array(np.full((6, 4), NAN), "<f4")),
    ),
    ("pred: utility nan", "bad_request", "PRED.PUT", pred(utility=array([1, 2, 3, 4, 5, NAN], "<f4"))),
    ("pred: utility of two dimensions", "bad_request", "PRED.PUT", pred(utility=array(np.ones((6, 1)), "<f4"))),
    ("logits: inf", "bad_request", "PRED.PUT", pred(model_version=3, activate=True, from_=3, logits=row(INF, 0, 0))),
    ("draws: two dimensions", "bad_request", "PRED.PUT", draws(np.ones((6, 3)) / 3)),
    ("draws: four dimensions", "bad_request", "PRED.PUT", draws(np.ones((6, 2, 1, 3)) / 3)),
    ("draws: one", "bad_request", "PRED.PUT", draws(np.ones((6, 1, 3)) / 3)),
    ("draws: too many", "bad_request", "PRED.PUT", draws(np.ones((6, 65, 3)) / 3)),
    ("draws: wrong number of classes", "bad_request", "PRED.PUT", draws(np.ones((6, 3, 2)) / 2)),
    ("draws: dtype not taken here", "bad_request", "PRED.PUT", draws(np.ones((6, 3, 3)), "<u2")),
    ("draws: wrong number of rows", "bad_request", "PRED.PUT", draws(np.ones((5, 3, 3)) / 3, slots=[0], from_=None)),
    ("draws: nan", "bad_request", "PRED.PUT", draws([[[1, 0, 0], [NAN, 0, 1]]], from_=3)),
    ("draws: negative", "bad_request", "PRED.PUT", draws([[[1, 0, 0], [-0.1, 0.1, 1]]], from_=3)),
    ("draws: a row that sums to less", "bad_request", "PRED.PUT", draws([[[1, 0, 0], [0.5, 0, 0]]], from_=3)),
    ("draws: half out of tolerance", "bad_request", "PRED.PUT", draws([[[1, 0, 0], [0.5, 0.5, 0.1]]], "<f2", from_=3)),
    ("draws: beside probs", "bad_request", "PRED.PUT", {**draws(np.ones((6, 3, 3)) / 3), "probs": shaped()}),
    ("draws: beside topk", "bad_request", "PRED.PUT", {**draws([[[1, 0, 0]] * 2], from_=3), "topk": topk([0], [1])}),
    ("draws: after probs", "conflict", "PRED.PUT", {**draws(np.ones((6, 3, 3)) / 3), "model_version": 2}),
    ("topk: no probs", "bad_request", "PRED.PUT", pred(model_version=3, activate=True, topk={"classes": array([[0]], "<u2")})),
    (
        "topk: class out of range",
        "bad_request|not_found",
        "PRED.PUT",
        pred(model_version=3, activate=True, topk=topk([0, 3], [0.5, 0.5])),
    ),
    ("topk: class twice", "bad_request", "PRED.PUT", pred(model_version=3, activate=True, topk=topk([1, 1], [0.5, 0.5]))),
    ("topk: rising", "bad_request", "PRED.PUT", pred(model_version=3, activate=True, topk=topk([0, 1], [0.4, 0.6]))),
    ("topk: sum over 1", "bad_request", "PRED.PUT", pred(model_version=3, activate=True, topk=topk([0, 1], [0.6, 0.6]))),
    (
        "topk: more than the classes",
        "bad_request",
        "PRED.PUT",
        pred(model_version=3, activate=True, topk=topk([0, 1, 2, 3], [0.4, 0.3, 0.2, 0.1])),
    ),
    (
        "topk: shapes differ",
        "bad_request",
        "PRED.PUT",
        pred(model_version=3, activate=True, topk={"classes": array([[0, 1]], "<u2"), "probs": row(1.0)}),
    ),
    ("model: version 0", "bad_request", "MODEL.BEGIN", {"model_version": 0}),
    ("model: stale", "stale_model", "MODEL.BEGIN", {"model_version": 1}),
    ("model: no version", "bad_request", "MODEL.BEGIN", {}),
    ("activate: unknown", "not_found", "MODEL.ACTIVATE", {"model_version": 9}),
    ("activate: older", "stale_model|not_found", "MODEL.ACTIVATE", {"model_version": 1}),
    ("drop: active", "conflict", "MODEL.DROP", {"model_version": 2}),
    ("drop: unknown model", "not_found", "MODEL.DROP", {"model_version": 9}),
    ("eval: unknown class", "not_found|bad_request", "EVAL.PUT", {"model_version": 2, "per_class": {"cow": 0.5}}),
    ("eval: metric nan", "bad_request", "EVAL.PUT", {"model_version": 2, "metrics": {"accuracy": NAN}}),
    ("eval: metric str", "bad_request", "EVAL.PUT", {"model_version": 2, "metrics": {"accuracy": "good"}}),
    ("eval: correct of 2", "bad_request", "EVAL.PUT", {"model_version": 2, "correct": array([0, 1, 2], "|u1")}),
    ("eval: correct of floats", "bad_request", "EVAL.PUT", {"model_version": 2, "correct": array([0, 1], "<f4")}),
    ("eval: trained_on negative", "bad_request", "EVAL.PUT", {"model_version": 2, "trained_on": -1}),
]
for op in ("PLAN", "BATCH.COMMIT"):
    CASES += [
        (f"{op}: neither budget nor count", "bad_request", op, {}),
        (f"{op}: count 0", "bad_request", op, {"count": 0}),
        (f"{op}: negative budget", "bad_request", op, {"budget_microusd": -1}),
        (f"{op}: budget of float", "bad_request", op, {"budget_microusd": 1e6}),
        (f"{op}: unknown strategy", "bad_request", op, {"count": 1, "strategy": "magic"}),
        (f"{op}: overlap 16", "bad_request", op, {"count": 1, "overlap": 16}),
        (f"{op}: control_share -1", "bad_request", op, {"count": 1, "control_share": -1.0}),
        (f"{op}: unknown type", "not_found|bad_request", op, {"count": 1, "type": "cuboid"}),
        (f"{op}: unknown space", "not_found", op, {"count": 1, "strategy": "kcenter", "space": "nowhere"}),
        (f"{op}: include reserved", "conflict", op, {"count": 2, "include": {"slots": [1]}}),
        (f"{op}: include unknown", "not_found", op, {"count": 2, "include": {"keys": ["nobody"]}}),
        (f"{op}: include twice", "bad_request", op, {"count": 2, "include": {"slots": [2, 2]}}),
        (f"{op}: more than there is", "budget_exhausted", op, {"budget_microusd": 10_000_000}),
    ]
CASES += [
    ("plan: only", "bad_request", "PLAN", {"only": {"slots": [2]}}),
    ("only: leased", "conflict", "BATCH.COMMIT", {"only": {"slots": [2, 0]}}),
    ("only: unknown", "not_found", "BATCH.COMMIT", {"only": {"slots": [6]}}),
    ("batch: unknown", "not_found", "BATCH.GET", {"batch": 9}),
    ("batch: 0", "not_found|bad_request", "BATCH.GET", {"batch": 0}),
    ("cancel: unknown", "not_found", "BATCH.CANCEL", {"batch": 9}),
    ("explain: never selected", "not_found", "EXPLAIN", {"slot": 5}),
    ("explain: unknown sample", "not_found", "EXPLAIN", {"key": "nobody"}),
    ("explain: no sample", "bad_request", "EXPLAIN", {}),
    ("replay: unknown", "not_found", "REPLAY", {"batch": 9}),
    ("lease: no worker", "bad_request", "LEASE", {}),
    ("lease: empty worker", "bad_request", "LEASE", {"worker": ""}),
    ("lease: long worker", "bad_request", "LEASE", {"worker": "w" * 65}),
    ("lease: count 0", "bad_request", "LEASE", {"worker": "w", "count": 0}),
    ("lease: count 1001", "bad_request", "LEASE", {"worker": "w", "count": 1001}),
    ("lease: too short", "bad_request", "LEASE", {"worker": "w", "lease_ms": 99}),
    ("lease: too long", "bad_request", "LEASE", {"worker": "w", "lease_ms": 86_400_001}),
    ("lease: unknown batch", "not_found", "LEASE", {"worker": "w", "batch": 9}),
    ("touch: not leased", "lease_lost", "TOUCH", {"worker": "w", "slot": 5, "lease": 1}),
    ("touch: other worker", "lease_lost", "TOUCH", {"worker": "w", "slot": 0, "lease": 1}),
    ("submit: other worker", "lease_lost", "SUBMIT", {"worker": "w", "slot": 0, "lease": 1, "label": "cat"}),
    ("submit: other lease", "lease_lost", "SUBMIT", {"worker": "holder", "slot": 0, "lease": 99, "label": "cat"}),
    ("submit: unknown slot", "not_found|lease_lost", "SUBMIT", {"worker": "holder", "slot": 6, "lease": 1, "label": "cat"}),
    ("submit: unknown class", "not_found|bad_request", "SUBMIT", {"worker": "holder", "slot": 0, "lease": 1, "label": "cow"}),
    ("submit: class 3 of 3", "not_found|bad_request", "SUBMIT", {"worker": "holder", "slot": 0, "lease": 1, "label": 3}),
    ("submit: class -1", "not_found|bad_request", "SUBMIT", {"worker": "holder", "slot": 0, "lease": 1, "label": -1}),
    ("submit: no label", "bad_request", "SUBMIT", {"worker": "holder", "slot": 0, "lease": 1}),
    ("submit: label of float", "bad_request", "SUBMIT", {"worker": "holder", "slot": 0, "lease": 1, "label": 1.0}),
    (
        "submit: value too long",
        "bad_request|too_large",
        "SUBMIT",
        {"worker": "holder", "slot": 0, "lease": 1, "value": bytes(65_537)},
    ),
    ("skip: no reason", "bad_request", "SKIP", {"worker": "holder", "slot": 0, "lease": 1}),
    ("skip: empty reason", "bad_request", "SKIP", {"worker": "holder", "slot": 0, "lease": 1, "reason": ""}),
    ("skip: long reason", "bad_request", "SKIP", {"worker": "holder", "slot": 0, "lease": 1, "reason": "r" * 256}),
    ("skip: other worker", "lease_lost", "SKIP", {"worker": "w", "slot": 0, "lease": 1, "reason": "blurred"}),
    ("release: other worker", "lease_lost", "RELEASE", {"worker": "w", "slot": 0, "lease": 1}),
    ("import: leased", "conflict", "LABEL.IMPORT", {"slots": [5, 0], "labels": ["cat", "cat"]}),
    ("import: unknown class", "not_found|bad_request", "LABEL.IMPORT", {"slots": [4, 5], "labels": ["cat", "cow"]}),
    ("import: too few labels", "bad_request", "LABEL.IMPORT", {"slots": [4, 5], "labels": ["cat"]}),
    ("import: labels of floats", "bad_request", "LABEL.IMPORT", {"slots": [4, 5], "labels": array([0, 1], "<f4")}),
    ("labels: since negative", "bad_request", "LABELS.SINCE", {"since": -1}),
    ("labels: since of str", "bad_request", "LABELS.SINCE", {"since": "0"}),
    ("grant: 0", "bad_request", "BUDGET.GRANT", {"amount_microusd": 0}),
    ("grant: float", "bad_request", "BUDGET.GRANT", {"amount_microusd": 1.5}),
    ("grant: str", "bad_request", "BUDGET.GRANT", {"amount_microusd": "1"}),
    ("grant: more taken than available", "budget_exhausted|conflict", "BUDGET.GRANT", {"amount_microusd": -10_000_000}),
    ("grant: past 63 bits", "bad_request|too_large", "BUDGET.GRANT", {"amount_microusd": 2**63}),
    ("grant: sum past 63 bits", "bad_request|too_large|conflict", "BUDGET.GRANT", {"amount_microusd": 2**63 - 1}),
    ("grant: long note", "bad_request", "BUDGET.GRANT", {"amount_microusd": 1, "note": "n" * 256}),
    ("drain: no word", "bad_request", "DRAIN", {"project": None}),
    ("snapshot: path", "bad_request", "SNAPSHOT", {"project": None, "name": "../outside"}),
    ("snapshot: dots", "bad_request", "SNAPSHOT", {"project": None, "name": ".."}),
    ("unknown op", "bad_request|not_found", "WISH", {}),
    ("unknown project", "not_found", "STATUS", {"project": "nobody"}),
    ("project of int", "bad_request", "STATUS", {"project": 1}),
    ("unknown project of daemon's op", "not_found", "VERIFY", {"project": "nobody"}),
]


@pytest.mark.parametrize(("codes", "op", "fields"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_refused(refused, codes, op, fields):
    refused(codes, op, **fields)


def test_no_such_project_was_made(world):
    assert world.projects() == ["world"]


def test_budget_exhausted_says_what_is_available(refused):
    error = refused("budget_exhausted", "BATCH.COMMIT", budget_microusd=50_000_000)
    assert error["available_microusd"] == 9_800_000


def test_error_names_field_and_what_came(refused):
    error = refused("bad_request", "LEASE", worker="w", count=1001)
    assert error["field"] == "count" and "1001" in error["got"] and error["expected"]


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"v": None}, {"v": "1"}, {"id": None}, {"id": ""}, {"id": "i" * 65}, {"id": 7}, {"op": None}, {"op": 7}],
    ids=str,
)
def test_bad_envelope(raw, daemon, change):
    request = {**head("STATUS"), **change}
    reply = raw.exchange(msgpack.packb({name: value for name, value in request.items() if value is not None}))
    assert reply["ok"] is False and reply["error"]["code"] == "bad_request"


def test_unknown_fields_and_nil_are_no_error(raw, daemon):
    assert raw.exchange(msgpack.packb({**head("STATUS"), "wish": "a pony", "project": None}))["ok"] is True


def test_too_many_samples_named(refused):
    slots = {"dtype": "<u4", "shape": [262_145], "frame": 1}
    frame = np.arange(262_145, dtype="<u4").tobytes()
    refused("too_large", "SAMPLE.GET", slots=slots, frames=(frame,))


@pytest.mark.parametrize("frames", [16, 20, 21, 40])
def test_too_many_frames(refused, frames):
    refused("bad_request", "EMB.PUT", space="e", from_=0, frames=(b"",) * frames)


def test_message_over_the_limit(refused):
    half = bytes(33 << 20)
    refused("too_large", "EMB.PUT", space="e", from_=0, frames=(half, half))


def test_frame_over_the_limit_ends_only_that_connection(daemon, world):
    greedy = Raw(daemon.requests)
    greedy.send(msgpack.packb(head("STATUS")), bytes(65 << 20))
    assert not greedy.socket.poll(500), "a frame over the limit was answered"
    greedy.close()
    assert world.status()["samples"] == 6
