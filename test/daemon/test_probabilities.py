"""Rows of probabilities wide enough for the vectors that check them: a flaw anywhere in a row is found."""

from __future__ import annotations

import numpy as np
import projects
import pytest
from curated import CuratedError

WIDTH = 20


def uniform(rows: int = 300) -> np.ndarray:
    return np.full((rows, WIDTH), 1 / WIDTH, dtype="<f4")


@pytest.mark.parametrize("column", [0, 7, 8, 15, 16, 19])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-6, 0.06, 0.04])
def test_a_flaw_is_found(client, column, value):
    projects.create(client, samples=300, classes=[str(number) for number in range(WIDTH)], predicted=False)
    flawed = uniform()
    flawed[299, column] = value
    with pytest.raises(CuratedError, match="299") as refused:
        client.push(probs=flawed, model_version=1)
    assert refused.value.code == "bad_request"
    assert client.status()["predicted"] == 0


def test_what_is_within_the_tolerance_is_taken(client):
    projects.create(client, samples=300, classes=[str(number) for number in range(WIDTH)], predicted=False)
    near = uniform()
    near[0, 3] += 0.0009
    near[1, 19] -= 0.0009
    near[2] = 0
    near[2, 5] = 1
    near[2, 6] = -0.0
    client.push(probs=near, model_version=1)
    assert client.status()["predicted"] == 300
