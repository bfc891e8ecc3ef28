"""kill -9 in the middle of everything: nothing acknowledged is lost, nothing happens twice, and clients just go on."""

from __future__ import annotations

import threading

import projects
import pytest
from curated import Client, LeaseLost, LocalDaemon, Timeout

SAMPLES = 3_000
WORKERS = 4


class Crew:
    """Workers that answer all there is, and note what was acknowledged to them."""

    def __init__(self, daemon: LocalDaemon, project: str) -> None:
        self.daemon, self.project = daemon, project
        self.stop = threading.Event()
        self.progress = threading.Semaphore(0)
        self.acknowledged: dict[str, int] = {}
        self.lost = 0
        self.failures: list[BaseException] = []
        self.threads = [threading.Thread(target=self._run, args=(f"w{number}",)) for number in range(WORKERS)]
        for thread in self.threads:
            thread.start()

    def _run(self, worker: str) -> None:
        try:
            with self.daemon.client(self.project) as client:
                for item in client.work(worker, lease_s=30, prefetch=4, stop=self.stop):
                    try:
                        reply = item.submit("cat")
                    except LeaseLost:
                        self.lost += 1
                        continue
                    self.acknowledged[item.key] = reply["label_seq"]
                    self.progress.release()
        except BaseException as failure:
            self.failures.append(failure)

    def wait_for(self, labels: int) -> None:
        for _ in range(labels):
            assert self.progress.acquire(timeout=60), self.failures or "no progress"

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.failures


@pytest.fixture
def client(own_daemon):
    with own_daemon.client("p") as client:
        projects.create(client, samples=SAMPLES, usd=1_000)
        yield client


def check_labels(client: Client, acknowledged: dict[str, int]) -> None:
    logged = {}
    for page in client.label_log():
        assert all(page.settled)
        logged.update(zip(page.keys, page.seqs.tolist(), strict=True))
    missing = acknowledged.items() - logged.items()
    assert not missing, f"acknowledged and lost: {missing}"
    assert len(logged) == client.budget()["labels_received"]
    assert projects.money_adds_up(client)["spent"] == 100_000 * len(logged)


def test_killed_under_load(own_daemon, client):
    client.next_batch(count=1_500, strategy="random")
    crew = Crew(own_daemon, "p")
    batches = 1
    for version in (2, 3, 4):
        crew.wait_for(150)
        ingest = threading.Thread(target=push_forever_once, args=(own_daemon, version))
        ingest.start()
        own_daemon.kill()
        own_daemon.start()
        ingest.join(60)
        assert client.verify()["clean"]
        client.next_batch(count=50, strategy="margin")
        batches += 1
    crew.wait_for(150)
    crew.end()
    check_labels(client, crew.acknowledged)
    status = client.status()
    assert status["batches"] == batches and status["model_version"] == 4 and status["predicted"] == SAMPLES
    assert sum(status["states"].values()) == SAMPLES


def push_forever_once(daemon: LocalDaemon, version: int) -> None:
    with daemon.client("p") as pusher:
        pusher.push(probs=projects.probabilities(SAMPLES, seed=version), model_version=version)
        pusher.push(embeddings=projects.vectors(SAMPLES, seed=version))


def test_killed_while_committing(own_daemon, client):
    """Commits and grants whose reply may be lost: the client asks again and has them once."""
    done = threading.Event()

    def commit() -> None:
        with own_daemon.client("p") as own:
            for _ in range(60):
                own.next_batch(count=5, strategy="random")
                own.grant(1)
        done.set()

    thread = threading.Thread(target=commit)
    thread.start()
    seen = 0
    for event in client.follow(since=0, timeout_s=30):
        seen += event["kind"] == "batch.published"
        if seen in (10, 25, 40):
            seen += 1
            own_daemon.kill()
            own_daemon.start()
        if seen > 41:
            break
    thread.join(60)
    assert done.is_set()
    status = client.status()
    assert status["batches"] == 60 and status["states"]["reserved"] == 300
    assert projects.money_adds_up(client)["granted"] == 1_060_000_000


def test_leases_outlive_the_daemon(own_daemon, client):
    client.next_batch(count=3, strategy="random")
    kept, _ = client.lease("w", count=2, lease_s=60)
    (short,) = client.lease("v", lease_s=0.1)
    own_daemon.kill()
    own_daemon.start()
    assert kept.submit("cat")["settled"]
    event = next(event for event in client.follow(since=0, timeout_s=30) if event["kind"] == "item.released")
    assert event["slot"] == short.slot and event["cause"] == "expired"


def test_sigterm_under_load_is_clean(own_daemon, client):
    client.next_batch(count=1_000, strategy="random")
    crew = Crew(own_daemon, "p")
    for _ in range(2):
        crew.wait_for(100)
        assert own_daemon.terminate() == 0
        own_daemon.start()
        assert client.verify()["clean"]
    crew.wait_for(100)
    crew.end()
    check_labels(client, crew.acknowledged)


def test_no_daemon_no_answer(own_daemon):
    own_daemon.terminate()
    with own_daemon.client("p", timeout=0.3) as client, pytest.raises(Timeout):
        client.daemon_status()


def test_two_daemons_do_not_share_a_store(own_daemon, program):
    second = LocalDaemon(program, own_daemon.store)
    with pytest.raises(RuntimeError, match="did not start"):
        second.start()
