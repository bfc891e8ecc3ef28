"""Money: granted = available + reserved + spent, whatever happens; each answer charged once."""

from __future__ import annotations

from decimal import Decimal

import projects
import pytest
from curated import BudgetExhausted
from curated.money import prices_to_microusd, to_microusd


@pytest.mark.parametrize(
    ("usd", "microusd"),
    [(0.1, 100_000), (0.07, 70_000), (1, 1_000_000), ("0.000001", 1), (Decimal("1.25"), 1_250_000), (-2, -2_000_000),
     ("0.0000005", 0), ("0.0000015", 2), (1234567.891, 1_234_567_891_000), (0.1 + 0.2, 300_000)],
)  # fmt: skip
def test_dollars_are_rounded_once(usd, microusd):
    assert to_microusd(usd) == microusd


@pytest.mark.parametrize("usd", [float("nan"), float("inf"), "much", "", "nan"])
def test_no_amount(usd):
    with pytest.raises(ValueError, match="not an amount"):
        to_microusd(usd)


@pytest.mark.parametrize("usd", [None, True, b"1", [1]])
def test_no_number(usd):
    with pytest.raises(TypeError):
        to_microusd(usd)


def test_prices():
    assert prices_to_microusd([None, 0, "0.5"]) == [-1, 0, 500_000]


def test_grants_and_corrections(client):
    client.create_project(classes=["a"], price_usd=1)
    assert client.grant(5, note="first")["available_usd"] == 5
    assert client.grant("-1.5", note="too much")["granted_usd"] == 3.5
    entries = list(client.ledger())
    assert [(entry["kind"], entry["amount_usd"], entry["note"]) for entry in entries] == [
        ("grant", 5, "first"),
        ("correct", -1.5, "too much"),
    ] or [entry["kind"] for entry in entries] == ["grant", "grant"]
    projects.money_adds_up(client)


def test_reserve_charge_release(client):
    keys = projects.create(client, samples=10, usd=10)
    client.add_samples(keys, prices_usd=[2 if number < 3 else None for number in range(10)])
    batch = client.next_batch(only=["k0", "k1", "k5", "k6"])
    assert batch.cost_usd == 4.2 and batch.available_usd == 5.8
    assert projects.money_adds_up(client)["reserved"] == 4_200_000
    first, second, third = client.lease("w", count=3)
    assert first.submit("cat")["charged_microusd"] == 2_000_000
    assert second.none_of_these()["charged_microusd"] == 2_000_000
    assert third.submit("dog")["charged_microusd"] == 100_000
    assert projects.money_adds_up(client) == {
        "granted": 10_000_000,
        "available": 5_800_000,
        "reserved": 100_000,
        "spent": 4_100_000,
    }
    client.cancel_batch(batch.batch)
    assert projects.money_adds_up(client) == {"granted": 10_000_000, "available": 5_900_000, "reserved": 0, "spent": 4_100_000}
    kinds = [entry["kind"] for entry in client.ledger()]
    assert kinds[0] == "grant" and kinds.count("charge") == 3 and "release" in kinds and "reserve" in kinds


def test_the_ledger_tells_the_same_as_the_counters(client):
    projects.create(client, samples=12, usd=3, overlap=2)
    client.next_batch(count=6, strategy="random")
    for worker in ("a", "b"):
        for number, item in enumerate(client.lease(worker, count=4)):
            item.skip("blurred") if number == 3 else item.submit("cat")
    client.cancel_batch(1)
    totals: dict[str, int] = {}
    for entry in client.ledger():
        totals[entry["kind"]] = totals.get(entry["kind"], 0) + abs(entry["amount_microusd"])
    money = projects.money_adds_up(client)
    assert totals["grant"] == money["granted"]
    assert totals["charge"] == money["spent"]
    assert totals["reserve"] - totals["charge"] - totals.get("release", 0) == money["reserved"]


def test_overlap_reserves_each_answer(client):
    projects.create(client, samples=5, usd=2, overlap=3)
    batch = client.next_batch(count=2)
    assert batch.cost_usd == pytest.approx(0.6)
    spent = []
    for worker in ("a", "b", "c"):
        for item in client.lease(worker, count=2):
            spent.append(item.submit("cat"))
    assert [reply["charged_microusd"] for reply in spent] == [100_000] * 6
    assert [reply["settled"] for reply in spent] == [False] * 4 + [True] * 2
    assert projects.money_adds_up(client)["spent"] == 600_000


def test_rejected_item_releases_what_is_left(client):
    projects.create(client, samples=3, usd=2, overlap=3, skip_limit=2)
    client.next_batch(count=1)
    client.lease("a")[0].submit("cat")
    assert client.lease("b")[0].skip("blurred")["state"] == "reserved"
    assert client.lease("c")[0].skip("dark")["state"] in ("rejected", "labeled")
    assert projects.money_adds_up(client) == {"granted": 2_000_000, "available": 1_900_000, "reserved": 0, "spent": 100_000}


def test_none_of_these_can_be_free(client):
    projects.create(client, samples=3, usd=2, pay_none_of_these=False)
    client.next_batch(count=1)
    assert client.lease("a")[0].none_of_these()["charged_microusd"] == 0
    assert projects.money_adds_up(client)["available"] == 2_000_000


def test_price_is_that_of_the_commit(client):
    projects.create(client, samples=3, usd=2)
    client.next_batch(only=["k0"])
    client.add_samples(["k0"], prices_usd=[1])
    client.set_project(price_usd=1)
    (item,) = client.lease("w")
    assert item.price_usd == 0.1 and item.submit("cat")["charged_microusd"] == 100_000
    assert client.next_batch(only=["k1"]).cost_usd == 1


def test_a_batch_takes_only_what_is_available(client):
    projects.create(client, samples=20, usd="0.55")
    assert client.next_batch(count=3).available_usd == pytest.approx(0.25)
    with pytest.raises(BudgetExhausted) as refusal:
        client.next_batch(only=["k17", "k18", "k19"] if "k17" in _pool(client) else _pool(client)[:3])
    assert refusal.value.available_usd == pytest.approx(0.25)
    client.grant("0.05")
    client.next_batch(count=3)
    assert projects.money_adds_up(client)["available"] == 0


def _pool(client) -> list[str]:
    return [sample["key"] for sample in client.samples(slots=list(range(20))) if sample["state"] == "pool"]


def test_free_samples(client):
    projects.create(client, samples=5, usd=None, price_usd=0)
    assert len(client.next_batch(count=5)) == 5
    assert len(projects.answer_all(client)) == 5
    assert client.budget()["spent_usd"] == 0
