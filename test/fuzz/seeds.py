"""Writes the conformance vectors as seeds for the fuzz targets: python test/fuzz/seeds.py BUILD/fuzz"""

from __future__ import annotations

import json
import pathlib
import sys

VECTORS = pathlib.Path(__file__).parents[1] / "conformance" / "vectors.json"


def main() -> None:
    requests = pathlib.Path(sys.argv[1]) / "fuzz_request.corpus"
    replies = pathlib.Path(sys.argv[1]) / "fuzz_reply.corpus"
    requests.mkdir(parents=True, exist_ok=True)
    replies.mkdir(parents=True, exist_ok=True)
    for vector in json.loads(VECTORS.read_text(encoding="utf-8")):
        # The first byte says into how many frames the rest is cut; 0: into one.
        (requests / vector["name"]).write_bytes(b"\0" + bytes.fromhex(vector["request_hex"]))
        (replies / vector["name"]).write_bytes(bytes.fromhex(vector["reply_hex"]))


if __name__ == "__main__":
    main()
