"""A disk that fails or is slow on demand, through fail_writes.c."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Disk:
    """What of the daemon's writes fails now, or how long a sync takes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, call: str, error: int) -> None:
        self._say(f"{call} {error}")

    def slow_down(self, milliseconds: int) -> None:
        """Let each sync take this long."""
        self._say(f"slow {milliseconds}")

    def mend(self) -> None:
        self.path.unlink()

    def _say(self, line: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(line + "\n")
        new.rename(self.path)


def build_shim(folder: Path) -> Path:
    """Compile fail_writes.c, to be preloaded."""
    path = folder / "fail_writes.so"
    source = Path(__file__).with_name("fail_writes.c")
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-std=c17", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", path, source], check=True)
    return path
