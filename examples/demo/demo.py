"""The whole job on real images: `auto` against `random` with equal money, in one real daemon.

    make demo [SEEDS=5]        or        python examples/demo/demo.py --build build --seeds 5

Each strategy has a project of its own. Each round the model's probabilities are pushed, a batch is bought, four annotator
processes answer it, and the model is trained anew. The test images are looked at by the report only.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from curated import Client, LocalDaemon
from data import CHEAP_USD, CLASSES, Pool, make_pool, test_set
from model import Model, fit_embedding, recalls
from report import Point, Run, dollars_ratios, median_ratio, plot, table, write_summary

HERE = Path(__file__).resolve().parent
WORKERS = 4
KILL_IN_ROUND, KILL_AFTER_LABELS = 3, 20


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"), help="where the daemon is, and demo/ is written")
    parser.add_argument("--seeds", type=int, default=1, help="how many pools to try")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--round-usd", type=float, default=16.0, help="money a round")
    parser.add_argument("--short", action="store_true", help="a small pool and few rounds")
    parser.add_argument("--kill", action="store_true", help="kill -9 the daemon in mid run and start it again")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.round_usd = 4, 12.0
    options.commonest = 1_000 if options.short else 4_000
    return options


@contextmanager
def annotators(daemon: LocalDaemon, project: str, pool: Pool, folder: Path, seed: int) -> Iterator[None]:
    """Four annotator processes for as long as the block runs."""
    answers = folder / f"{project}.answers.npy"
    np.save(answers, pool.truth)
    command = [sys.executable, str(HERE / "annotator.py"), daemon.requests, daemon.events, project]
    processes = []
    try:
        for number in range(1, WORKERS + 1):
            processes.append(subprocess.Popen([*command, f"worker-{number}", str(answers), str(seed)]))
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        answers.unlink()


class Loop:
    """One training loop: a strategy, a pool, a project and money."""

    def __init__(self, client: Client, pool: Pool, strategy: str, seed: int) -> None:
        self.client, self.pool, self.strategy = client, pool, strategy
        self.run = Run(strategy, seed)
        embedding = fit_embedding(pool.images)
        self.features = embedding.transform(pool.images).astype(np.float32)
        self.validation = embedding.transform(pool.validation)
        images, self.test_truth = test_set()
        self.test = embedding.transform(images)
        self.rows = {key: row for row, key in enumerate(pool.keys)}
        client.create_project(classes=CLASSES, price_usd=CHEAP_USD, seed=seed)
        client.add_samples(pool.keys, prices_usd=pool.prices_usd)
        client.push(embeddings=self.features, space="pca64")

    def buy(self, usd: float, killed: LocalDaemon | None) -> None:
        """Buy a batch and wait until the annotators have done it. `killed` is a daemon to kill -9 half-way."""
        events = self.client.follow(since=self.client.status()["event_seq"])
        self.client.grant(usd)
        batch = self.client.next_batch(budget_usd=usd, strategy=self.strategy)
        answers = 0
        for event in events:
            answers += event["kind"] in ("label.accepted", "item.rejected")
            if event["kind"] == "batch.done" and event["batch"] == batch.batch:
                break
            if killed is not None and answers >= KILL_AFTER_LABELS:
                killed.kill()
                killed.start()
                print("      daemon killed with SIGKILL and started again", flush=True)
                killed = None
        events.close()

    def learn(self, version: int) -> None:
        """Train on the labels so far, push what the model thinks of the pool, and report how it did on held-out data."""
        keys, labels, weights = self.client.labels(indices=True)
        model = Model(self.features[[self.rows[key] for key in keys]], labels, weights)
        self.client.push(probs=model.probabilities(self.features), model_version=version)
        held_out = recalls(model.probabilities(self.validation), self.pool.validation_truth)
        self.client.evaluate(
            version,
            metrics={"accuracy": held_out.mean()},
            per_class={name: {"recall": recall} for name, recall in zip(CLASSES, held_out, strict=True)},
            trained_on=len(keys),
        )
        tested = recalls(model.probabilities(self.test), self.test_truth)
        spent = self.client.budget()["spent_usd"]
        self.run.curve.append(Point(spent, len(keys), float(tested.mean()), float(tested[self.pool.rare].mean())))
        self.run.refused = self.client.status()["states"].get("rejected", 0)


def play(daemon: LocalDaemon, strategy: str, seed: int, options: argparse.Namespace) -> Run:
    pool = make_pool(seed, options.commonest)
    project = f"{strategy}-{seed}"
    print(f"{project}: {len(pool.truth):,} images, {pool.dear.mean():.0%} of them five times dearer", flush=True)
    with daemon.client(project) as client:
        loop = Loop(client, pool, strategy, seed)
        with annotators(daemon, project, pool, options.build / "demo", seed):
            for number in range(1, options.rounds + 1):
                started = time.monotonic()
                loop.buy(options.round_usd, daemon if options.kill and number == KILL_IN_ROUND else None)
                loop.learn(number)
                end = loop.run.last
                print(
                    f"  round {number:>2}: ${end.dollars:>6.2f}  {end.labels:>5} labels  accuracy {end.accuracy:.4f}  "
                    f"rare recall {end.rare_recall:.4f}  ({time.monotonic() - started:.1f} s)",
                    flush=True,
                )
    return loop.run


def main() -> int:
    options = arguments()
    output = options.build / "demo"
    output.mkdir(parents=True, exist_ok=True)
    # However the demo ends, the blocks below end its daemon and its annotators.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    runs = []
    with ExitStack() as stack:
        daemon = stack.enter_context(LocalDaemon(options.build / "curated"))
        for seed in range(1, options.seeds + 1):
            for strategy in ("random", "auto"):
                runs.append(play(daemon, strategy, seed, options))
        with daemon.client() as client:
            result = client.verify()
    verify = "clean" if result["clean"] else "; ".join(result["problems"])

    plot(runs, output / "demo.png")
    write_summary(runs, verify, output / "summary.json")
    print("\n" + table(runs))
    ratio = median_ratio(dollars_ratios(runs))
    reached = "never reached" if ratio is None else f"reached with {ratio:.0%} of the money"
    print(f"\nrandom's final accuracy: auto {reached} (median of {options.seeds} seed{'s' * (options.seeds > 1)})")
    print(f"verify: {verify}\nwritten: {output / 'summary.json'}, {output / 'demo.png'}")
    return 0 if result["clean"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
