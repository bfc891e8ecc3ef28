"""A connection to the daemon's request socket: safe retries, and a window of requests under way."""

from __future__ import annotations

import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import zmq

from .errors import Timeout, from_reply
from .wire import IdSource, Request, decode, encode

# So long without a word, a request is sent again even though the connection looks whole. A connection that breaks is
# noticed at once, so this is a last resort; selections of large pools take seconds.
RESEND_S = 20.0
BUSY_FIRST_S, BUSY_LONGEST_S = 0.02, 1.0
# A connection that breaks again and again is not hammered.
BREAK_FIRST_S, BREAK_LONGEST_S = 0.02, 1.0
# From this size a frame is handed to ZeroMQ without a copy.
ZERO_COPY_BYTES = 65_536

BROKEN = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL

Reply = dict[str, Any]
ENVELOPE = ("v", "id", "ok")


class _Underway:
    """A request that has no reply yet."""

    __slots__ = ("deadline", "pauses", "position", "request", "resend_at")

    def __init__(self, request: Request, position: int, timeout: float) -> None:
        now = time.monotonic()
        self.request = request
        self.position = position
        self.deadline = now + timeout
        self.resend_at = now + RESEND_S
        self.pauses = 0


class Connection:
    """A DEALER socket that keeps its word: each request gets its reply, an exception, or a time-out.

    When the connection breaks or nothing comes, the socket is built anew and the same bytes are sent again under the
    same id, which the daemon applies once. ``busy`` is retried after a pause that grows. A connection belongs to
    one thread.

    Parameters
    ----------
    address : str
        The daemon's request socket.
    timeout : float
        Seconds after which a request without an answer raises `Timeout`.
    """

    def __init__(self, address: str, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._process = os.getpid()
        self._breaks = 0

    def close(self) -> None:
        """Close the socket. The next request opens it again."""
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close(linger=0)
            self._socket = None
        if self._monitor is not None:
            self._monitor.close(linger=0)
            self._monitor = None

    def request(self, request: Request, timeout: float | None = None) -> Reply:
        """Send one request and return its reply, or raise what it was refused with."""
        return next(iter(self.pipeline([request], window=1, timeout=timeout)))

    def pipeline(
        self,
        requests: Iterable[Request],
        window: int = 8,
        timeout: float | None = None,
        on_reply: Callable[[int], None] | None = None,
    ) -> Iterator[Reply]:
        """Send many requests, up to `window` under way at a time, and yield the replies in the requests' order.

        The first refusal is raised when its turn comes; requests sent after it may have had their effect.
        `on_reply` is called with a request's position when its reply came. Where this ends early, by whatever exception,
        the socket is closed: it may hold half a message, and what is still under way gets no listener.
        """
        timeout = self.timeout if timeout is None else timeout
        source = enumerate(requests)
        underway: dict[str, _Underway] = {}
        paused: list[tuple[float, str]] = []
        replies: dict[int, Reply] = {}
        due = 0
        exhausted = False
        self._leave_parent()
        self._drop_late_replies()
        try:
            while True:
                while not exhausted and len(underway) < window and len(underway) + len(replies) < 4 * window:
                    try:
                        position, request = next(source)
                    except StopIteration:
                        exhausted = True
                        break
                    underway[request.id] = _Underway(request, position, timeout)
                    self._send(request)
                if due in replies:
                    reply = replies.pop(due)
                    due += 1
                    if not reply.get("ok"):
                        raise from_reply(reply.get("error", {}))
                    yield {name: value for name, value in reply.items() if name not in ENVELOPE}
                    continue
                if not underway:
                    return
                for reply in self._receive(underway, paused):
                    entry = underway.get(str(reply.get("id", "")))
                    if entry is None or (_is_busy(reply) and self._pause(entry, paused)):
                        continue
                    del underway[entry.request.id]
                    replies[entry.position] = reply
                    if on_reply is not None:
                        on_reply(entry.position)
        finally:
            if underway:
                self.close()

    def _leave_parent(self) -> None:
        """In a forked process, forget the socket: it is the parent's."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._socket = self._monitor = None

    def _open(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
            socket.linger = 0
            socket.reconnect_ivl = 20
            socket.reconnect_ivl_max = 500
            # A peer whose machine vanished is found out by silence.
            socket.heartbeat_ivl = 5_000
            socket.heartbeat_timeout = 30_000
            self._monitor = socket.get_monitor_socket(BROKEN)
            socket.connect(self.address)
            self._socket = socket
        return self._socket

    def _send(self, request: Request) -> None:
        socket = self._open()
        last = len(request.frames) - 1
        for number, frame in enumerate(request.frames):
            copy = len(frame) < ZERO_COPY_BYTES
            socket.send(frame, zmq.SNDMORE if number < last else 0, copy=copy)

    def _drop_late_replies(self) -> None:
        """Throw away answers to requests that were given up, so that they do not pile up."""
        if self._socket is not None:
            while self._socket.poll(0):
                self._socket.recv_multipart()

    def _receive(self, underway: dict[str, _Underway], paused: list[tuple[float, str]]) -> list[Reply]:
        """Wait for replies; meanwhile send again what is due. Raises `Timeout` when a request's time is up."""
        socket = self._open()
        assert self._monitor is not None
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        now = time.monotonic()
        wake = min(min(entry.deadline, entry.resend_at) for entry in underway.values())
        if paused:
            wake = min(wake, min(paused)[0])
        ready = dict(poller.poll(max(0, int((wake - now) * 1000) + 1)))
        if socket in ready:
            self._breaks = 0
            return list(_available(socket))
        now = time.monotonic()
        for entry in underway.values():
            if now >= entry.deadline:
                self.close()
                raise Timeout(f"no answer to {entry.request.op} from {self.address}")
        if self._monitor in ready:
            time.sleep(min(BREAK_LONGEST_S, BREAK_FIRST_S * 2 ** min(self._breaks, 10)))
            self._breaks += 1
            self._send_all_again(underway, paused)
        elif any(now >= entry.resend_at for entry in underway.values()):
            self._send_all_again(underway, paused)
        for item in [item for item in paused if item[0] <= now]:
            paused.remove(item)
            self._send(underway[item[1]].request)
        return []

    def _send_all_again(self, underway: dict[str, _Underway], paused: list[tuple[float, str]]) -> None:
        self.close()
        waiting = {id for _, id in paused}
        for id, entry in underway.items():
            entry.resend_at = time.monotonic() + RESEND_S
            if id not in waiting:
                self._send(entry.request)

    def _pause(self, entry: _Underway, paused: list[tuple[float, str]]) -> bool:
        """Put a request that met ``busy`` back for a while. False when no such while would be left for its answer then."""
        pause = min(BUSY_LONGEST_S, BUSY_FIRST_S * 2 ** min(entry.pauses, 10)) * random.uniform(0.5, 1.0)
        entry.pauses += 1
        at = time.monotonic() + pause
        if at + pause >= entry.deadline:
            return False
        entry.resend_at = at + RESEND_S
        paused.append((at, entry.request.id))
        return True


def _is_busy(reply: Reply) -> bool:
    return not reply.get("ok") and reply["error"].get("code") == "busy"


def _available(socket: zmq.Socket[bytes]) -> Iterator[Reply]:
    """Every reply that has arrived."""
    received: deque[bytes] = deque()
    while socket.poll(0):
        received.append(socket.recv_multipart()[-1])
    for payload in received:
        yield decode(payload)


class Session:
    """Calls to one project over one connection. What every part of the client is built on.

    Parameters
    ----------
    address : str
        The daemon's request socket.
    project : str or None
        The project of the calls that belong to one.
    timeout : float
        Seconds until `Timeout`, retries included.
    """

    def __init__(self, address: str, project: str | None, timeout: float) -> None:
        self.address = address
        self.project = project
        self.timeout = timeout
        self.connection = Connection(address, timeout)
        self._new_id = IdSource()

    def encode(self, op: str, request_id: str | None = None, **fields: Any) -> Request:
        """Encode a request of this project under a new id. Fields that are None are left out."""
        return encode(op, request_id or self._new_id(), self.project, fields)

    def call(self, op: str, *, request_id: str | None = None, **fields: Any) -> Reply:
        """Send one request of this project and return the reply's map."""
        return self.connection.request(self.encode(op, request_id, **fields))

    def call_daemon(self, op: str, **fields: Any) -> Reply:
        """Send one request that belongs to no project."""
        return self.connection.request(encode(op, self._new_id(), None, fields))

    def twin(self) -> Session:
        """Return another session like this one, for another thread."""
        return Session(self.address, self.project, self.timeout)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
