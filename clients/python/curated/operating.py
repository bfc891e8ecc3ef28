"""What an operator asks: state, money, the event log, and the daemon itself."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event as StopEvent
from typing import Any

from .connection import Reply, Session
from .events import Event, Subscriber, follow
from .money import Usd, to_microusd, with_usd


class Operating:
    """The calls of an operator."""

    session: Session
    events_address: str

    def grant(self, usd: Usd, note: str | None = None, *, request_id: str | None = None) -> Reply:
        """Give the project money; a negative amount takes back what is available.

        `request_id`, an id of your own, makes the same call in another process the same grant.
        """
        reply: Reply = with_usd(
            self.session.call("BUDGET.GRANT", request_id=request_id, amount_microusd=to_microusd(usd), note=note)
        )
        return reply

    def budget(self) -> Reply:
        """Return the project's money (``available_usd`` and so on), the counts of labels, and the rounds so far."""
        reply: Reply = with_usd(self.session.call("BUDGET.GET"))
        return reply

    def ledger(self, since: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the entries of the ledger after the number `since`."""
        return self._pages("LEDGER.SINCE", "entries", since)

    def events(self, since: int = 0) -> Iterator[Event]:
        """Yield the events after the number `since`, as far as there are any now."""
        return self._pages("EVENTS.SINCE", "events", since)

    def follow(
        self, since: int | None = None, timeout_s: float | None = None, stop: StopEvent | None = None
    ) -> Iterator[Event]:
        """Yield events as they happen, each once and in order, with what a broken connection missed.

        Parameters
        ----------
        since : int, optional
            Start after the event of this number; by default with what happens from now on.
        timeout_s : float, optional
            End when nothing happened for so long; by default never.
        stop : threading.Event, optional
            End soon after this is set.
        """
        subscriber = Subscriber(self.events_address, str(self.session.project))
        try:
            for event in follow(subscriber, self.events, since, timeout_s, stop):
                yield with_usd(event)
        finally:
            subscriber.close()

    def status(self) -> Reply:
        """Return the project's state: samples by state, work waiting, money, model."""
        reply: Reply = with_usd(self.session.call("STATUS"))
        return reply

    def daemon_status(self) -> Reply:
        """Return the daemon's state: version, up-time, projects."""
        return self.session.call_daemon("STATUS")

    def projects(self) -> list[str]:
        """Return the names of all projects."""
        return list(self.session.call_daemon("PROJECT.LIST")["projects"])

    def verify(self, project: str | None = None) -> Reply:
        """Let the daemon recount states, counters, money, leases and events from its records."""
        return self.session.call_daemon("VERIFY", project=project)

    def snapshot(self, name: str) -> str:
        """Make a consistent copy of the store. Returns its path on the daemon's machine."""
        return str(self.session.call_daemon("SNAPSHOT", name=name)["path"])

    def config(self) -> dict[str, Any]:
        """Return the configuration in force."""
        return dict(self.session.call_daemon("CONFIG")["config"])

    def cancel_planning(self, task: int | None = None) -> bool:
        """Stop the selection that is being computed; whoever waits for it gets `Canceled`. False where none was."""
        return bool(self.session.call_daemon("PLANNER.CANCEL", task=task)["canceled"])

    def drain(self, on: bool = True) -> None:
        """Stop handing out work (or start again): leases and batches answer `Busy` while draining."""
        self.session.call_daemon("DRAIN", on=on)

    def _pages(self, op: str, name: str, since: int) -> Iterator[dict[str, Any]]:
        more = True
        while more:
            reply = self.session.call(op, since=since)
            yield from with_usd(reply[name])
            since, more = reply["next"], reply["more"]
