"""What must hold of a daemon whatever a test did to it."""

from __future__ import annotations

from curated import LocalDaemon


def check(daemon: LocalDaemon) -> None:
    """The daemon lives and its records agree with each other."""
    assert daemon.alive(), "\n".join(daemon.log)
    with daemon.client() as client:
        result = client.verify()
        assert result["clean"], result["problems"]
