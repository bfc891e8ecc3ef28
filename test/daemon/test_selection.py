"""Plans and batches: what is asked is what is chosen, and why can be told."""

from __future__ import annotations

import msgpack
import numpy as np
import projects
import pytest
from curated import BadRequest, BudgetExhausted, Conflict, NotFound
from raw import head

# All that can do with predictions and embeddings.
STRATEGIES = [
    "auto", "random", "least_confidence", "margin", "entropy", "gradient_length", "density", "outlier", "kcenter",
    "kcenter_robust", "kmeans++", "badge", "dpp", "facility_location", "graph_cut", "coverage", "typiclust", "probcover",
    "cluster_margin", "search", "galaxy",
]  # fmt: skip
NOT_PUSHED = ["bald", "variation_ratio", "vote_entropy", "committee_kl", "power_bald", "utility", "weighted_random"]


@pytest.fixture
def pool(client):
    """40 samples of which every fourth costs four times as much."""
    keys = projects.create(client, samples=40, usd=100)
    client.add_samples(keys, prices_usd=[0.4 if number % 4 == 0 else None for number in range(40)])
    client.push(embeddings=projects.vectors(40))
    return client


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_plan_is_what_is_committed(pool, strategy):
    before = projects.state_of(pool)
    plan = pool.plan(budget_usd=2, strategy=strategy)
    assert projects.state_of(pool) == before, "a plan changes nothing"
    assert plan.batch == 0 and plan.items and plan.cost_usd <= 2
    assert plan.cost_usd == pytest.approx(sum(item.price_usd for item in plan))
    batch = pool.next_batch(budget_usd=2, strategy=strategy)
    assert batch.keys == plan.keys and batch.seed == plan.seed
    assert [item.reason for item in batch] == [item.reason for item in plan]
    assert len(set(batch.keys)) == len(batch)
    assert {item.arm for item in batch} <= {"policy", "control"}
    assert pool.replay(batch.batch)["same"] is True
    again = pool.next_batch(budget_usd=2, strategy=strategy)
    assert not set(again.keys) & set(batch.keys), "what is reserved is not selected again"


@pytest.mark.parametrize("strategy", NOT_PUSHED)
def test_a_column_that_was_not_pushed_is_missed(pool, strategy):
    with pytest.raises(Conflict, match="draws|utility"):
        pool.plan(count=1, strategy=strategy)


@pytest.mark.parametrize(("strategy", "score"), [
    ("least_confidence", lambda p: 1 - p[:, -1]),
    ("margin", lambda p: 1 - (p[:, -1] - p[:, -2])),
    ("entropy", lambda p: -(p * np.log(p)).sum(axis=1)),
])  # fmt: skip
def test_scores_order_the_pool(client, strategy, score):
    projects.create(client, samples=40)
    expected = np.argsort(-score(np.sort(projects.probabilities(40), axis=1)), kind="stable")[:10]
    assert [item.slot for item in client.plan(count=10, strategy=strategy)] == expected.tolist()


def test_utility_of_the_callers_own(client):
    projects.create(client, samples=10, predicted=False)
    client.push(utility=np.arange(10), model_version=1)
    assert [item.slot for item in client.plan(count=3, strategy="utility")] == [9, 8, 7]


def test_same_seed_same_batch(client, daemon):
    """Two projects alike in all but name select alike."""
    plans = []
    for name in ("twin-a", "twin-b"):
        with daemon.client(name) as twin:
            projects.create(twin, samples=50)
            twin.push(embeddings=projects.vectors(50))
            plans.append([twin.next_batch(count=10, strategy=strategy).keys for strategy in ("auto", "random")])
    assert plans[0] == plans[1]


def test_seed_of_ones_own(pool):
    one = pool.plan(count=10, strategy="random", seed=1).keys
    assert one == pool.plan(count=10, strategy="random", seed=1).keys
    assert one != pool.plan(count=10, strategy="random", seed=2).keys


def test_include_and_only(pool):
    batch = pool.next_batch(count=5, include=["k7", "k3"], strategy="margin")
    assert batch.keys[:2] == ["k7", "k3"] and [item.arm for item in batch][:2] == ["include"] * 2 and len(batch) == 5
    others = [key for key in ("k30", "k20", "k10", "k1") if key not in batch.keys][:2]
    chosen = pool.next_batch(only=others)
    assert chosen.keys == others
    with pytest.raises(Conflict):
        pool.next_batch(only=others)


def test_not_enough_money(client):
    projects.create(client, samples=20, usd=1)
    with pytest.raises(BudgetExhausted) as refusal:
        client.next_batch(budget_usd=1.5)
    assert refusal.value.available_usd == 1
    with pytest.raises(BudgetExhausted):
        client.next_batch(count=11, strategy="random")
    assert client.status()["batches"] == 0
    assert len(client.next_batch(budget_usd=1.5, partial=True)) == 10
    with pytest.raises(BudgetExhausted):
        client.next_batch(budget_usd=1, partial=True)


def test_empty_pool(client):
    projects.create(client, samples=3)
    client.next_batch(count=3)
    with pytest.raises(NotFound):
        client.next_batch(count=1)


def test_batch_states_and_pages(pool):
    batch = pool.next_batch(count=6, strategy="random")
    items = {item.key: item for item in pool.lease("w", count=3)}
    first, second, third = items.values()
    first.submit("cat")
    second.none_of_these()
    assert pool.cancel_batch(batch.batch) == 3
    states = {item.key: item.state for item in pool.batch_items(batch.batch)}
    assert states[first.key] == "labeled" and states[second.key] == "rejected" and states[third.key] == "leased"
    assert list(states.values()).count("canceled") == 3
    summary = pool.batch(batch.batch)
    assert (summary["items"], summary["open"], summary["labeled"], summary["rejected"], summary["canceled"]) == (6, 1, 1, 1, 3)
    third.submit("dog")
    assert pool.batch(batch.batch)["open"] == 0 and pool.batch(batch.batch)["state"] in ("done", "canceled")


def test_pages_of_a_batch(pool, raw, project):
    batch = pool.next_batch(count=5, strategy="random")
    page = raw.call("BATCH.GET", project, batch=batch.batch, from_=0, limit=2)
    assert [item["key"] for item in page["list"]] == batch.keys[:2] and page["next"] == 2
    page = raw.call("BATCH.GET", project, batch=batch.batch, from_=4, limit=2)
    assert [item["key"] for item in page["list"]] == batch.keys[4:] and "next" not in page


def test_explain(pool):
    batch = pool.next_batch(count=5, strategy="auto")
    item = batch.items[0]
    told = pool.explain(key=item.key)
    assert told["batch"] == batch.batch and told["rank"] == 0 and told["key"] == item.key and told["reason"] == item.reason
    for term in ("strategy", "arm", "price_usd", "probability", "uncertainty", "class_weight", "gain", "utility", "seed"):
        assert term in told, term
    assert pool.explain(slot=item.slot, batch=batch.batch) == told


def test_groups_tags_and_shares(client):
    keys = projects.create(client, samples=30, usd=100, group_max=1, excluded_tags=["broken"])
    client.add_samples(
        keys,
        groups=[f"clip{number // 3}" for number in range(30)],
        tags=[["broken"] if number < 6 else (["night"] if number >= 27 else []) for number in range(30)],
    )
    batch = client.next_batch(count=20, strategy="margin", partial=True)
    slots = [item.slot for item in batch]
    assert min(slots) >= 6 and len({slot // 3 for slot in slots}) == len(slots) == 8
    client.cancel_batch(batch.batch)
    client.set_project(group_max=0, minimum_shares=[{"tag": "night", "share": 0.3}])
    batch = client.next_batch(count=10, strategy="margin")
    assert sum(item.slot >= 27 for item in batch) == 3
    assert any(item.arm == "share" for item in batch)


def test_control_arm_is_chance_with_its_probability(client):
    projects.create(client, samples=200, usd=100, control_share=0.2)
    client.push(embeddings=projects.vectors(200))
    batch = client.next_batch(count=50, strategy="auto")
    control = [item for item in batch if item.arm == "control"]
    assert 5 <= len(control) <= 15 and all(0 < item.probability < 1 for item in control)


def test_near_duplicates_are_kept_out(client):
    client.create_project(classes=projects.CLASSES, price_usd="0.1", seed=3)
    client.grant(100)
    one = projects.vectors(100, width=16)
    rng = np.random.default_rng(1)
    twins = np.concatenate([one, one + rng.normal(scale=1e-4, size=one.shape).astype("<f4")])
    client.add_samples([f"k{number}" for number in range(200)])
    client.push(embeddings=twins)
    client.push(probs=projects.probabilities(200), model_version=1)
    chosen = [item.slot % 100 for item in client.next_batch(count=60, control_share=0.0)]
    assert len(set(chosen)) == len(chosen)


def test_replay_notices_changes(pool):
    batch = pool.next_batch(count=5, strategy="margin")
    assert pool.replay(batch.batch) | {"id": 0} == pool.replay(batch.batch) | {"id": 0}
    assert pool.replay(batch.batch)["first_difference"] == -1
    pool.add_samples(["k30"], prices_usd=[9])
    with pytest.raises(Conflict):
        pool.replay(batch.batch)


def test_a_list_of_ones_own_is_taken_whole_or_not_at_all(pool, raw, project):
    """Several at once that share samples: a later one is planned before the first has reserved its."""
    for start in range(0, 24, 4):
        lists = [[start + 3, start + 2, start + number % 2] for number in range(6)]
        requests = [head("BATCH.COMMIT", project, only={"slots": slots}) for slots in lists]
        for request in requests:
            raw.send(msgpack.packb(request))
        replies = [raw.receive() for _ in requests]
        done = [reply for reply in replies if reply["ok"]]
        assert [reply["items"] for reply in done] == [3]
        assert {reply["error"]["code"] for reply in replies if not reply["ok"]} == {"conflict"}
        assert [item.slot for item in pool.batch_items(done[0]["batch"])][:2] == [start + 3, start + 2]
    pool.set_project(price_usd=50)
    for field, budget in (("only", {}), ("include", {"count": 3})):
        with pytest.raises(BudgetExhausted, match=f"{field}: expected samples within the budget") as refused:
            pool.next_batch(**{field: [25, 26, 27]}, **budget, partial=True)
        assert refused.value.available_usd == pool.budget()["available_usd"] > 0


def test_any_radius_of_the_protocol(pool):
    for radius in (1e-15, 1e14, 1e15):
        plan = pool.plan(count=3, strategy="coverage", parameters={"radius": radius})
        assert plan.stats["radius"] == pytest.approx(radius)
    for radius in (1e-16, 1.1e15, -1):
        with pytest.raises(BadRequest, match="radius"):
            pool.plan(count=3, strategy="coverage", parameters={"radius": radius})


def test_slices_weigh_without_classes_too(client):
    client.create_project(classes=[], price_usd="0.1")
    client.grant(10)
    keys = [f"k{number}" for number in range(20)]
    client.add_samples(keys, tags=[["night"] if number % 2 else ["day"] for number in range(20)])
    client.push(embeddings=projects.vectors(20))
    client.evaluate(1, per_slice={"night": 0.2, "day": 0.8})
    batch = client.next_batch(count=10, control_share=0)
    weights = {item.slot % 2: client.explain(slot=item.slot)["slice_weight"] for item in batch}
    assert weights[1] == pytest.approx(1.6) and weights.get(0, 0.5) == pytest.approx(0.5)


def test_drain(own_daemon):
    from curated import Busy

    with own_daemon.client("p") as client:
        projects.create(client)
        client.next_batch(count=2)
        client.drain()
        assert client.daemon_status()["draining"] is True
        hasty = own_daemon.client("p", timeout=0.5)
        with pytest.raises(Busy):
            hasty.lease("w")
        with pytest.raises(Busy):
            hasty.next_batch(count=1)
        hasty.close()
        assert client.plan(count=1).items
        client.drain(False)
        assert len(client.lease("w")) == 1
