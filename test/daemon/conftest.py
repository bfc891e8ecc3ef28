"""Fixtures: a real daemon on free ports with a store of its own, and clients of it.

Whatever a test does, at its end VERIFY must find nothing and the daemon must still live; when it is stopped, its exit
status must be 0.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from curated import Client, LocalDaemon
from disk import Disk, build_shim
from raw import Raw
from verify import check

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CURATED_BUILD", ROOT / "build"))
_projects = itertools.count(1)


@pytest.fixture(scope="session")
def build() -> Path:
    return BUILD


@pytest.fixture(scope="session")
def program() -> Path:
    path = BUILD / "curated"
    assert path.exists(), f"{path} is not built; run make first"
    return path


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shim(tmp_path_factory.mktemp("preload"))


@pytest.fixture
def disk(shim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Daemons that start from now on write to this disk."""
    path = tmp_path / "fail"
    monkeypatch.setenv("LD_PRELOAD", str(shim))
    monkeypatch.setenv("CURATED_TEST_FAIL", str(path))
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    return Disk(path)


@pytest.fixture(scope="module")
def shared_daemon(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDaemon]:
    daemon = LocalDaemon(program, tmp_path_factory.mktemp("store")).start()
    yield daemon
    assert daemon.stop() == 0, "\n".join(daemon.log)


@pytest.fixture
def daemon(shared_daemon: LocalDaemon) -> Iterator[LocalDaemon]:
    """The module's daemon. Tests that stop, kill or drain one use `own_daemon`."""
    yield shared_daemon
    check(shared_daemon)


@pytest.fixture
def own_daemon(program: Path, tmp_path: Path) -> Iterator[LocalDaemon]:
    daemon = LocalDaemon(program, tmp_path / "store").start()
    yield daemon
    if daemon.alive():
        check(daemon)
        assert daemon.stop() == 0, "\n".join(daemon.log)


@pytest.fixture
def project() -> str:
    """A name that no other test uses."""
    return f"p{next(_projects)}"


@pytest.fixture
def client(daemon: LocalDaemon, project: str) -> Iterator[Client]:
    with daemon.client(project) as client:
        yield client


@pytest.fixture
def raw(daemon: LocalDaemon) -> Iterator[Raw]:
    raw = Raw(daemon.requests)
    yield raw
    raw.close()
