"""The example worker in C, which knows nothing of the project but the protocol."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from curated import LocalDaemon


def ctl(build: Path, daemon: LocalDaemon, project: str, *words: str) -> str:
    command = [build / "curatectl", "-r", daemon.requests, "-p", project, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_answers_and_skips(build: Path, daemon: LocalDaemon, project: str) -> None:
    if not (build / "examples" / "worker").exists():
        pytest.skip("the examples are not built here")
    ctl(build, daemon, project, "project", "create", "-c", "cat,dog", "--price", "0.10")
    ctl(build, daemon, project, "grant", "1")
    ctl(build, daemon, project, "add", "a.jpg", "b.jpg", "c.jpg")
    ctl(build, daemon, project, "next", "-n", "3", "-s", "random")
    worker = subprocess.Popen(
        [build / "examples" / "worker", daemon.requests, project, "ada"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # An answer, a skip, and an answer with a class there is not; then it waits for more to do.
    assert worker.stdin and worker.stderr
    worker.stdin.write("dog\n\ncow\n")
    worker.stdin.flush()
    assert "cow" in worker.stderr.readline()
    worker.terminate()
    said, _ = worker.communicate(timeout=30)
    assert said.count(".jpg: ") == 3
    status = ctl(build, daemon, project, "status", "--json")
    assert '"spent_microusd": 100000' in status
    assert '"labeled": 1' in status
