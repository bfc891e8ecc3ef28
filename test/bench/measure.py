"""Timing, the disk's own speed, and the lines that the bench prints."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TextIO

import numpy as np


class Recorder:
    """Prints each figure as a line of JSON, and writes it to a file.

    `ratio` is the baseline's time over ours: 2.0 is twice as quick as the baseline.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w")

    def emit(
        self, bench: str, case: str, seconds: float | None, baseline: str, baseline_seconds: float | None, **more: Any
    ) -> None:
        ratio = None if not baseline_seconds or not seconds else round(baseline_seconds / seconds, 4)
        line = {"bench": bench, "case": case, "seconds": rounded(seconds), "baseline": baseline}
        line |= {"baseline_seconds": rounded(baseline_seconds), "ratio": ratio}
        self.write(json.dumps(line | {name: rounded(value) for name, value in more.items()}))

    def write(self, line: str) -> None:
        print(line, flush=True)
        self._file.write(line + "\n")
        self._file.flush()


def rounded(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def seconds_of(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def median_seconds(action: Callable[[], Any], times: int = 3) -> float:
    return median(seconds_of(action) for _ in range(times))


def percentiles(latencies: list[float]) -> dict[str, float]:
    values = np.array(latencies) * 1000
    return {"p50_ms": float(np.percentile(values, 50)), "p99_ms": float(np.percentile(values, 99))}


def dd_seconds(folder: Path, size: int) -> float:
    """Time of `dd conv=fdatasync` of so many bytes to a new file in a folder."""
    target = folder / "dd.bin"
    block = 8 << 20
    command = ["dd", "if=/dev/zero", f"of={target}", f"bs={block}", f"count={-(-size // block)}", "conv=fdatasync"]
    seconds = seconds_of(lambda: subprocess.run(command, stderr=subprocess.DEVNULL, check=True))
    target.unlink()
    return seconds * size / (-(-size // block) * block)


def fsync_seconds(folder: Path, times: int = 300) -> list[float]:
    """Times of a 4 KiB write and fdatasync to a file in a folder, one after the other."""
    target = folder / "fsync.bin"
    handle = os.open(target, os.O_CREAT | os.O_WRONLY)
    os.pwrite(handle, bytes(4096 * times), 0)
    os.fsync(handle)
    latencies = []
    for number in range(times):
        started = time.perf_counter()
        os.pwrite(handle, bytes([number & 255]) * 4096, 4096 * number)
        os.fdatasync(handle)
        latencies.append(time.perf_counter() - started)
    os.close(handle)
    target.unlink()
    return latencies


def release_memory() -> None:
    """Give back what is kept for later use: it would hide what an action takes, and spare it the time to get it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def peak_of(action: Callable[[], Any]) -> float:
    """Run an action; by how many bytes at most this process's memory grew."""
    release_memory()
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM to VmRSS
    before = _status_bytes("VmRSS")
    action()
    return float(_status_bytes("VmHWM") - before)


def _status_bytes(name: str, pid: int | str = "self") -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))


def anonymous_memory(pid: int) -> int:
    """Bytes of memory of a process's own, the pages of mapped files not counted."""
    return _status_bytes("RssAnon", pid)
