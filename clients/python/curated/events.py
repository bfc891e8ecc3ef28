"""The daemon's event socket: single wake-ups for workers, and a gapless stream for followers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event as StopEvent
from typing import Any

import zmq

from .wire import decode

Event = dict[str, Any]

# How often a wait looks at its `stop` event. That is a look at a flag in this process, not at the daemon.
STOP_LOOK_S = 0.2


class Subscriber:
    """A SUB socket of one project; reconnects by itself.

    Parameters
    ----------
    address : str
        The daemon's event socket.
    project : str
        The project to listen to.
    kinds : tuple of str
        Kinds of event to subscribe to; none means all.
    """

    def __init__(self, address: str, project: str, kinds: tuple[str, ...] = ()) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.reconnect_ivl = 20
        self._socket.reconnect_ivl_max = 500
        self._socket.heartbeat_ivl = 5_000
        self._socket.heartbeat_timeout = 30_000
        # What has no room would be lost, and at the end of a burst no later event would show the gap.
        self._socket.rcvhwm = 0
        self._unheard = {f"{project}/{kind}" for kind in kinds} or {f"{project}/"}
        for topic in self._unheard:
            self._socket.subscribe(topic)
        self._socket.connect(address)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(linger=0)

    def wait_for_hello(self, timeout_s: float) -> bool:
        """Wait until the daemon has greeted each subscription: from then on no event is missed unnoticed."""
        deadline = time.monotonic() + timeout_s
        while self._unheard and self._socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            topic, payload = self._socket.recv_multipart()
            if decode(payload)["kind"] == "hello":
                self._unheard.discard(topic.decode())
        return not self._unheard

    def receive(self, timeout_s: float | None, stop: StopEvent | None = None) -> Event | None:
        """Return the next event, or None when the time is up or `stop` is set."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not (stop is not None and stop.is_set()):
            left = float("inf") if deadline is None else deadline - time.monotonic()
            wait = max(0.0, min(left, STOP_LOOK_S) if stop is not None else left)
            if self._socket.poll(None if wait == float("inf") else int(wait * 1000 + 0.999)):
                return decode(self._socket.recv_multipart()[-1])
            if left <= 0:
                return None
        return None

    def drain(self) -> None:
        """Throw away what has arrived."""
        while self._socket.poll(0):
            self._socket.recv_multipart()


def follow(
    subscriber: Subscriber,
    replay: Callable[[int], Iterator[Event]],
    since: int | None,
    timeout_s: float | None,
    stop: StopEvent | None,
) -> Iterator[Event]:
    """Yield each event of a project once and in order, filling gaps from the daemon's log.

    `replay` gives the events after a number. `since` is the last number the caller has seen; None starts with what
    happens from now on. Ends when no event came for `timeout_s`, or at `stop`.
    """
    last = since
    while True:
        event = subscriber.receive(timeout_s, stop)
        if event is None:
            return
        if event["kind"] == "hello":
            # It names the newest event: whatever lies between was published while nobody listened.
            newest = event["seq"]
            if last is None:
                last = newest
            if newest > last:
                for missed in replay(last):
                    last = missed["seq"]
                    yield missed
            continue
        if last is None:
            last = event["seq"] - 1
        if event["seq"] <= last:
            continue
        if event["seq"] > last + 1:
            for missed in replay(last):
                last = missed["seq"]
                yield missed
        if event["seq"] > last:
            last = event["seq"]
            yield event
