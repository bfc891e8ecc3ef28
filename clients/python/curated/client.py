"""The client: everything a training loop, a worker or an operator asks of the daemon, in one object."""

from __future__ import annotations

from .connection import Session
from .operating import Operating
from .selection import Selecting
from .training import Training
from .working import Working

DEFAULT_REQUESTS = "tcp://127.0.0.1:7811"


class Client(Training, Selecting, Working, Operating):
    """A client of one project of a curated daemon.

    Cheap to make: it connects at the first call. A client belongs to one thread and one process; give each its own.
    Every call retries safely: when the connection breaks, or nothing comes, the same request is sent again under the
    same id, which the daemon applies once.

    Parameters
    ----------
    requests : str
        Address of the daemon's request socket.
    project : str, optional
        The project that the calls are about.
    events : str, optional
        Address of the daemon's event socket; by default the requests' port + 1.
    timeout : float
        Seconds until a call raises `Timeout`, retries included.

    Examples
    --------
    >>> client = Client("tcp://127.0.0.1:7811", project="demo")  # doctest: +SKIP
    >>> client.create_project(classes=["cat", "dog"], price_usd="0.08")  # doctest: +SKIP
    >>> client.grant(usd=200)  # doctest: +SKIP
    >>> client.add_samples(["a.jpg", "b.jpg"])  # doctest: +SKIP
    >>> client.push(probs=probabilities, model_version=1)  # doctest: +SKIP
    >>> batch = client.next_batch(budget_usd=20)  # doctest: +SKIP
    """

    def __init__(
        self,
        requests: str = DEFAULT_REQUESTS,
        project: str | None = None,
        events: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.session = Session(requests, project, timeout)
        self.events_address = events or _next_port(requests)

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.session.address!r}, project={self.session.project!r})"


def _next_port(address: str) -> str:
    """Return the address one port further; the same address where it has no port."""
    head, separator, port = address.rpartition(":")
    return f"{head}{separator}{int(port) + 1}" if port.isdigit() else address
