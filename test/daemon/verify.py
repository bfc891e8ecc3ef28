"""What must hold of a daemon whatever a test did to it."""

from __future__ import annotations

import time

from curated import Client, LocalDaemon


def check(daemon: LocalDaemon) -> None:
    """The daemon lives and its records agree with each other."""
    assert daemon.alive(), "\n".join(daemon.log)
    with daemon.client() as client:
        result = client.verify()
        assert result["clean"], result["problems"]


def rows_kept(client: Client) -> int:
    """The rows of all columns of the client's project."""
    return client.verify(client.session.project)["checked"]["rows"]


def wait_for_rows(client: Client, expected: int) -> None:
    """Columns go after the transaction that dropped their version."""
    for _ in range(1000):
        if rows_kept(client) == expected:
            return
        time.sleep(0.02)
    assert rows_kept(client) == expected
