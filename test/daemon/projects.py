"""Small projects for tests to start from."""

from __future__ import annotations

from typing import Any

import numpy as np
from curated import Client

CLASSES = ["cat", "dog", "owl"]


def probabilities(rows: int, classes: int = 3, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((rows, classes)).astype("<f4") + 1e-3
    return values / values.sum(axis=1, keepdims=True)


def vectors(rows: int, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype("<f4")


def create(client: Client, samples: int = 20, usd: Any = 10, predicted: bool = True, **settings: Any) -> list[str]:
    """A project with samples k0, k1, … at 10 cents each, money, and predictions of model 1."""
    settings = {"classes": CLASSES, "price_usd": "0.1", "seed": 7, **settings}
    client.create_project(**settings)
    if usd:
        client.grant(usd)
    keys = [f"k{number}" for number in range(samples)]
    client.add_samples(keys, uris=[f"file:///{key}" for key in keys])
    if predicted:
        client.push(probs=probabilities(samples, len(settings["classes"])), model_version=1)
    return keys


def answer_all(client: Client, worker: str = "w1", label: str = "cat") -> list[str]:
    """Lease and answer until nothing waits. Returns the keys answered."""
    answered = []
    while items := client.lease(worker, count=100):
        for item in items:
            item.submit(label)
            answered.append(item.key)
    return answered


def money_adds_up(client: Client) -> dict[str, int]:
    """Check that granted = available + reserved + spent, and return the four in micro-dollars."""
    budget = client.budget()
    parts = {name: budget[f"{name}_microusd"] for name in ("granted", "available", "reserved", "spent")}
    assert parts["granted"] == parts["available"] + parts["reserved"] + parts["spent"], parts
    return parts


def state_of(client: Client) -> dict[str, Any]:
    """Everything of a project that a refused request must leave as it was."""
    status, budget = client.status(), client.budget()
    status.pop("planning", None)
    return {"status": status, "budget": budget, "settings": client.project()}
