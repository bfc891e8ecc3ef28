"""The examples do what they say, started as their README says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import projects
import pytest
from curated import LocalDaemon

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def python(name: str, daemon: LocalDaemon, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(EXAMPLES / name), "--requests", daemon.requests, "--events", daemon.events, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def output_of(process: subprocess.Popen[str]) -> str:
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, output
    return output


@pytest.fixture
def label_command(tmp_path: Path) -> str:
    """A command that answers with some digit for the trainer's pool, and with "cat" for any other key."""
    script = tmp_path / "label"
    script.write_text("#!/bin/sh\ncase $1 in digit-*) echo $(( ${1#digit-} % 10 ));; *) echo cat;; esac\n")
    script.chmod(0o755)
    return str(script)


def test_trainer_and_worker(daemon, project, label_command):
    worker = python("worker.py", daemon, "--project", project, "--worker", "w1", "--command", label_command)
    trainer = python("trainer.py", daemon, "--project", project, "--usd", "6", "--round-usd", "2")
    try:
        told = output_of(trainer)
    finally:
        worker.kill()
        worker.communicate()
    assert told.count("batch ") == 3 and "model 3: 75 labels" in told and "spent $6.00" in told


def test_worker_says_what_it_earned(client, daemon, project, label_command):
    projects.create(client, samples=10)
    client.next_batch(count=4)
    command = ["--project", project, "--worker", "w", "--command", label_command, "--limit", "4"]
    assert "w: $0.40" in output_of(python("worker.py", daemon, *command))
    assert client.budget()["spent_usd"] == 0.4


def test_events(client, daemon, project):
    projects.create(client, samples=10)
    client.next_batch(count=4)
    printer = python("events.py", daemon, "--project", project, "--since", "0", "--timeout", "3")
    assert printer.stdout is not None
    heard = [json.loads(printer.stdout.readline())["kind"] for _ in range(3)]
    projects.answer_all(client)
    heard += [json.loads(line)["kind"] for line in output_of(printer).splitlines()]
    assert heard == [event["kind"] for event in client.events()]


def test_worker_as_a_shell_script(client, daemon, project, build, label_command):
    curatectl = build / "curatectl"
    if not curatectl.exists() or not shutil.which("jq"):
        pytest.skip("curatectl is not built, or there is no jq")
    projects.create(client, samples=10)
    client.next_batch(count=4)
    environment = {**os.environ, "CURATECTL": str(curatectl), "CURATED_REQUESTS": daemon.requests}
    result = subprocess.run(
        [str(EXAMPLES / "worker.sh"), project, "ben", label_command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert client.status()["states"]["labeled"] == 4


def test_short_demo(build, program, tmp_path):
    """The demo in small, its daemon killed half-way: it goes on, ends clean, and leaves nothing running."""
    (tmp_path / "curated").symlink_to(program.resolve())
    command = [sys.executable, str(EXAMPLES / "demo" / "demo.py"), "--build", str(tmp_path), "--short", "--kill"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["verify"] == "clean" and {run["strategy"] for run in summary["runs"]} == {"auto", "random"}
    for run in summary["runs"]:
        assert len(run["curve"]) == 4 and 0 < run["dollars"] <= 48
    assert (tmp_path / "demo" / "demo.png").stat().st_size > 10_000
    assert result.stdout.count("started again") == 2
    assert not processes_that_mention(str(tmp_path))


def processes_that_mention(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found


def test_selection_without_a_daemon():
    told = output_of(subprocess.Popen([sys.executable, str(EXAMPLES / "without_daemon.py")], stdout=subprocess.PIPE, text=True))
    assert "for $4.00" in told and "typiclust" in told and "with rules: 40 images, 10 that look like a six, at most 3" in told
