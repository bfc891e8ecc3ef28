"""Between msgpack and the readable JSON of vectors.json.

JSON has no bytes: they are written as {"$hex": "..."}. An array {dtype, shape, data} is written as
{"$array": dtype, "shape": [...], "values": [...]}. A map whose own keys start with "$" does not occur in the protocol.
"""

from __future__ import annotations

import math
import struct
from typing import Any

FORMATS = {"<f4": "f", "<f2": "e", "<u4": "I", "<i4": "i", "<i8": "q", "<u2": "H", "|u1": "B"}


def array(dtype: str, shape: list[int], values: list[float]) -> dict[str, Any]:
    """An array field with its bytes in place."""
    return {"dtype": dtype, "shape": shape, "data": struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)}


def to_readable(value: Any) -> Any:
    """A decoded msgpack value as what JSON can hold."""
    if isinstance(value, bytes):
        return {"$hex": value.hex()}
    if isinstance(value, list):
        return [to_readable(element) for element in value]
    if isinstance(value, dict):
        if set(value) == {"dtype", "shape", "data"} and value["dtype"] in FORMATS and isinstance(value["data"], bytes):
            count = math.prod(value["shape"])
            values = struct.unpack(f"<{count}{FORMATS[value['dtype']]}", value["data"])
            return {"$array": value["dtype"], "shape": value["shape"], "values": list(values)}
        return {key: to_readable(element) for key, element in value.items()}
    return value


def from_readable(value: Any) -> Any:
    """The inverse of to_readable."""
    if isinstance(value, list):
        return [from_readable(element) for element in value]
    if isinstance(value, dict):
        if "$hex" in value:
            return bytes.fromhex(value["$hex"])
        if "$array" in value:
            return array(value["$array"], value["shape"], value["values"])
        return {key: from_readable(element) for key, element in value.items()}
    return value


# Fields whose values differ from run to run; a number stays a number of the same sign, a text a text.
VOLATILE = {
    "commits",
    "config",
    "created_ms",
    "deadline_ms",
    "kernels",
    "path",
    "requests",
    "time_ms",
    "uptime_ms",
    "version",
}

# Sentences for people: their wording is not part of the protocol.
PROSE = {"expected", "got", "message", "reason"}


def mask(value: Any, key: str = "") -> Any:
    """The value with what differs from run to run replaced, so that two runs can be compared.

    Floating-point numbers are rounded to six digits: kernels of different processors may round their last bits differently.
    """
    if key in VOLATILE | PROSE:
        if isinstance(value, dict) and "$array" in value:
            return {**value, "values": [0 for _ in value["values"]]}
        return mask_scalar(value)
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [mask(element, key) for element in value]
    if isinstance(value, dict):
        return {name: mask(element, name) for name, element in value.items()}
    return value


def mask_scalar(value: Any) -> Any:
    """A stand-in of the same type."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return 1 if value > 0 else 0
    if isinstance(value, str):
        return "*"
    return {} if isinstance(value, dict) else value
