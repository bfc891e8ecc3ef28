"""The ctypes structs against the header: the compiler says where each field is."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest
from curated import native, strategies

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Sizes by struct name, and offsets by struct.field, as the C compiler has them."""
    lines = ["#include <stdio.h>", "#include <stddef.h>", '#include "selector/strategy/select.h"', "int main(void) {"]
    for name, struct in native.STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        for field, *_ in struct._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof(struct {name}, {field}));')
    folder = tmp_path_factory.mktemp("layout")
    (folder / "layout.c").write_text("\n".join([*lines, "return 0; }"]))
    subprocess.run(["gcc", f"-I{ROOT}", str(folder / "layout.c"), "-o", str(folder / "layout")], check=True)
    output = subprocess.run([str(folder / "layout")], check=True, capture_output=True, text=True).stdout
    return {name: int(size) for name, size in map(str.split, output.splitlines())}


def test_structs_are_those_of_the_header(layout: dict[str, int]) -> None:
    for name, struct in native.STRUCTS.items():
        assert ctypes.sizeof(struct) == layout[name], name
        for field, *_ in struct._fields_:
            assert getattr(struct, field).offset == layout[f"{name}.{field}"], f"{name}.{field}"


def test_the_header_has_no_strategy_that_the_library_does_not_name() -> None:
    names = strategies()
    assert len(names) == len(set(names)) >= 28
    assert "unknown" not in names


def test_a_library_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "VERSION", native.VERSION + 1)
    native.library.cache_clear()
    with pytest.raises(ImportError, match="version"):
        native.library()
    monkeypatch.undo()
    native.library.cache_clear()
    native.library()


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATED_SELECT_LIBRARY", "/nowhere/libcurated-select.so")
    native.library.cache_clear()
    with pytest.raises(OSError, match="/nowhere"):
        native.library()
    monkeypatch.undo()
    native.library.cache_clear()
