"""The requests of the conformance vectors, in order: one run through the protocol that meets every operation.

Each step is (name, fields, frames); `op` and the rest of the envelope come from the fields. A step may hold a function of
the replies so far, for what only the daemon knows: the lease it gave, for instance.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from readable import array

Replies = dict[str, dict[str, Any]]
Fields = dict[str, Any] | Callable[[Replies], dict[str, Any]]
Step = tuple[str, Fields, list[bytes]]

PROJECT = "demo"
KEYS = [f"image-{i:02}.jpg" for i in range(12)]
CLASSES = ["cat", "dog", "fox"]


def floats(values: list[float]) -> bytes:
    """The bytes of a <f4 array."""
    return struct.pack(f"<{len(values)}f", *values)


def probabilities() -> list[float]:
    """A distribution for each sample: sure of the first ones, unsure of the last ones."""
    rows: list[float] = []
    for i in range(len(KEYS)):
        top = 0.95 - 0.05 * i
        rest = 1.0 - top
        row = [rest * 0.75, rest * 0.25]
        row.insert(i % 3, top)
        rows += row
    return rows


def embeddings() -> list[float]:
    """Three well separated groups in four dimensions, no point twice."""
    rows: list[float] = []
    for i in range(len(KEYS)):
        row = [0.0, 0.0, 0.0, 0.03125 * i]
        row[i % 3] = 1.0
        rows += row
    return rows


def op(operation: str, **fields: Any) -> dict[str, Any]:
    """An operation of the project."""
    return {"op": operation, "project": PROJECT, **fields}


def committee(operation: str, **fields: Any) -> dict[str, Any]:
    """An operation of the project whose predictions are draws."""
    return {"op": operation, "project": "committee", **fields}


def draws(members: int = 3) -> list[float]:
    """What each member of a committee says of four samples: they agree on the first, and ever less on the others."""
    rows: list[float] = []
    for i in range(4):
        for member in range(members):
            top = 0.4 + 0.15 * i - 0.02 * i * member if i else 0.75
            row = [(1 - top) / 2] * 3
            row[member % 3 if i else 0] = top
            rows += row
    return rows


def lease_of(step: str, index: int = 0) -> Callable[[Replies], dict[str, Any]]:
    """Slot and lease number of an item that an earlier step leased."""

    def held(replies: Replies) -> dict[str, Any]:
        item = replies[step]["leases"][index]
        return {"slot": item["slot"], "lease": item["lease"]}

    return held


def work(operation: str, step: str, index: int = 0, **fields: Any) -> Callable[[Replies], dict[str, Any]]:
    """An operation on a leased item."""
    return lambda replies: op(operation, worker="ada", **lease_of(step, index)(replies), **fields)


def first_item(step: str) -> Callable[[Replies], dict[str, Any]]:
    """EXPLAIN of the first item of a batch."""
    return lambda replies: op("EXPLAIN", slot=replies[step]["list"][0]["slot"])


def steps() -> list[Step]:
    """All requests, in order."""
    rows = len(KEYS)
    prediction = {"dtype": "<f4", "shape": [rows, 3], "frame": 1}
    embedding = {"dtype": "<f4", "shape": [rows, 4], "frame": 1}
    return [
        # Projects
        ("project-list-empty", {"op": "PROJECT.LIST"}, []),
        ("unknown-operation", {"op": "NO.SUCH"}, []),
        ("project-missing", {"op": "PROJECT.GET"}, []),
        ("project-unknown", op("PROJECT.GET"), []),
        ("project-create-no-price", op("PROJECT.CREATE", classes=CLASSES), []),
        ("project-create", op("PROJECT.CREATE", classes=CLASSES, price_microusd=80000, seed=7), []),
        ("project-create-again", op("PROJECT.CREATE", classes=CLASSES, price_microusd=80000, seed=7), []),
        ("project-create-other", op("PROJECT.CREATE", classes=CLASSES, price_microusd=90000, seed=7), []),
        ("project-set", op("PROJECT.SET", type_prices_microusd={"box": 500000}, skip_limit=2), []),
        ("project-set-seed", op("PROJECT.SET", overlap=16), []),
        ("project-get", op("PROJECT.GET"), []),
        ("project-list", {"op": "PROJECT.LIST"}, []),
        # Money
        ("budget-grant", op("BUDGET.GRANT", amount_microusd=1000000, note="pilot"), []),
        ("budget-grant-nothing", op("BUDGET.GRANT", amount_microusd=0), []),
        ("budget-correct", op("BUDGET.GRANT", amount_microusd=-200000, note="too much"), []),
        ("budget-correct-too-much", op("BUDGET.GRANT", amount_microusd=-9000000), []),
        # Samples
        ("sample-put", op("SAMPLE.PUT", keys=KEYS), []),
        (
            "sample-put-columns",
            op(
                "SAMPLE.PUT",
                keys=KEYS[:2],
                uris=["file:///a", None],
                prices_microusd=[40000, -1],
                groups=["clip-1", None],
                tags=[["night", "rain"], []],
            ),
            [],
        ),
        ("sample-put-twice", op("SAMPLE.PUT", keys=["same.jpg", "same.jpg"]), []),
        ("sample-put-short-column", op("SAMPLE.PUT", keys=["new.jpg"], uris=[]), []),
        ("sample-get", op("SAMPLE.GET", keys=[KEYS[0], KEYS[11]]), []),
        ("sample-get-slots", op("SAMPLE.GET", slots=array("<u4", [1], [11])), []),
        ("sample-get-unknown", op("SAMPLE.GET", keys=["nobody.jpg"]), []),
        ("sample-drop", op("SAMPLE.DROP", slots=[10]), []),
        ("sample-drop-unknown", op("SAMPLE.DROP", slots=[99]), []),
        ("sample-put-back", op("SAMPLE.PUT", keys=[KEYS[10]]), []),
        # Vectors and models
        ("emb-put", op("EMB.PUT", space="test@1", **{"from": 0}, embeddings=embedding), [floats(embeddings())]),
        (
            "emb-put-inline",
            op("EMB.PUT", space="small", slots=[0, 1], embeddings=array("<f2", [2, 2], [1.0, 0.5, 0.25, 2.0])),
            [],
        ),
        ("emb-put-width", op("EMB.PUT", space="test@1", slots=[0], embeddings=array("<f4", [1, 2], [1.0, 2.0])), []),
        (
            "emb-put-nan",
            op("EMB.PUT", space="nan", slots=[0], embeddings={"dtype": "<f4", "shape": [1, 1], "frame": 1}),
            [floats([float("nan")])],
        ),
        ("emb-put-no-frame", op("EMB.PUT", space="test@1", **{"from": 0}, embeddings=embedding), []),
        ("model-begin", op("MODEL.BEGIN", model_version=1), []),
        ("pred-put", op("PRED.PUT", model_version=1, **{"from": 0}, probs=prediction), [floats(probabilities())]),
        (
            "pred-put-sum",
            op("PRED.PUT", model_version=1, slots=[0], probs=array("<f4", [1, 3], [0.5, 0.5, 0.5])),
            [],
        ),
        (
            "pred-put-shape",
            op("PRED.PUT", model_version=1, slots=[0], probs=array("<f4", [1, 2], [0.5, 0.5])),
            [],
        ),
        ("pred-put-not-begun", op("PRED.PUT", model_version=9, slots=[0], probs=array("<f4", [1, 3], [1, 0, 0])), []),
        ("model-activate", op("MODEL.ACTIVATE", model_version=1), []),
        (
            "pred-put-activate",
            op("PRED.PUT", model_version=2, **{"from": 0}, activate=True, probs=prediction),
            [floats(probabilities())],
        ),
        ("model-begin-stale", op("MODEL.BEGIN", model_version=1), []),
        ("model-drop-active", op("MODEL.DROP", model_version=2), []),
        ("model-drop", op("MODEL.DROP", model_version=1), []),
        ("model-begin-next", op("MODEL.BEGIN", model_version=3), []),
        ("model-drop-staged", op("MODEL.DROP", model_version=3), []),
        ("model-begin-dropped", op("MODEL.BEGIN", model_version=3), []),
        (
            "pred-put-dropped",
            op("PRED.PUT", model_version=3, **{"from": 0}, activate=True, probs=prediction),
            [floats(probabilities())],
        ),
        ("model-activate-unknown", op("MODEL.ACTIVATE", model_version=7), []),
        (
            "eval-put",
            op(
                "EVAL.PUT",
                model_version=2,
                metrics={"accuracy": 0.75},
                per_class={"cat": 0.5, "dog": {"accuracy": 0.75, "recall": 0.625}},
                per_slice={"night": {"accuracy": 0.25}},
                correct=array("|u1", [4], [1, 1, 0, 1]),
                trained_on=0,
            ),
            [],
        ),
        ("eval-put-unknown", op("EVAL.PUT", model_version=9, metrics={}), []),
        # Selecting
        ("plan", op("PLAN", budget_microusd=240000, strategy="margin", control_share=0.0), []),
        ("plan-nothing", op("PLAN"), []),
        ("plan-strategy", op("PLAN", count=1, strategy="guess"), []),
        ("batch-commit", op("BATCH.COMMIT", count=3, strategy="margin", control_share=0.0), []),
        ("batch-commit-dear", op("BATCH.COMMIT", count=9, strategy="margin", type="box"), []),
        (
            "batch-commit-only",
            op("BATCH.COMMIT", only={"keys": [KEYS[0], KEYS[2]]}),
            [],
        ),
        ("batch-get", op("BATCH.GET", batch=1), []),
        ("batch-get-page", op("BATCH.GET", batch=1, **{"from": 1}, limit=1), []),
        ("batch-get-unknown", op("BATCH.GET", batch=99), []),
        ("explain", first_item("batch-get"), []),
        ("explain-unselected", op("EXPLAIN", key=KEYS[1]), []),
        ("replay", op("REPLAY", batch=1), []),
        ("replay-unknown", op("REPLAY", batch=99), []),
        # Working
        ("lease", op("LEASE", worker="ada", count=3), []),
        ("lease-too-many", op("LEASE", worker="ada", count=1001), []),
        ("touch", work("TOUCH", "lease", lease_ms=120000), []),
        ("submit", work("SUBMIT", "lease", label="dog"), []),
        ("submit-again", work("SUBMIT", "lease", label="dog"), []),
        ("submit-other", work("SUBMIT", "lease", label="cat"), []),
        ("submit-unknown-class", work("SUBMIT", "lease", 1, label="cow"), []),
        ("skip", work("SKIP", "lease", 1, reason="blurred"), []),
        ("release", work("RELEASE", "lease", 2), []),
        ("touch-lost", work("TOUCH", "lease", 2), []),
        ("release-lost", work("RELEASE", "lease", 2), []),
        ("lease-again", op("LEASE", worker="bob", count=1, batch=2), []),
        (
            "skip-none-of-these",
            lambda replies: op("SKIP", worker="bob", reason="none_of_these", **lease_of("lease-again")(replies)),
            [],
        ),
        ("skip-lost", op("SKIP", worker="bob", slot=5, lease=999, reason="why not"), []),
        ("batch-cancel", op("BATCH.CANCEL", batch=1), []),
        ("batch-cancel-unknown", op("BATCH.CANCEL", batch=99), []),
        # Labels
        ("label-import", op("LABEL.IMPORT", keys=[KEYS[8], KEYS[9]], labels=["fox", 0], source="archive"), []),
        ("label-import-array", op("LABEL.IMPORT", slots=[9], labels=array("|u1", [1], [0])), []),
        ("label-import-unknown", op("LABEL.IMPORT", slots=[9], labels=["cow"]), []),
        ("labels-since", op("LABELS.SINCE", since=0), []),
        ("labels-since-page", op("LABELS.SINCE", since=1, limit=1), []),
        ("labels-since-negative", op("LABELS.SINCE", since=-1), []),
        # Money, events, the daemon
        ("budget-get", op("BUDGET.GET"), []),
        ("ledger-since", op("LEDGER.SINCE", since=0), []),
        ("ledger-since-page", op("LEDGER.SINCE", since=1, limit=1), []),
        ("events-since", op("EVENTS.SINCE", since=0), []),
        ("events-since-page", op("EVENTS.SINCE", since=2, limit=1), []),
        ("status-project", op("STATUS"), []),
        ("status-unknown", {"op": "STATUS", "project": "nobody"}, []),
        ("status", {"op": "STATUS"}, []),
        ("verify", {"op": "VERIFY"}, []),
        ("verify-project", op("VERIFY"), []),
        ("config", {"op": "CONFIG"}, []),
        ("snapshot", {"op": "SNAPSHOT", "name": "first"}, []),
        ("snapshot-again", {"op": "SNAPSHOT", "name": "first"}, []),
        ("snapshot-name", {"op": "SNAPSHOT", "name": "../first"}, []),
        # Draws
        ("draws-project", committee("PROJECT.CREATE", classes=CLASSES, price_microusd=80000), []),
        ("draws-grant", committee("BUDGET.GRANT", amount_microusd=800000), []),
        ("draws-samples", committee("SAMPLE.PUT", keys=KEYS[:4]), []),
        (
            "pred-put-no-draws",
            committee("PRED.PUT", model_version=1, slots=[0], activate=True, probs=array("<f4", [1, 3], [1, 0, 0])),
            [],
        ),
        ("plan-no-draws", committee("PLAN", count=1, strategy="bald"), []),
        (
            "pred-put-draws-not-before",
            committee("PRED.PUT", model_version=1, slots=[1], draws=array("<f4", [1, 2, 3], [1, 0, 0, 0, 1, 0])),
            [],
        ),
        (
            "pred-put-draws",
            committee(
                "PRED.PUT",
                model_version=2,
                **{"from": 0},
                activate=True,
                draws={"dtype": "<f4", "shape": [4, 3, 3], "frame": 1},
            ),
            [floats(draws())],
        ),
        ("plan-bald", committee("PLAN", count=2, strategy="bald"), []),
        ("plan-margin-of-mean", committee("PLAN", count=4, strategy="margin"), []),
        ("sample-get-mean", committee("SAMPLE.GET", slots=[0, 1]), []),
        (
            "pred-put-draws-and-probs",
            committee(
                "PRED.PUT",
                model_version=2,
                slots=[0],
                probs=array("<f4", [1, 3], [1, 0, 0]),
                draws=array("<f4", [1, 3, 3], [1, 0, 0] * 3),
            ),
            [],
        ),
        (
            "pred-put-draws-before",
            committee("PRED.PUT", model_version=2, slots=[0], probs=array("<f4", [1, 3], [1, 0, 0])),
            [],
        ),
        (
            "pred-put-draws-other-number",
            committee("PRED.PUT", model_version=2, slots=[0], draws=array("<f4", [1, 4, 3], [1, 0, 0] * 4)),
            [],
        ),
        (
            "pred-put-draws-other-dtype",
            committee("PRED.PUT", model_version=2, slots=[0], draws=array("<f2", [1, 3, 3], [1, 0, 0] * 3)),
            [],
        ),
        (
            "pred-put-draws-one",
            committee("PRED.PUT", model_version=3, activate=True, slots=[0], draws=array("<f4", [1, 1, 3], [1, 0, 0])),
            [],
        ),
        (
            "pred-put-draws-many",
            committee("PRED.PUT", model_version=3, activate=True, slots=[0], draws=array("<f4", [1, 65, 3], [1, 0, 0] * 65)),
            [],
        ),
        (
            "pred-put-draws-classes",
            committee("PRED.PUT", model_version=3, activate=True, slots=[0], draws=array("<f4", [1, 3, 2], [1, 0] * 3)),
            [],
        ),
        (
            "pred-put-draws-shape",
            committee("PRED.PUT", model_version=3, activate=True, slots=[0], draws=array("<f4", [3, 3], [1, 0, 0] * 3)),
            [],
        ),
        (
            "pred-put-draws-sum",
            committee(
                "PRED.PUT", model_version=3, activate=True, slots=[0], draws=array("<f4", [1, 2, 3], [1, 0, 0, 0.5, 0, 0])
            ),
            [],
        ),
        (
            "pred-put-draws-nan",
            committee(
                "PRED.PUT", model_version=3, activate=True, slots=[0], draws={"dtype": "<f4", "shape": [1, 2, 3], "frame": 1}
            ),
            [floats([1, 0, 0, 1, 0, float("nan")])],
        ),
        (
            "pred-put-draws-half",
            committee(
                "PRED.PUT",
                model_version=3,
                activate=True,
                slots=[0, 3],
                draws=array("<f2", [2, 2, 3], [1, 0, 0, 0.75, 0.25, 0, 0, 1, 0, 0, 0, 1]),
            ),
            [],
        ),
        ("plan-bald-half", committee("PLAN", count=2, strategy="bald"), []),
        # The daemon, again
        ("planner-cancel", {"op": "PLANNER.CANCEL"}, []),
        ("planner-cancel-type", {"op": "PLANNER.CANCEL", "task": 0}, []),
        ("drain-on", {"op": "DRAIN", "on": True}, []),
        ("drain-busy", op("LEASE", worker="ada"), []),
        ("drain-off", {"op": "DRAIN", "on": False}, []),
        ("drain-type", {"op": "DRAIN", "on": 1}, []),
    ]
