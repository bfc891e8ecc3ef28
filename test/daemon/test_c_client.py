"""The C library, called through its shared object."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import ClassVar

from curated import Client, LocalDaemon

URI_BYTES = 2048
SAMPLES = 50_000


class Options(ctypes.Structure):
    _fields_: ClassVar = [
        ("requests", ctypes.c_char_p),
        ("events", ctypes.c_char_p),
        ("timeout_ms", ctypes.c_int64),
        ("connect_ms", ctypes.c_int64),
        ("attempt_ms", ctypes.c_int64),
    ]


class Sample(ctypes.Structure):
    _fields_: ClassVar = [
        ("key", ctypes.c_char_p),
        ("uri", ctypes.c_char_p),
        ("group", ctypes.c_char_p),
        ("price_microusd", ctypes.c_int64),
    ]


def test_samples_with_long_uris(build: Path, daemon: LocalDaemon, client: Client, project: str) -> None:
    """50,000 of them are more than a message may have: the daemon hung up until the time-out."""
    client.create_project(classes=["a"], price_usd=1)
    library = ctypes.CDLL(build / "libcurated.so")
    library.curated_open.restype = ctypes.c_void_p
    library.curated_put_samples.restype = ctypes.c_bool
    library.curated_put_samples.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(Sample), ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p
    ]  # fmt: skip
    library.curated_close.argtypes = [ctypes.c_void_p]
    options = Options(requests=daemon.requests.encode(), timeout_ms=15_000)
    samples = (Sample * SAMPLES)(*(Sample(key=f"{number:0255}".encode(), uri=b"u" * URI_BYTES) for number in range(SAMPLES)))
    slots = (ctypes.c_uint32 * SAMPLES)()
    connection = library.curated_open(ctypes.byref(options), None)
    try:
        assert library.curated_put_samples(connection, project.encode(), samples, SAMPLES, slots, None)
    finally:
        library.curated_close(connection)
    assert list(slots) == list(range(SAMPLES))
    assert len(client.samples(slots=[SAMPLES - 1])[0]["uri"]) == URI_BYTES
