"""A minimal training loop: pool in, batches out, labels back, until the money is spent.

    python examples/trainer.py --requests tcp://127.0.0.1:7811 --project digits --usd 20

It needs a running daemon and at least one worker (worker.py, worker.sh or worker.c) on the same project. The "images" are
scikit-learn's 8 x 8 digits; put your own model and pool in their place.
"""

from __future__ import annotations

import argparse

import numpy as np
from curated import BudgetExhausted, Client, NotFound
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", default="tcp://127.0.0.1:7811", help="the daemon's request socket")
    parser.add_argument("--events", help="the daemon's event socket (default: the next port)")
    parser.add_argument("--project", default="digits")
    parser.add_argument("--usd", default="20", help="money to grant")
    parser.add_argument("--round-usd", default="4", help="money a round")
    return parser.parse_args()


def train_and_push(client: Client, version: int, pool: np.ndarray, test: np.ndarray, truth: np.ndarray) -> None:
    """Fit on the labels so far, and tell the daemon what the model now thinks of the pool and how good it is."""
    keys, labels, weights = client.labels(indices=True)
    if len(set(labels.tolist())) < 2:
        return
    rows = [int(key.removeprefix("digit-")) for key in keys]
    model = LogisticRegression(max_iter=500).fit(pool[rows], labels, sample_weight=weights)
    probabilities = np.zeros((len(pool), 10), dtype=np.float32)
    probabilities[:, model.classes_] = model.predict_proba(pool)
    client.push(probs=probabilities, model_version=version)
    accuracy = float((model.predict(test) == truth).mean())
    client.evaluate(version, metrics={"accuracy": accuracy}, trained_on=len(keys))
    print(f"model {version}: {len(keys)} labels, accuracy {accuracy:.3f}", flush=True)


def main() -> None:
    options = arguments()
    images, digits = load_digits(return_X_y=True)
    pool, test, _, truth = train_test_split((images / 16).astype(np.float32), digits, test_size=500, random_state=0)

    with Client(options.requests, project=options.project, events=options.events) as client:
        client.create_project(classes=[str(digit) for digit in range(10)], price_usd="0.08")
        client.grant(options.usd, request_id="first-grant")
        client.add_samples([f"digit-{row}" for row in range(len(pool))])
        client.push(embeddings=pool)
        while True:
            status = client.status()
            events = client.follow(since=status["event_seq"])
            try:
                batch = client.next_batch(budget_usd=options.round_usd, partial=True)
            except (BudgetExhausted, NotFound):
                break
            print(f"batch {batch.batch}: {len(batch)} items for ${batch.cost_usd:.2f}", flush=True)
            next(event for event in events if event["kind"] == "batch.done" and event["batch"] == batch.batch)
            train_and_push(client, status["model_version"] + 1, pool, test, truth)
        print(f"spent ${client.budget()['spent_usd']:.2f}", flush=True)


if __name__ == "__main__":
    main()
