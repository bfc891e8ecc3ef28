"""Writes vectors.json: runs every request of script.py against a real daemon and records both sides.

    python test/conformance/record.py --build build

Run it when the protocol changed, and read the difference: it is a change of the protocol.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

from readable import to_readable
from real_daemon import Connection, decode, encode, running
from script import Replies, steps

HERE = pathlib.Path(__file__).parent
EPOCH_LEAST = 1_600_000_000_000  # a length of time is less than this, a point in time more
EPOCH_FIXED = 1_715_904_000_000


def times_in(value: Any, key: str = "") -> set[int]:
    """Every point in time in a readable reply."""
    if isinstance(value, dict):
        inner = value["values"] if "$array" in value else None
        return (
            times_in(inner, key) if inner is not None else set().union(*(times_in(value[name], name) for name in value), set())
        )
    if isinstance(value, list):
        return set().union(*(times_in(element, key) for element in value), set())
    return {value} if key.endswith("_ms") and isinstance(value, int) and value > EPOCH_LEAST else set()


def with_fixed_times(reply: bytes) -> bytes:
    """The same bytes but for the points in time, which all become one."""
    for time in times_in(to_readable(decode(reply))):
        reply = reply.replace(b"\xcf" + time.to_bytes(8, "big"), b"\xcf" + EPOCH_FIXED.to_bytes(8, "big"))
        reply = reply.replace(time.to_bytes(8, "little"), EPOCH_FIXED.to_bytes(8, "little"))
    return reply


def record(address: str) -> list[dict[str, Any]]:
    """Plays the script and returns its vectors."""
    connection = Connection(address)
    replies: Replies = {}
    vectors = []
    for number, (name, fields, frames) in enumerate(steps()):
        own = fields(replies) if callable(fields) else fields
        message = {"v": 1, "id": f"id-{number}", **own}
        request = encode(message)
        reply = connection.exchange([request, *frames])
        replies[name] = decode(reply)
        fixed = with_fixed_times(reply)
        vectors.append(
            {
                "name": name,
                "op": message["op"],
                "request": to_readable(message),
                "request_hex": request.hex(),
                "frames_hex": [frame.hex() for frame in frames],
                "reply": to_readable(decode(fixed)),
                "reply_hex": fixed.hex(),
            }
        )
    connection.close()
    return vectors


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "vectors.json")
    arguments = parser.parse_args()
    with running(arguments.build / "curated") as address:
        vectors = record(address)
    lines = ",\n".join(json.dumps(vector, ensure_ascii=False, allow_nan=False) for vector in vectors)
    arguments.output.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(vectors)} vectors, {len({vector['op'] for vector in vectors})} operations")


if __name__ == "__main__":
    main()
