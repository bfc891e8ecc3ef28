"""GALAXY, against a slow reference written from its definition."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import select
from pools import Pool, clustered, softmax

Ints = npt.NDArray[np.int64]


class Line:
    """One class's linear graph: ranks of samples, and which are labelled as what."""

    def __init__(self, probs: npt.NDArray[np.float64], nodes: Ints, known: dict[int, int], number: int) -> None:
        predicted = probs.argmax(1)
        margin = np.where(predicted == number, probs[:, number], probs[:, number] - probs.max(1))
        order = nodes[np.argsort(-margin[nodes], kind="stable")]
        self.number = number
        self.slots = dict(enumerate(order.tolist(), 1))
        self.ranks = {slot: rank for rank, slot in self.slots.items()}
        self.labels = {self.ranks[slot]: label == number for slot, label in known.items()}
        if len(set(self.labels.values())) < 2:
            self.labels |= {0: True, len(order) + 1: False}

    def next(self, allowed: set[int]) -> int:
        """Return the sample to ask for."""
        free = sorted(rank for rank, slot in self.slots.items() if rank not in self.labels and slot in allowed)
        labeled = sorted(self.labels)
        pairs = [(a, b) for a, b in pairwise(labeled) if self.labels[a] != self.labels[b]]
        paths = [(b - a, a, b) for a, b in pairs if any(a < rank < b for rank in free)]
        if paths:
            _, a, b = min(paths)
            middle = (a + b) // 2
            return self.slots[min((abs(rank - middle), rank) for rank in free if a < rank < b)[1]]
        near = [(a - rank if rank < a else rank - b, a, rank) for a, b in pairs for rank in free]
        return self.slots[min(near)[2]]


def reference(
    probs: npt.NDArray[Any],
    k: int,
    labels: dict[int, int],
    pending: Ints | tuple[()] = (),
    excluded: Ints | tuple[()] = (),
    groups: Ints | None = None,
) -> list[int]:
    """Return the picks by the definition, one a group; what has no answer yet counts as what is predicted."""
    probs = probs.astype(np.float64)
    predicted = probs.argmax(1)
    known = labels | {int(slot): int(predicted[slot]) for slot in pending}
    nodes = np.setdiff1d(np.arange(len(probs)), excluded)
    counts = np.bincount(list(labels.values()), minlength=probs.shape[1])
    classes = np.argsort(counts, kind="stable")[: 1 if probs.shape[1] == 2 else 64]
    lines = [Line(probs, nodes, known, int(number)) for number in classes]
    groups = np.arange(len(probs)) if groups is None else groups
    allowed = {int(slot) for slot in nodes if slot not in known}
    picks: list[int] = []
    while len(picks) < k and allowed:
        picks.append(lines[len(picks) % len(lines)].next(allowed))
        for line in lines:
            line.labels[line.ranks[picks[-1]]] = predicted[picks[-1]] == line.number
        allowed -= set(np.flatnonzero(groups == groups[picks[-1]]).tolist())
    return picks


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("classes", [1, 2, 3, 7])
@pytest.mark.parametrize("known", [0, 1, 12])
def test_picks_are_those_of_the_definition(classes: int, known: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool = clustered(rng, 150, classes=classes)
    slots = rng.permutation(150)
    labeled, pending, excluded = slots[:known], slots[20 : 20 + known], slots[40:50]
    expected = reference(pool.probs, 150, dict(zip(labeled, pool.classes[labeled], strict=True)), pending, excluded)
    result = select(
        "galaxy",
        150,
        probs=pool.probs,
        labeled=labeled,
        labels=pool.classes[labeled],
        pending=pending,
        excluded=excluded,
    )
    assert result.indices.tolist() == expected
    assert len(expected) == 140 - 2 * known


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_equal_margins_go_by_slot(dtype: type) -> None:
    rng = np.random.default_rng(1)
    probs = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.4, 0.4, 0.2], [0, 0, 1]], dtype)[rng.integers(4, size=120)]
    labels = dict(enumerate(rng.integers(3, size=9).tolist()))
    result = select("galaxy", 60, probs=probs, labeled=list(labels), labels=list(labels.values()))
    assert result.indices.tolist() == reference(probs, 60, labels)


def test_what_the_group_rule_refuses_is_passed_over(pool: Pool) -> None:
    labels = {slot: int(pool.classes[slot]) for slot in range(0, 60, 3)}
    groups = np.arange(400) // 5 + 1
    result = select(
        "galaxy", 60, probs=pool.probs, labeled=list(labels), labels=list(labels.values()), groups=groups, group_max=1
    )
    expected = reference(pool.probs, 60, labels, groups=groups)
    assert result.indices.tolist() == expected
    assert expected != reference(pool.probs, 60, labels)


def test_many_classes_have_graphs_for_the_rarest() -> None:
    rng = np.random.default_rng(3)
    probs = softmax(rng.normal(size=(300, 70)))
    labels = dict(zip(range(100), rng.integers(70, size=100).tolist(), strict=True))
    result = select("galaxy", 100, probs=probs, labeled=list(labels), labels=list(labels.values()))
    assert result.indices.tolist() == reference(probs, 100, labels)


def imbalanced(rng: np.random.Generator, classes: int) -> Pool:
    """Return 20,000 samples, one class of which has 1 in 100, where the model thinks hardly any is of it."""
    kind = np.where(rng.random(20_000) < 0.01, 0, rng.integers(1, classes, size=20_000))
    logits = 3 * np.eye(classes)[kind] + rng.normal(size=(20_000, classes))
    logits[:, 0] -= 3
    return Pool(np.zeros((20_000, 1), np.float32), softmax(logits), kind)


@pytest.mark.parametrize("classes", [2, 5])
def test_a_rare_class_is_found_far_more_often_than_by_chance(classes: int) -> None:
    pool = imbalanced(np.random.default_rng(4), classes)
    labeled = np.concatenate([np.flatnonzero(pool.classes == number)[:3] for number in range(classes)])
    found = {}
    for strategy in ("galaxy", "random"):
        known = labeled
        for _ in range(5):
            result = select(strategy, 60, probs=pool.probs, labeled=known, labels=pool.classes[known])
            known = np.concatenate([known, result.indices])
        found[strategy] = int((pool.classes[known[len(labeled) :]] == 0).sum())
    assert found["galaxy"] > 8 * found["random"] > 0


def test_without_labels_it_starts_where_predictions_change() -> None:
    probs = np.linspace(0, 1, 101, dtype=np.float32)
    result = select("galaxy", 12, probs=np.stack([1 - probs, probs], 1))
    assert (abs(result.indices[6:] - 50) <= 4).all()
    assert result.gains[0] == pytest.approx(1 / 102)


def test_it_needs_probabilities_of_one_class_or_another(pool: Pool) -> None:
    with pytest.raises(ValueError, match="probabilities: expected"):
        select("galaxy", 5, embeddings=pool.embeddings)
    with pytest.raises(ValueError, match="multi_label: expected"):
        select("galaxy", 5, probs=pool.probs, multi_label=True)
