"""The recorded requests and replies, in Python: the bytes are what the readable form says, and a daemon still answers so."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from typing import Any

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

from readable import from_readable, mask, to_readable  # noqa: E402
from real_daemon import Connection, decode, running  # noqa: E402
from script import steps  # noqa: E402

VECTORS: list[dict[str, Any]] = json.loads((HERE / "vectors.json").read_text(encoding="utf-8"))
BUILD = pathlib.Path(os.environ.get("CURATED_BUILD", HERE.parent.parent / "build"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_bytes_are_what_is_written(vector: dict[str, Any]) -> None:
    for side in ("request", "reply"):
        decoded = decode(bytes.fromhex(vector[f"{side}_hex"]))
        assert to_readable(decoded) == vector[side]
        assert from_readable(vector[side]) == decoded


def test_vectors_are_those_of_the_script() -> None:
    assert [vector["name"] for vector in VECTORS] == [name for name, _, _ in steps()]


def test_every_operation_has_a_good_reply() -> None:
    protocol = (HERE.parent.parent / "docs" / "protocol.md").read_text(encoding="utf-8")
    section = protocol.split("## 5. Operations")[1].split("## 6.")[0]
    words = {line.split("**")[1] for line in section.splitlines() if line.startswith("**")}
    words |= {"BATCH.COMMIT"}  # explained in one paragraph with PLAN
    good = {vector["op"] for vector in VECTORS if vector["reply"]["ok"]}
    assert words <= good


def test_a_daemon_answers_as_recorded() -> None:
    different = []
    with running(BUILD / "curated") as address:
        connection = Connection(address)
        for vector in VECTORS:
            frames = [bytes.fromhex(frame) for frame in vector["frames_hex"]]
            reply = connection.exchange([bytes.fromhex(vector["request_hex"]), *frames])
            got, expected = mask(to_readable(decode(reply))), mask(vector["reply"])
            if got != expected:
                different.append((vector["name"], expected, got))
        connection.close()
    for name, expected, got in different:
        print(f"{name}\n  recorded {expected}\n  now      {got}")
    assert not different
