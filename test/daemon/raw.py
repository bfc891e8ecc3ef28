"""Requests put together by hand, byte by byte where need be: what the client package would never send."""

from __future__ import annotations

import itertools
from typing import Any

import msgpack
import numpy as np
import zmq

REPLY_MS = 30_000
_numbers = itertools.count(1)


def array(values: Any, dtype: str) -> dict[str, Any]:
    """An array field with its bytes inside."""
    data = np.asarray(values, dtype=dtype)
    return {"dtype": data.dtype.str, "shape": list(data.shape), "data": data.tobytes()}


def head(op: str, project: str | None = None, **fields: Any) -> dict[str, Any]:
    """The map of a request with a new id. A field's trailing underscore is dropped (``from_``)."""
    result: dict[str, Any] = {"v": 1, "id": f"raw-{next(_numbers)}", "op": op}
    if project is not None:
        result["project"] = project
    result.update({name.rstrip("_"): value for name, value in fields.items()})
    return result


class Raw:
    """A DEALER that sends what it is given and waits for one reply."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(address)

    def close(self) -> None:
        self.socket.close(linger=0)

    def send(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames)

    def receive(self) -> dict[str, Any]:
        assert self.socket.poll(REPLY_MS), "the daemon did not answer"
        frames = self.socket.recv_multipart()
        assert len(frames) == 1, "a reply is one frame"
        return msgpack.unpackb(frames[0], raw=False)

    def exchange(self, *frames: bytes) -> dict[str, Any]:
        self.send(*frames)
        return self.receive()

    def call(self, op: str, project: str | None = None, frames: tuple[bytes, ...] = (), **fields: Any) -> dict[str, Any]:
        request = head(op, project, **fields)
        reply = self.exchange(msgpack.packb(request), *frames)
        assert reply["id"] == request["id"]
        return reply
