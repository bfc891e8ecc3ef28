"""The whole loop through the Python client: samples, predictions, batch, answers, labels, evaluation, and again."""

from __future__ import annotations

import numpy as np
import projects
import pytest
from curated import Conflict, NotFound, StaleModel


def test_two_rounds(client):
    keys = projects.create(client, samples=30, usd="2.50", predicted=False)
    truth = {key: projects.CLASSES[number % 3] for number, key in enumerate(keys)}
    client.push(embeddings=projects.vectors(30))
    for version in (1, 2):
        client.push(probs=projects.probabilities(30, seed=version), model_version=version)
        batch = client.next_batch(budget_usd="0.5", strategy="auto")
        assert len(batch) == 5 and batch.cost_usd == 0.5 and batch.model_version == version
        assert all(item.price_usd == 0.1 and item.state == "reserved" and item.reason for item in batch)
        for item in client.work("w1", limit=5):
            item.submit(truth[item.key])
        keys, labels, weights = client.labels()
        assert len(keys) == 5 * version and list(weights) == [1.0] * len(keys)
        assert [truth[key] for key in keys] == list(labels)
        client.evaluate(version, metrics={"accuracy": 0.5 + version / 10}, trained_on=len(keys))
    budget = client.budget()
    assert budget["spent_usd"] == 1.0 and budget["available_usd"] == 1.5
    assert (budget["labels_received"], budget["labels_paid"], budget["labels_accepted"], budget["labels_effective"]) == (
        10,
        10,
        10,
        10,
    )
    assert [entry["metrics"]["accuracy"] for entry in budget["rounds"]] == pytest.approx([0.6, 0.7])
    status = client.status()
    assert status["states"]["labeled"] == 10 and status["states"]["pool"] == 20
    assert status["model_version"] == 2 and status["labels"] == 10 and status["batches"] == 2
    assert sum(status["classes"].values()) == 10
    assert status["evaluation"] == {"model_version": 2, "metrics": {"accuracy": pytest.approx(0.7)}}


def test_project_settings(client):
    assert client.create_project(classes=["a", "b"], price_usd="0.08", seed=7, type_prices_usd={"box": 0.5}) is True
    assert client.create_project(classes=["a", "b"], price_usd="0.08", seed=7, type_prices_usd={"box": 0.5}) is False
    with pytest.raises(Conflict):
        client.create_project(classes=["a", "c"], price_usd="0.08", seed=7)
    settings = client.project()
    assert settings["price_microusd"] == 80_000 and settings["type_prices_usd"] == {"box": 0.5}
    assert settings["overlap"] == 1 and settings["lease_ms"] == 60_000 and settings["control_share"] == pytest.approx(0.05)
    client.set_project(classes=["a", "b", "c"], overlap=2, budget_low_usd=5)
    settings = client.project()
    assert settings["classes"] == ["a", "b", "c"] and settings["overlap"] == 2 and settings["budget_low_usd"] == 5
    assert client.session.project in client.projects()


def test_unknown_project(client):
    with pytest.raises(NotFound):
        client.status()


def test_samples(client):
    client.create_project(classes=["a"], price_usd="0.08")
    slots = client.add_samples(
        ["x", "y", "z"],
        uris=["u", None, "w"],
        prices_usd=[None, "0.5", 0],
        groups=["clip1", "clip1", None],
        tags=[["night"], [], ["night", "rain"]],
    )
    assert slots.tolist() == [0, 1, 2]
    assert client.add_samples(["z", "new", "x"]).tolist() == [2, 3, 0]
    x, y, z = client.samples(["x", "y", "z"])
    assert [sample["price_usd"] for sample in (x, y, z)] == [0.08, 0.5, 0]
    assert x["uri"] == "u" and x["group"] == "clip1" and x["tags"] == ["night"] and x["state"] == "pool"
    assert sorted(z["tags"]) == ["night", "rain"] and not y["uri"]
    client.add_samples(["x"], prices_usd=["0.2"])
    (x,) = client.samples(slots=[0])
    assert x["price_usd"] == 0.2 and x["uri"] == "u" and x["tags"] == ["night"]
    assert client.drop_samples(["y"]) == 1
    assert client.samples(["y"])[0]["state"] == "dropped"
    assert client.status()["states"]["dropped"] == 1
    client.add_samples(["y"])
    assert client.samples(["y"])[0]["state"] == "pool"


def test_pushed_in_parts_and_activated_at_the_end(client, monkeypatch):
    monkeypatch.setattr("curated.push.REQUEST_BYTES", 256 * 1024)
    rows, classes = 5_000, 100
    client.create_project(classes=[str(number) for number in range(classes)], price_usd=1)
    keys = [f"k{number}" for number in range(rows)]
    slots = client.add_samples(keys)
    probs = projects.probabilities(rows, classes)
    client.push(probs=probs, model_version=1, activate=False)
    assert client.status()["model_version"] == 0
    client.activate_model(1)
    status = client.status()
    assert status["model_version"] == 1 and status["predicted"] == rows
    backwards = slots[::-1].copy()
    client.push(slots=backwards, probs=probs[backwards], model_version=2)
    client.push(keys[:300], probs=probs[:300], model_version=3)
    assert client.status()["predicted"] == 300, "samples the active version says nothing of are unpredicted"
    likeliest = probs.argmax(axis=1)
    for sample, expected in zip(client.samples(slots=[0, 17, 299]), likeliest[[0, 17, 299]], strict=True):
        assert sample["predicted"] == str(expected)
    with pytest.raises(StaleModel):
        client.push(probs=probs, model_version=2)
    with pytest.raises(ValueError, match="rows for"):
        client.push(probs=probs[:10], model_version=4)


def test_every_kind_of_prediction(client):
    projects.create(client, samples=4, predicted=False)
    probs = projects.probabilities(4)
    likeliest = [projects.CLASSES[index] for index in probs.argmax(axis=1)]
    order = np.argsort(-probs, axis=1)[:, :2]
    pushes = [
        {"probs": probs},
        {"probs": probs.astype("<f2")},
        {"probs": probs.astype(float)},
        {"logits": np.log(probs) + 3},
        {"logits": np.log(probs).astype("<f2")},
        {"topk": (order, np.take_along_axis(probs, order, axis=1))},
        {"topk": {"classes": order.astype("<u2"), "probs": np.take_along_axis(probs, order, axis=1).astype("<f2")}},
        {"probs": probs, "utility": np.arange(4)},
        {"probs": probs, "embeddings": projects.vectors(4), "space": "both"},
    ]
    for version, columns in enumerate(pushes, start=1):
        client.push(model_version=version, **columns)
        assert [sample["predicted"] for sample in client.samples(slots=[0, 1, 2, 3])] == likeliest, columns.keys()
    assert client.status()["spaces"] == [{"space": "both", "width": 8, "dtype": "<f4", "rows": 4}]


def test_models_are_dropped_as_settings_say(client):
    projects.create(client, samples=4, predicted=False, keep_models=2)
    probs = projects.probabilities(4)
    for version in (1, 2, 3):
        client.push(probs=probs, model_version=version)
    client.drop_model(2)
    with pytest.raises(NotFound):
        client.drop_model(2)
    assert client.begin_model(4) == "staged"
    assert client.begin_model(3) == "active"


def test_imported_labels(client):
    keys = projects.create(client, samples=6)
    assert client.import_labels(["cat", "dog"], keys=keys[:2], source="before") == 2
    assert client.import_labels(np.array([0, 2]), slots=[0, 1]) == 1, "one of them is as it was"
    labeled, labels, _ = client.labels()
    assert dict(zip(labeled, labels, strict=True)) == {"k0": "cat", "k1": "owl"}
    assert client.status()["states"]["labeled"] == 2 and client.budget()["spent_usd"] == 0
    assert "k0" not in client.next_batch(count=4).keys


def test_answers_that_disagree_share_the_weight(client):
    projects.create(client, samples=1, overlap=3)
    client.next_batch(count=1)
    for worker, label in (("a", "cat"), ("b", "cat"), ("c", "dog")):
        (item,) = client.lease(worker)
        item.submit(label)
    keys, labels, weights = client.labels()
    assert keys == ["k0", "k0"] and list(labels) == ["cat", "dog"]
    assert list(weights) == pytest.approx([2 / 3, 1 / 3])


def test_value_of_an_annotation_type(client):
    projects.create(client, samples=3, type_prices_usd={"box": "0.5"})
    batch = client.next_batch(count=2, type="box")
    assert batch.cost_usd == 1.0
    with pytest.raises(NotFound):
        client.lease("w", type="other")
    (item,) = client.lease("w", type="box")
    assert item.type == "box" and item.price_usd == 0.5
    assert item.submit(value=b"\x00\x01 a box")["charged_microusd"] == 500_000
    (item,) = client.lease("w", type="box")
    item.submit("dog", value=b"another")
    assert client.labels()[1].tolist() == ["dog"]
    client.import_labels(["cat"], keys=list({"k0", "k1", "k2"} - set(batch.keys)))
    (page,) = client.label_log()
    assert page.values == [b"\x00\x01 a box", b"another", None] and page.labels.tolist() == [-1, 1, 0]


def test_large_values_end_a_page_early(client):
    projects.create(client, samples=400, usd=100)
    client.next_batch(count=400, strategy="random")
    answers = {}
    for item in client.lease("w", count=400):
        answers[item.key] = item.slot.to_bytes(4, "big") * 16_384
        item.submit(value=answers[item.key])
    pages = list(client.label_log())
    assert len(pages) == 2 and len(pages[0].keys) == 256
    assert {key: value for page in pages for key, value in zip(page.keys, page.values, strict=True)} == answers


def test_the_daemons_own_calls(client, daemon):
    projects.create(client)
    status = client.daemon_status()
    assert status["version"] and status["uptime_ms"] >= 0 and status["kernels"] and not status["read_only"]
    assert client.session.project in status["projects"]
    assert isinstance(client.config(), dict)
    result = client.verify(client.session.project)
    assert result["clean"] and result["problems"] == [] and result["checked"]


def test_snapshot_is_a_store(client, own_daemon, program, tmp_path):
    from curated import LocalDaemon

    with own_daemon.client("kept") as kept:
        projects.create(kept, samples=5)
        kept.next_batch(count=2)
        path = kept.snapshot("monday")
        with pytest.raises(Conflict):
            kept.snapshot("monday")
        kept.next_batch(count=1)
        with LocalDaemon(program, path) as copy, copy.client("kept") as old:
            assert old.status()["batches"] == 1 and old.verify()["clean"]
            projects.answer_all(old)
        assert kept.status()["batches"] == 2
