"""Requests to bytes and bytes to replies, as docs/protocol.md lays them down. No sockets here."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

VERSION = 1
MAX_SAMPLES_PER_REQUEST = 262_144
# With keys and labels of full length these make a request of 34 MB; the daemon takes 64 MiB.
KEYS_PER_REQUEST = 65_536

Frame = bytes | memoryview


class Request:
    """One encoded request. Sending the same object again is a safe retry: same id, same bytes."""

    __slots__ = ("frames", "id", "op")

    def __init__(self, op: str, id: str, frames: list[Frame]) -> None:
        self.op = op
        self.id = id
        self.frames = frames


class IdSource:
    """Idempotency keys that no other client makes, a forked or pickled one neither. Call it for the next one."""

    def __init__(self) -> None:
        self._renew()

    def __call__(self) -> str:
        """Return a new key."""
        if self._process != os.getpid():
            self._renew()
        return f"{self._prefix}-{next(self._numbers)}"

    def __reduce__(self) -> tuple[type[IdSource], tuple[()]]:
        return IdSource, ()

    def _renew(self) -> None:
        self._process = os.getpid()
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count(1)


def encode(op: str, id: str, project: str | None, fields: dict[str, Any]) -> Request:
    """Encode a request; numpy arrays among the fields, at any depth, become frames without being copied."""
    frames: list[Frame] = [b""]
    head: dict[str, Any] = {"v": VERSION, "id": id, "op": op}
    if project is not None:
        head["project"] = project
    for name, value in fields.items():
        if value is not None:
            head[name] = _detach(value, frames)
    frames[0] = msgpack.packb(head, use_bin_type=True)
    return Request(op, id, frames)


def _detach(value: Any, frames: list[Frame]) -> Any:
    if isinstance(value, dict):
        return {name: _detach(item, frames) for name, item in value.items() if item is not None}
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        return value
    array = np.ascontiguousarray(value)
    frames.append(array.reshape(-1).view(np.uint8).data)
    return {"dtype": dtype_name(array.dtype), "shape": list(value.shape), "frame": len(frames) - 1}


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return numpy's name of a dtype as the protocol writes it (little-endian)."""
    name = dtype.newbyteorder("<").str
    if name == "|b1":
        return "|u1"
    return name


def decode(payload: bytes) -> dict[str, Any]:
    """Decode a reply or event; arrays in it become numpy arrays."""
    message = msgpack.unpackb(payload, raw=False, strict_map_key=False)
    if not isinstance(message, dict):
        raise ValueError("a reply that is not a map")
    return {name: _attach(value) for name, value in message.items()}


def _attach(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"dtype", "shape", "data"}:
            return np.frombuffer(value["data"], dtype=value["dtype"]).reshape(value["shape"])
        return {name: _attach(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_attach(item) for item in value] if value and isinstance(value[0], dict | list) else value
    return value


def little_endian(array: Any, allowed: Sequence[str], fallback: str) -> NDArray[Any]:
    """Return `array` as is when the protocol takes its dtype, else converted to `fallback`."""
    if isinstance(array, np.ma.MaskedArray) and np.any(array.mask):
        raise ValueError("an array with masked values: fill them, or leave their rows out")
    result = np.asarray(array)
    if result.dtype.kind == "c":
        raise TypeError("complex numbers cannot be sent")
    if result.dtype == bool:
        result = result.view(np.uint8)
    return result if dtype_name(result.dtype) in allowed and result.dtype.isnative else result.astype(fallback)


def floats(array: Any) -> NDArray[Any]:
    """Return an array of floats in a width that the protocol takes: half floats stay, all else becomes single."""
    return little_endian(array, ("<f4", "<f2"), "<f4")


def samples_field(*, keys: Iterable[str] | None = None, slots: Any = None, first: int | None = None) -> dict[str, Any]:
    """Return the one field that names samples: by key, by slot, or as a run of slots from `first`."""
    if (keys is not None) + (slots is not None) + (first is not None) != 1:
        raise TypeError("name samples by exactly one of keys and slots")
    if keys is not None:
        return {"keys": key_list(keys)}
    if slots is not None:
        return {"slots": slot_array(slots)}
    return {"from": first}


def key_list(keys: Iterable[str]) -> list[str]:
    """Return keys as a list, refusing what would silently become other keys."""
    if isinstance(keys, str | bytes):
        raise TypeError("keys must be a sequence of str, not one str")
    names = list(keys)
    if any(isinstance(name, bytes) for name in names):
        raise TypeError("keys must be str, not bytes: decode them")
    return [str(name) for name in names]


def slot_array(slots: Any) -> NDArray[np.uint32]:
    """Return slots as the ``<u4`` array that the protocol takes, checking that they fit."""
    array = np.asarray(slots)
    if array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 0xFFFFFFFF):
        raise ValueError("slots must be integers from 0 to 2^32 - 1")
    return array.astype("<u4", copy=False).reshape(-1)
