"""Answering: leases, answers, and the thread that keeps leases alive meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from threading import Event as StopEvent
from typing import Any

from .connection import Reply, Session
from .errors import Busy, CuratedError, LeaseLost, Timeout
from .events import Subscriber
from .money import to_usd

WAKING_KINDS = ("batch.published", "item.released")
HELLO_S = 5.0
# The events are hints. Should one be lost all the same, work is found after this long.
RECHECK_S = 30.0
# The end of a drain is no event.
RECHECK_BUSY_S = 1.0
# How long a LEASE is waited for until `stop` is looked at.
ASK_S = 5.0
NONE_OF_THESE = "none_of_these"


class WorkItem:
    """One leased sample, to be answered once: `submit`, `skip`, `none_of_these` or `release`.

    Attributes
    ----------
    key, uri, slot
        The sample.
    batch : int
        The batch it was selected in.
    type : str
        The annotation type, empty for plain classes.
    price_usd : float
        What the answer is worth.
    arm : str
        Which part of the policy chose it.
    lost : bool
        Whether the lease is known to be lost.
    """

    def __init__(self, session: Session, worker: str, lease: Reply) -> None:
        self._session = session
        self._worker = worker
        self.lease: int = lease["lease"]
        self.slot: int = lease["slot"]
        self.key: str = lease["key"]
        self.uri: str | None = lease.get("uri") or None
        self.batch: int = lease["batch"]
        self.type: str = lease.get("type") or ""
        self.price_usd: float = to_usd(lease["price_microusd"])
        self.arm: str = lease.get("arm", "")
        self.deadline_ms: int = lease["deadline_ms"]
        self.lost = False
        self.answered = False

    def submit(self, label: str | int | None = None, value: bytes | None = None) -> Reply:
        """Answer with a class (name or index), or with a `value` of an annotation type that is more than a class."""
        return self._answer("SUBMIT", label=label, value=value)

    def skip(self, reason: str) -> Reply:
        """Refuse the item. Another worker gets it, until enough of them have skipped it."""
        return self._answer("SKIP", reason=reason)

    def none_of_these(self) -> Reply:
        """Answer that no class fits: the item is rejected, and ``auto`` learns from it."""
        return self._answer("SKIP", reason=NONE_OF_THESE)

    def release(self) -> Reply:
        """Give the item back without an answer."""
        return self._answer("RELEASE")

    def touch(self, lease_s: float | None = None) -> None:
        """Extend the lease from now. `Client.work` does this by itself."""
        reply = _call(self._session, self, "TOUCH", lease_ms=_milliseconds(lease_s))
        self.deadline_ms = reply["deadline_ms"]

    def _answer(self, op: str, **fields: Any) -> Reply:
        reply = _call(self._session, self, op, **fields)
        self.answered = True
        return reply

    def __repr__(self) -> str:
        return f"WorkItem(key={self.key!r}, batch={self.batch}, lease={self.lease})"


def _call(session: Session, item: WorkItem, op: str, **fields: Any) -> Reply:
    try:
        return session.call(op, worker=item._worker, slot=item.slot, lease=item.lease, **fields)
    except LeaseLost:
        item.lost = True
        raise


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


class LeaseKeeper:
    """A thread, with a connection of its own, that touches held leases before they end."""

    def __init__(self, session: Session, lease_s: float) -> None:
        self._session = session.twin()
        self._lease_s = lease_s
        self._changed = threading.Condition()
        self._due: dict[int, tuple[float, WorkItem]] = {}
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="curated-leases", daemon=True)
        self._thread.start()

    def hold(self, item: WorkItem) -> None:
        """Keep an item's lease alive from now on."""
        with self._changed:
            self._due[item.lease] = (self._half_way(), item)
            self._changed.notify()

    def drop(self, item: WorkItem) -> None:
        """Keep it no longer."""
        with self._changed:
            self._due.pop(item.lease, None)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        self._session.close()

    def _half_way(self) -> float:
        """Return when to touch: half of a lease's length from now, whatever the clocks here and at the daemon say."""
        return time.monotonic() + max(0.05, self._lease_s / 2)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._ended:
                    return
                now = time.monotonic()
                ready = [item for at, item in self._due.values() if at <= now]
                if not ready:
                    next_at = min((at for at, _ in self._due.values()), default=None)
                    self._changed.wait(None if next_at is None else next_at - now)
                    continue
            for item in ready:
                self._touch(item)

    def _touch(self, item: WorkItem) -> None:
        try:
            reply = _call(self._session, item, "TOUCH", lease_ms=_milliseconds(self._lease_s))
            item.deadline_ms = reply["deadline_ms"]
        except Timeout:
            pass  # the daemon may be back for the next touch
        except CuratedError:
            self.drop(item)
            return
        with self._changed:
            if item.lease in self._due:
                self._due[item.lease] = (self._half_way(), item)


class Working:
    """The calls of a worker."""

    session: Session
    events_address: str

    def lease(
        self,
        worker: str,
        count: int = 1,
        lease_s: float | None = None,
        batch: int | None = None,
        type: str | None = None,
    ) -> list[WorkItem]:
        """Lease up to `count` items; an empty list when there is nothing to do now.

        The leases are the caller's to `touch`. `work` does all of this by itself.
        """
        reply = self.session.call("LEASE", worker=worker, count=count, lease_ms=_milliseconds(lease_s), batch=batch, type=type)
        return [WorkItem(self.session, worker, lease) for lease in reply["leases"]]

    def work(
        self,
        worker: str,
        lease_s: float | None = None,
        *,
        prefetch: int = 1,
        batch: int | None = None,
        type: str | None = None,
        limit: int | None = None,
        idle_s: float | None = None,
        stop: StopEvent | None = None,
    ) -> Iterator[WorkItem]:
        """Yield items to answer, waiting for more when there are none.

        Leases are extended in the background while the loop's body thinks. An item that was not answered when the
        next one is asked for, or when the loop is left, is released; one whose lease was lost before its turn is not
        given out. Waiting costs nothing: the daemon's events wake the worker. While the daemon drains, it waits too.

        Parameters
        ----------
        worker : str
            The worker's name.
        lease_s : float, optional
            Length of a lease; by default the project's.
        prefetch : int
            How many items to lease at a time.
        batch, type : optional
            Only items of this batch, or of this annotation type.
        limit : int, optional
            End after so many items.
        idle_s : float, optional
            End after so many seconds without work.
        stop : threading.Event, optional
            End soon after this is set.

        Examples
        --------
        >>> for item in client.work("w1", lease_s=60):  # doctest: +SKIP
        ...     item.submit(ask_a_human(item.uri))
        """
        subscriber = Subscriber(self.events_address, str(self.session.project), WAKING_KINDS)
        try:
            # A project that is made just now has this long to be there.
            subscriber.wait_for_hello(HELLO_S)
            if lease_s is None:
                lease_s = self.session.call("PROJECT.GET")["lease_ms"] / 1000
        except BaseException:
            subscriber.close()
            raise
        keeper = LeaseKeeper(self.session, lease_s)
        held: deque[WorkItem] = deque()
        try:
            given = 0
            idle_since = time.monotonic()
            while given != limit and not (stop is not None and stop.is_set()):
                while held and held[0].lost:
                    held.popleft()
                busy = False
                if not held:
                    # What was published before this moment is seen by the LEASE that follows.
                    subscriber.drain()
                    count = prefetch if limit is None else min(prefetch, limit - given)
                    leases = self._ask(
                        stop, worker=worker, count=count, lease_ms=_milliseconds(lease_s), batch=batch, type=type
                    )
                    busy = leases is None
                    for item in [WorkItem(self.session, worker, lease) for lease in leases or ()]:
                        held.append(item)
                        keeper.hold(item)
                if not held:
                    left = RECHECK_BUSY_S if busy else RECHECK_S
                    if idle_s is not None:
                        left = min(left, idle_since + idle_s - time.monotonic())
                    if left <= 0:
                        return
                    subscriber.receive(left, stop)
                    continue
                yield held[0]
                _finish([held.popleft()], keeper)
                given += 1
                idle_since = time.monotonic()
        finally:
            _finish(held, keeper)
            keeper.close()
            subscriber.close()

    def _ask(self, stop: StopEvent | None, **fields: Any) -> list[Reply] | None:
        """Send a LEASE and return the leases; None where the daemon drains, or at `stop`."""
        request = self.session.encode("LEASE", **fields)
        deadline = time.monotonic() + self.session.timeout
        while not (stop is not None and stop.is_set()):
            left = deadline - time.monotonic()
            try:
                return list(self.session.connection.request(request, timeout=min(left, ASK_S))["leases"])
            except Busy:
                return None
            except Timeout:
                # Sent again under the same id, it gives the same leases.
                if left <= ASK_S:
                    raise
        return None


def _finish(items: Iterable[WorkItem], keeper: LeaseKeeper) -> None:
    """Let go of items, releasing those not answered. Where the daemon does not answer, the leases run out by themselves."""
    for item in items:
        keeper.drop(item)
    for item in items:
        if item.answered or item.lost:
            continue
        try:
            item.release()
        except Timeout:
            return
        except CuratedError:
            pass
