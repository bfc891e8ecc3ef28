"""A real daemon on a store of its own, for the conformance vectors."""

from __future__ import annotations

import contextlib
import pathlib
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import msgpack
import zmq


@contextlib.contextmanager
def running(program: pathlib.Path) -> Iterator[str]:
    """Starts the daemon, gives its address for requests, and stops it."""
    with tempfile.TemporaryDirectory(prefix="curated-") as folder:
        # The store's path is relative, so that it is the same in every run's replies.
        process = subprocess.Popen(
            [str(program.resolve()), "--store=store", "--requests=tcp://127.0.0.1:*", "--events=tcp://127.0.0.1:*"],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        said: list[str] = []
        try:
            address = None
            for line in process.stderr:
                said.append(line)
                found = re.search(r"msg=ready requests=(\S+)", line)
                if found:
                    address = found.group(1)
                    break
            if not address:
                raise RuntimeError("the daemon did not start: " + "".join(said))
            # Somebody must read what it logs from now on, or it would wait with a full pipe.
            reader = threading.Thread(target=process.stderr.read, daemon=True)
            reader.start()
            yield address
        finally:
            process.terminate()
            process.wait(timeout=60)


class Connection:
    """One REQ socket; raw bytes out, raw bytes in."""

    def __init__(self, address: str) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.setsockopt(zmq.RCVTIMEO, 60000)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(address)

    def exchange(self, frames: list[bytes]) -> bytes:
        """Sends a request's frames and waits for the reply's one frame."""
        self.socket.send_multipart(frames)
        return self.socket.recv()

    def close(self) -> None:
        """Closes the socket."""
        self.socket.close()
        self.context.term()


def encode(message: dict[str, Any]) -> bytes:
    """A message's bytes, as Python's msgpack writes them."""
    packed = msgpack.packb(message)
    assert isinstance(packed, bytes)
    return packed


def decode(data: bytes) -> dict[str, Any]:
    """A message from its bytes."""
    message: dict[str, Any] = msgpack.unpackb(data)
    return message
