"""Monte-Carlo draws and committees through the daemon: what it selects is what the library selects from the same arrays."""

from __future__ import annotations

import numpy as np
import projects
import pytest
from curated import BadRequest, Client, Conflict, NotFound, push, select
from verify import rows_kept, wait_for_rows

# More than two of the store's blocks of 256 rows, and no whole number of them.
ROWS = 700
STRATEGIES = ["bald", "variation_ratio", "vote_entropy", "committee_kl", "power_bald"]


def draws_of(rows: int = ROWS, draws: int = 5, seed: int = 0, dtype: str = "<f4") -> np.ndarray:
    """Draws that agree on some samples and not on others, of shape (rows, draws, classes)."""
    rng = np.random.default_rng(seed)
    doubt = rng.choice([0.1, 0.5, 3], size=(rows, 1, 1))
    powers = np.exp(2 * rng.normal(size=(rows, 1, 3)) + doubt * rng.normal(size=(rows, draws, 3)))
    return (powers / powers.sum(axis=2, keepdims=True)).astype(dtype)


def mean_of(draws: np.ndarray) -> np.ndarray:
    """The mean of the draws as the daemon stores it: summed in doubles, rounded to single and then to the draws' own dtype."""
    return draws.astype(float).mean(axis=1).astype("<f4").astype(draws.dtype)


def selected(strategy: str, draws: np.ndarray, count: int, **options: object) -> tuple[list[int], list[float]]:
    """What the library selects, without a daemon."""
    prices = np.full(len(draws), 0.1)
    result = select(strategy, count, draws=draws.transpose(1, 0, 2), prices=prices, seed=11, **options)
    return result.indices.tolist(), result.gains.tolist()


def planned(client: Client, strategy: str, count: int) -> tuple[list[int], list[float]]:
    picks = client.session.call("PLAN", count=count, strategy=strategy, seed=11)["picks"]
    return [pick["slot"] for pick in picks], [pick["gain"] for pick in picks]


@pytest.mark.parametrize("dtype", ["<f4", "<f2"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_plan_is_what_the_library_selects(client, strategy, dtype):
    projects.create(client, samples=ROWS, usd=1000, predicted=False)
    draws = draws_of(dtype=dtype)
    client.push(draws=draws, model_version=1)
    assert client.status()["predicted"] == ROWS
    assert planned(client, strategy, 100) == selected(strategy, draws, 100)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_samples_without_draws(client, strategy):
    """A block that is not there, one with a gap, and one that is cut short."""
    projects.create(client, samples=ROWS, usd=1000, predicted=False)
    draws = draws_of()
    slots = np.setdiff1d(np.arange(300, 600), np.arange(400, 410))
    client.push(slots=slots, draws=draws[slots], model_version=1)
    assert client.status()["predicted"] == len(slots)
    absent = np.setdiff1d(np.arange(ROWS), slots)
    assert planned(client, strategy, 50) == selected(strategy, draws, 50, excluded=absent)


@pytest.mark.parametrize("dtype", ["<f4", "<f2"])
def test_the_mean_is_what_the_others_read(client, dtype):
    projects.create(client, samples=ROWS, usd=1000, predicted=False)
    draws = draws_of(dtype=dtype)
    client.push(draws=draws, model_version=1)
    mean = mean_of(draws)
    for strategy in ("margin", "entropy", "least_confidence"):
        expected = select(strategy, 100, probs=mean, prices=np.full(ROWS, 0.1))
        assert planned(client, strategy, 100) == (expected.indices.tolist(), expected.gains.tolist()), strategy
    client.push(embeddings=projects.vectors(ROWS))
    assert len(client.plan(count=20, strategy="auto")) == 20
    likeliest = [projects.CLASSES[index] for index in mean[:50].argmax(axis=1)]
    assert [sample["predicted"] for sample in client.samples(slots=range(50))] == likeliest


def test_a_version_replaces_the_one_before(client):
    projects.create(client, samples=ROWS, usd=1000, predicted=False)
    for version, draws in ((1, draws_of()), (2, draws_of(draws=2, seed=2)), (3, draws_of(draws=64, seed=3))):
        client.push(draws=draws, model_version=version)
        assert planned(client, "bald", 30) == selected("bald", draws, 30)
    client.push(probs=projects.probabilities(ROWS), model_version=4)
    with pytest.raises(Conflict, match="draws"):
        client.plan(count=1, strategy="bald")


def test_pushed_in_parts_and_over_again(client, monkeypatch):
    monkeypatch.setattr(push, "REQUEST_BYTES", 16 * 1024)
    keys = projects.create(client, samples=ROWS, usd=1000, predicted=False)
    draws = draws_of(seed=1)
    client.push(draws=draws_of(seed=2), model_version=1)
    backwards = np.arange(ROWS)[::-1].copy()
    client.push(slots=backwards, draws=draws[backwards], model_version=1)
    assert planned(client, "bald", 30) == selected("bald", draws, 30)
    client.push(keys[:200], draws=draws_of(200, seed=3), model_version=1)
    draws[:200] = draws_of(200, seed=3)
    assert planned(client, "bald", 30) == selected("bald", draws, 30)


def test_all_in_one_push(client):
    projects.create(client, samples=20, predicted=False)
    draws = draws_of(20)
    client.push(draws=draws, utility=np.arange(20), embeddings=projects.vectors(20), model_version=1)
    assert planned(client, "bald", 5) == selected("bald", draws, 5)
    assert planned(client, "utility", 3)[0] == [19, 18, 17]
    assert planned(client, "kcenter", 5)[0]


def test_replay(client):
    keys = projects.create(client, samples=ROWS, usd=1000, predicted=False)
    draws = draws_of()
    client.push(slots=range(600), draws=draws[:600], model_version=1)
    batch = client.next_batch(count=40, strategy="power_bald")
    assert client.replay(batch.batch)["same"] is True
    client.push(keys[600:], draws=draws[600:], model_version=1)
    assert client.replay(batch.batch)["same"] is True, "draws that came later are not looked at"
    client.push(keys[:1], draws=draws[:1], model_version=1)
    with pytest.raises(Conflict, match="predictions"):
        client.replay(batch.batch)


def test_replay_of_a_version_that_is_gone(client):
    projects.create(client, samples=ROWS, usd=1000, predicted=False, keep_models=2)
    client.push(draws=draws_of(), model_version=1)
    batch = client.next_batch(count=40, strategy="bald")
    client.push(draws=draws_of(seed=2), model_version=2)
    assert client.replay(batch.batch)["same"] is True
    client.push(probs=projects.probabilities(ROWS), model_version=3)
    wait_for_rows(client, 3 * ROWS)
    with pytest.raises(NotFound):
        client.replay(batch.batch)


def test_model_drop_takes_the_draws_too(client):
    projects.create(client, samples=ROWS)
    client.push(draws=draws_of(), model_version=2, activate=False)
    assert rows_kept(client) == 3 * ROWS
    client.drop_model(2)
    wait_for_rows(client, ROWS)
    client.push(draws=draws_of(draws=3, seed=2), model_version=3)
    assert planned(client, "bald", 30) == selected("bald", draws_of(draws=3, seed=2), 30)


def test_draws_outlive_the_daemon(own_daemon):
    draws = draws_of()
    with own_daemon.client("p") as client:
        projects.create(client, samples=ROWS, usd=1000, predicted=False)
        client.push(draws=draws, model_version=1)
        batch = client.next_batch(count=40, strategy="bald")
    own_daemon.kill()
    own_daemon.start()
    with own_daemon.client("p") as client:
        assert client.replay(batch.batch)["same"] is True
        client.cancel_batch(batch.batch)
        assert planned(client, "bald", 100) == selected("bald", draws, 100)


@pytest.mark.parametrize("dtype", ["<f4", "<f2"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 0.9])
def test_a_flaw_is_found(client, value, dtype):
    projects.create(client, samples=ROWS, predicted=False)
    draws = draws_of(dtype=dtype)
    draws[699, 3] = (value, 0.5, 0.5)
    with pytest.raises(BadRequest, match="draw 3 of row 699"):
        client.push(draws=draws, model_version=1)


@pytest.mark.parametrize("shape", [
    (10, 3), (10, 1, 3), (10, 65, 3), (10, 5, 2), (10, 5, 4), (9, 5, 3), (11, 5, 3), (10, 1, 5, 3),
])  # fmt: skip
def test_shapes_that_are_refused(client, shape):
    projects.create(client, samples=10, predicted=False)
    with pytest.raises((BadRequest, ValueError)):
        client.push(draws=np.full(shape, 1 / shape[-1]), model_version=1)
    assert client.status()["predicted"] == 0 and rows_kept(client) == 0


def test_a_row_that_is_too_wide(client):
    projects.create(client, samples=2, predicted=False, classes=[str(number) for number in range(2000)])
    wide = np.zeros((2, 33, 2000), dtype="<f2")
    wide[:, :, 7] = 1
    with pytest.raises(BadRequest, match="65536"):
        client.push(draws=wide, model_version=1)
    client.push(draws=wide[:, :32], model_version=1)
    assert planned(client, "bald", 2) == ([0, 1], [0, 0])


@pytest.mark.parametrize(("shape", "rows"), [((100_000, 5, 10), 40_960), ((5_000, 20, 1_000), 256), ((5_000, 64, 1_000), 32)])
def test_rows_per_request(shape, rows):
    """Whole blocks of 256 rows, as long as a request takes one."""
    assert push.rows_per_request({"draws": np.broadcast_to(np.float32(0), shape)}) == rows
