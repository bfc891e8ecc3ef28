"""The configuration file: what is wrong in it stops the start, and says where."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('threads = "8";', "threads: expected an integer without quotes"),
        ("threads = 1.5;", "threads: expected an integer without quotes"),
        ("threads = 1025;", "threads: expected an integer from 0 to 1024, got 1025"),
        ("log_level = 3;", "log_level: expected a text in double quotes"),
        ("treads = 8;", "treads: there is no such key"),
        ("threads = ;", "syntax error"),
    ],
)
def test_a_wrong_line_is_named(program: Path, tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "curated.conf"
    path.write_text(f'# a store\nstore = "{tmp_path}/store";\n{line}\n')
    done = subprocess.run([program, f"--config={path}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and not (tmp_path / "store").exists()
    assert done.stderr == f"{path}:3: {told}\n"
