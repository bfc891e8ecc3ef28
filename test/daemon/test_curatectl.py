"""curatectl against a real daemon: what it prints, what it exits with, and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import projects
import pytest
import zmq
from curated import Client, LocalDaemon

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def program_ctl(build: Path) -> Path:
    return build / "curatectl"


def environment(daemon: LocalDaemon, project: str) -> dict[str, str]:
    return {
        **os.environ,
        "CURATED_REQUESTS": daemon.requests,
        "CURATED_EVENTS": daemon.events,
        "CURATED_PROJECT": project,
        "TZ": "UTC",
    }


@pytest.fixture
def ctl(program_ctl: Path, daemon: LocalDaemon, project: str) -> Run:
    """Runs a command and checks its exit code."""

    def run(*words: str, code: int = 0, text: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program_ctl, *words], env=environment(daemon, project), input=text, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


@pytest.fixture
def filled(ctl: Run) -> Run:
    """A project with money and ten samples."""
    ctl("project", "create", "-c", "cat,dog", "--price", "0.08", "--seed", "3")
    ctl("grant", "2.5", "-n", "pilot")
    ctl("add", "-", text="".join(f"{i}.jpg\n" for i in range(10)))
    return ctl


def test_a_round(filled: Run, project: str) -> None:
    ctl = filled
    assert as_json(ctl("plan", "-n", "4", "-s", "random", "-j"))["items"] == 4
    assert re.search(r"cost, \$ +0\.32", ctl("plan", "-n", "4", "-s", "random").stdout)
    committed = as_json(ctl("next", "-b", "0.40", "-s", "random", "-j"))
    assert committed["cost_microusd"] == 400_000
    assert "open" in ctl("batch", "1").stdout
    assert len(as_json(ctl("batch", "1", "--from", "1", "--limit", "2", "-j"))["list"]) == 2

    lease = as_json(ctl("lease", "-w", "ada", "-j"))["leases"][0]
    slot, number = str(lease["slot"]), str(lease["lease"])
    assert "held until" in ctl("touch", "-w", "ada", slot, number, "--for", "5m").stdout
    assert "$0.08 charged" in ctl("submit", "-w", "ada", slot, number, "dog").stdout
    ctl("submit", "-w", "ada", slot, number, "cat", code=5)
    assert re.search(rf"{lease['key']} +dog +yes +0\.08 +1 ada", ctl("labels").stdout)
    assert as_json(ctl("labels", "-j"))["labels"] == [1]

    table = ctl("lease", "-w", "ada", "-n", "2").stdout.splitlines()
    (slot, number), (slot2, number2) = (line.split()[:2] for line in table[1:])
    assert "reserved" in ctl("skip", "-w", "ada", slot, number, "too dark").stdout
    assert "reserved" in ctl("release", "-w", "ada", slot2, number2).stdout
    ctl("touch", "-w", "ada", slot2, number2, code=7)

    assert "policy" in ctl("explain", lease["key"]).stdout
    assert as_json(ctl("explain", "--slot", str(lease["slot"]), "-j"))["batch"] == 1
    assert "the same 5 items" in ctl("replay", "1").stdout
    assert "4 items went back" in ctl("cancel", "1").stdout
    assert "nothing waits" in ctl("lease", "-w", "bob", code=16).stderr
    assert as_json(ctl("lease", "-w", "bob", "-j", code=16))["leases"] == []

    budget = as_json(ctl("budget", "-j"))
    assert budget["spent_microusd"] == 80_000
    assert budget["available_microusd"] == 2_420_000
    assert re.search(r"available, \$ +2\.42\n", ctl("budget").stdout)
    kinds = [entry["kind"] for entry in as_json(ctl("ledger", "-j"))["entries"]]
    assert kinds[:3] == ["grant", "reserve", "charge"] and set(kinds[3:]) == {"release"}
    assert "pilot" in ctl("ledger").stdout
    status = ctl("status").stdout
    assert project in status and re.search(r"labeled +1\n", status)


def test_money_is_exact(filled: Run) -> None:
    assert "$2.500001 available" in filled("grant", "0.000001").stdout
    assert "$2.00 available" in filled("grant", "--", "-0.500001").stdout
    for wrong in ("0.0000001", "1e3", "five", "1,50"):
        assert "dollars" in filled("grant", wrong, code=1).stderr
    filled("grant", "0", code=3)
    assert "available" in filled("next", "-b", "100", code=6).stderr


def test_samples_and_imports(filled: Run, tmp_path: Path) -> None:
    ctl = filled
    csv = tmp_path / "labels.csv"
    csv.write_text('key,label\n0.jpg,cat\r\n"1.jpg","dog"\n')
    assert ctl("import", str(csv), "--source", "archive").stdout == "2 imported, 0 unchanged\n"
    assert as_json(ctl("import", "-", "-j", text="0.jpg,cat\n")) == {"imported": 0, "unchanged": 1}
    assert "line 2" in ctl("import", "-", text="0.jpg,cat\n1.jpg\n", code=15).stderr
    ctl("import", "-", text="0.jpg,cow\n", code=4)
    ctl("import", str(tmp_path / "missing"), code=15)
    assert "archive" in ctl("labels").stdout
    rows = as_json(ctl("sample", "0.jpg", "9.jpg", "-j"))["samples"]
    assert [row["state"] for row in rows] == ["labeled", "pool"]
    assert ctl("drop", "8.jpg", "9.jpg").stdout == "2 dropped\n"
    assert ctl("add", "10.jpg").stdout == "1 created\n"
    ctl("drop", "nobody", code=4)


def test_chosen_by_hand(filled: Run, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("7.jpg\n3.jpg\n")
    filled("next", "--only", str(keys))
    assert [item["key"] for item in as_json(filled("batch", "1", "-j"))["list"]] == ["7.jpg", "3.jpg"]
    filled("next", "-n", "1", "-s", "random", "--include", "-", text="5.jpg\n")
    assert as_json(filled("batch", "2", "-j"))["list"][0]["key"] == "5.jpg"


def test_parameters_of_a_strategy(ctl: Run, client: Client) -> None:
    projects.create(client, samples=40, usd=100)
    client.push(embeddings=projects.vectors(40))
    values = {"neighbors": 3, "clusters": 4, "margin_pool": 2, "radius": 50.0, "class_sought": "owl"}
    values |= {"purity": 0.9, "redundancy": 2.0, "outlier_share": 0.1, "power": 0.5}
    options = [word for name, value in values.items() for word in ("--parameter", f"{name}={value}")]
    for strategy in ("typiclust", "cluster_margin", "kcenter_robust", "graph_cut", "density", "search"):
        expected = client.plan(count=10, strategy=strategy, parameters=values).keys
        chosen = as_json(ctl("plan", "-n", "10", "-s", strategy, *options, "-j"))
        assert [item["key"] for item in chosen["picks"]] == expected, strategy
        assert expected != client.plan(count=10, strategy=strategy).keys, f"{strategy}: they change nothing"
    wide = ("-n", "10", "-s", "coverage", "--parameter=radius=1", "--parameter=radius=50")
    assert as_json(ctl("plan", *wide, "-j"))["stats"]["radius"] == pytest.approx(50), "the last one counts"
    assert as_json(ctl("next", *wide, "-j"))["batch"] == 1
    assert "the same 10 items" in ctl("replay", "1").stdout

    for wrong in ("neighbours=5", "neighbors", "neighbors=", "=5", ""):
        assert f"class_sought, got '{wrong}'" in ctl("plan", "-n", "1", "--parameter", wrong, code=1).stderr
    told = ctl("plan", "-n", "1", "--parameter", "neighbors=few", code=1).stderr
    assert "--parameter: neighbors: expected a whole number, got 'few'" in told
    assert "purity: expected a number" in ctl("plan", "-n", "1", "--parameter", "purity=0.9x", code=1).stderr
    assert "neighbors: expected" in ctl("plan", "-n", "1", "--parameter", "neighbors=0", code=3).stderr
    too_many = ctl("plan", "-n", "1", "-s", "outlier", "--parameter", "neighbors=129", code=3).stderr
    assert "neighbors: expected at most 128, got 129" in too_many
    assert "class of the project" in ctl("plan", "-n", "1", "--parameter", "class_sought=unicorn", code=4).stderr


def test_every_parameter_of_the_protocol_can_be_set(ctl: Run) -> None:
    root = Path(__file__).resolve().parents[2]
    told = ctl("plan", "--parameter", "?", code=1).stderr
    named = re.search(r"one of (.*), got", told)
    assert named is not None
    row = next(line for line in (root / "docs" / "protocol.md").read_text().splitlines() if line.startswith("| `parameters?`"))
    names = re.findall("`([a-z_]+)`", row)
    assert named[1].split(", ") == names and len(names) == 9
    completed = re.search(r"compgen -W '(neighbors=[^']*)'", (root / "clients/curatectl/completion.bash").read_text())
    assert completed is not None and completed[1].split() == [f"{name}=" for name in names]


def test_settings(ctl: Run, project: str) -> None:
    create = ("project", "create", "-c", "cat,dog", "--price", "0.08")
    assert "created" in ctl(*create).stdout
    assert "exists already" in ctl(*create).stdout
    ctl("project", "create", "-c", "cat", "--price", "0.09", code=5)
    ctl(
        "project",
        "set",
        "--lease",
        "90s",
        "--keep-junk",
        "on",
        "--excluded-tags",
        "night,rain",
        "--type-prices",
        '{"box": 500000}',
    )
    settings = as_json(ctl("project", "get", "-j"))
    assert settings["lease_ms"] == 90_000
    assert settings["keep_junk"] is True
    assert settings["excluded_tags"] == ["night", "rain"]
    assert settings["type_prices_microusd"] == {"box": 500_000}
    ctl("project", "set", "--type-prices", "{", code=1)
    ctl("project", "set", "--overlap", "16", code=3)
    assert project in ctl("project", "list").stdout.split()
    assert as_json(ctl("project", "get", project, "-j", "-p", "ignored"))["seed"] == 0


def test_daemon_commands(ctl: Run) -> None:
    assert as_json(ctl("status", "--all", "-j"))["draining"] is False
    assert "log_level" in ctl("config").stdout
    ctl("snapshot", "by-hand")
    ctl("snapshot", "by-hand", code=5)
    ctl("drain", "on")
    try:
        assert re.search(r"draining +yes", ctl("status", "-a").stdout)
        ctl("project", "create", "-c", "a", "--price", "1")
        ctl("lease", "-w", "w", "--timeout", "300ms", code=10)
    finally:
        ctl("drain", "off")
    assert re.search(r"clean +yes", ctl("verify", "--all").stdout)
    ctl("model", "activate", "3", code=4)


@pytest.mark.parametrize(
    ("command", "good", "bad"),
    [
        ("verify", {"clean": True, "problems": [], "checked": {}}, {"clean": False, "problems": ["x"], "checked": {}}),
        ("replay", {"same": True, "items": 3, "first_difference": -1}, {"same": False, "items": 3, "first_difference": 1}),
    ],
)
def test_what_differs_has_its_exit_code(program_ctl: Path, command: str, good: dict[str, Any], bad: dict[str, Any]) -> None:
    """A daemon never differs from its own records, so this one is made up."""
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.rcvtimeo = 30_000
    port = router.bind_to_random_port("tcp://127.0.0.1")
    words = [command, "1"] if command == "replay" else [command]
    for reply, code in ((good, 0), (bad, 17)):
        for options in ([], ["--json"]):
            line = [program_ctl, f"--requests=tcp://127.0.0.1:{port}", "--project=p", *options, *words]
            asking = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
            peer, request = router.recv_multipart()
            router.send_multipart([peer, msgpack.packb({"v": 1, "id": msgpack.unpackb(request)["id"], "ok": True, **reply})])
            told, _ = asking.communicate(timeout=60)
            assert asking.returncode == code, (reply, options)
            assert not options or json.loads(told) == reply
    router.close(linger=0)


def test_status_shows_what_is_computed(program_ctl: Path, ctl: Run) -> None:
    assert re.search(r"computing +nothing", ctl("status", "-a").stdout)
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.rcvtimeo = 30_000
    port = router.bind_to_random_port("tcp://127.0.0.1")
    asking = subprocess.Popen(
        [program_ctl, f"--requests=tcp://127.0.0.1:{port}", "status", "-a"], stdout=subprocess.PIPE, text=True
    )
    peer, request = router.recv_multipart()
    reply = {"v": 1, "id": msgpack.unpackb(request)["id"], "ok": True, "planner": {"task": 7, "op": "PLAN", "done": 0.25}}
    router.send_multipart([peer, msgpack.packb(reply)])
    told, _ = asking.communicate(timeout=60)
    router.close(linger=0)
    assert re.search(r"computing +PLAN, task 7, 25 % done", told)


def test_usage(ctl: Run, program_ctl: Path) -> None:
    assert "there is no command 'frobnicate'" in ctl("frobnicate", code=1).stderr
    assert "--worker is missing" in ctl("lease", code=1).stderr
    assert "SLOT is missing" in ctl("release", "-w", "w", code=1).stderr
    assert "one argument too many" in ctl("budget", "please", code=1).stderr
    ctl("plan", "--no-such-option", code=1)
    ctl(code=1)
    assert "Commands:" in ctl("--help").stdout
    assert "curatectl" in ctl("--version").stdout
    bare = subprocess.run([program_ctl, "budget"], env={}, capture_output=True, text=True)
    assert bare.returncode == 1 and "which project" in bare.stderr


def test_every_command_is_in_the_manual(ctl: Run) -> None:
    root = Path(__file__).resolve().parents[2]
    listed = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", ctl("--help").stdout.split("Commands:")[1], re.M)
    manual = (root / "docs" / "man" / "curatectl.1").read_text()
    described = set(re.findall(r"^\.It Cm ((?:project |model )?[a-z]+)", manual, re.M))
    assert len(listed) > 25
    assert set(listed) == described


def test_errors_say_what_and_what_to_do(ctl: Run, program_ctl: Path) -> None:
    done = ctl("status", "-p", "nobody", code=4)
    assert "nobody" in done.stderr and "project list" in done.stderr
    error = as_json(ctl("status", "-p", "nobody", "-j", code=4))["error"]
    assert error["code"] == "not_found" and error["field"] == "project" and error["got"] == "nobody"
    start = time.monotonic()
    silent = subprocess.run(
        [program_ctl, "--requests=tcp://127.0.0.1:9", "--timeout=400ms", "status"], env={}, capture_output=True, text=True
    )
    assert silent.returncode == 2 and "nothing accepts connections" in silent.stderr
    assert time.monotonic() - start < 5
    wrong = subprocess.run([program_ctl, "-r", "nonsense", "status"], env={}, capture_output=True, text=True)
    assert wrong.returncode == 1 and "nonsense" in wrong.stderr


def test_follows_events(filled: Run, program_ctl: Path, daemon: LocalDaemon, project: str) -> None:
    before = [json.loads(line) for line in filled("events", "-j").stdout.splitlines()]
    assert [event["seq"] for event in before] == list(range(1, len(before) + 1))
    assert "budget.granted amount=$2.50" in filled("events", "--limit", "1").stdout
    follower = subprocess.Popen(
        [program_ctl, "events", "--follow", "-j"], env=environment(daemon, project), stdout=subprocess.PIPE, text=True
    )
    try:
        assert follower.stdout
        seen = [json.loads(follower.stdout.readline()) for _ in before]
        assert seen == before
        for _ in range(20):
            filled("grant", "1")
        assert [json.loads(follower.stdout.readline())["seq"] for _ in range(20)] == list(
            range(len(before) + 1, len(before) + 21)
        )
    finally:
        follower.terminate()
        follower.wait(timeout=10)


def test_watches(filled: Run, program_ctl: Path, daemon: LocalDaemon, project: str) -> None:
    watcher = subprocess.Popen(
        [program_ctl, "status", "--every", "50ms"], env=environment(daemon, project), stdout=subprocess.PIPE, text=True
    )
    try:
        assert watcher.stdout
        shown = 0
        while shown < 3:
            shown += watcher.stdout.readline().startswith("project ")
    finally:
        watcher.kill()
        watcher.wait(timeout=10)


def test_verifies_a_stopped_store(own_daemon: LocalDaemon, program_ctl: Path) -> None:
    subprocess.run(
        [program_ctl, "project", "create", "-c", "a", "--price", "1"], env=environment(own_daemon, "offline"), check=True
    )
    assert own_daemon.stop() == 0
    done = subprocess.run([program_ctl, "verify", "--store", own_daemon.store, "-j"], env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["checked"]["projects"] == 1
    missing = subprocess.run([program_ctl, "verify", "--store", "/nowhere"], env={}, capture_output=True, text=True)
    assert missing.returncode == 15 and "there is no store" in missing.stderr


def test_samples_named_by_lines(filled: Run) -> None:
    """`sample -` promised what `add -` does, and looked for a sample named -."""
    told = as_json(filled("sample", "-", "-j", text="1.jpg\r\n2.jpg\n"))
    assert [sample["key"] for sample in told["samples"]] == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize("text", ["b1\0x\n", "b1\nb2\0\n"])
def test_lines_with_nul_are_no_keys(filled: Run, text: str) -> None:
    """A line was cut at its NUL: another key was registered."""
    before = as_json(filled("status", "-j"))["samples"]
    assert "NUL" in filled("add", "-", text=text, code=15).stderr
    assert as_json(filled("status", "-j"))["samples"] == before


def test_an_empty_address_is_none(ctl: Run) -> None:
    """`-r "$UNSET"` spoke to the daemon at the default address."""
    for option in ("-r", "-e"):
        assert "expected an address" in ctl(option, "", "status", "-a", code=1).stderr
        assert "expected an address" in ctl("status", "-a", option, "", code=1).stderr


def test_limits_of_events(filled: Run) -> None:
    for limit in ("0", "-1"):
        assert "--limit" in filled("events", "--limit", limit, code=1).stderr
    assert filled("events", "--limit", "150000").stdout.count("\n") == 1
    assert "--since" in filled("events", "--follow", "--since=-5", code=1).stderr


def test_a_byte_order_mark_belongs_to_no_key(filled: Run) -> None:
    """What Excel writes: the first key had it at its beginning, and a heading was no heading."""
    filled("add", "-", text="\ufeffmarked.jpg\n")
    assert as_json(filled("sample", "marked.jpg", "-j"))["samples"][0]["slot"] == 10
    assert as_json(filled("import", "-", "-j", text="\ufeffkey,label\nmarked.jpg,dog\n")) == {"imported": 1, "unchanged": 0}
    assert as_json(filled("import", "-", "-j", text='\ufeff"0.jpg","cat"\n')) == {"imported": 1, "unchanged": 0}
