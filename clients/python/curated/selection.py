"""Batches: what to pay to have labelled next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .connection import Reply, Session
from .money import Usd, to_microusd, to_usd, with_usd
from .wire import samples_field


@dataclass(frozen=True)
class BatchItem:
    """One sample of a batch, and why it is in it.

    Attributes
    ----------
    rank : int
        Its place in the batch.
    state : str
        ``reserved``, ``leased``, ``labeled``, ``rejected`` or ``canceled``; ``pool`` in a plan.
    arm : str
        Which part of the policy chose it: ``policy``, ``control``, ``share`` or ``include``.
    reason : str
        The same in one English line.
    probability : float
        The chance with which it was drawn; 0 where it was chosen by merit.
    predicted : str or None
        The class the model predicted.
    """

    rank: int
    slot: int
    key: str
    uri: str | None
    price_usd: float
    state: str
    arm: str
    reason: str
    probability: float
    predicted: str | None = None

    @classmethod
    def from_wire(cls, item: dict[str, Any]) -> BatchItem:
        """Make one of an item of a reply."""
        return cls(
            rank=item["rank"],
            slot=item["slot"],
            key=item["key"],
            uri=item.get("uri") or None,
            price_usd=to_usd(item["price_microusd"]),
            state=item.get("state", "pool"),
            arm=item["arm"],
            reason=item.get("reason", ""),
            probability=item["probability"],
            predicted=item.get("predicted"),
        )


@dataclass(frozen=True)
class Selection:
    """What was selected, in order: a plan, or a batch that was committed. Iterates over its items.

    Attributes
    ----------
    batch : int
        The batch's number; 0 for a plan.
    cost_usd, available_usd : float
        What it costs, and what is available after it.
    strategy, seed, model_version
        What it was selected with.
    stats : dict
        Counts and figures of the selection.
    """

    batch: int
    items: list[BatchItem]
    cost_usd: float
    available_usd: float
    strategy: str
    seed: int
    model_version: int
    stats: dict[str, Any] = field(repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[BatchItem]:
        return iter(self.items)

    @property
    def keys(self) -> list[str]:
        """The keys of the items."""
        return [item.key for item in self.items]


def _samples_map(samples: Any) -> dict[str, Any] | None:
    """Return samples given as keys or as slots the way a batch's fields take them."""
    if samples is None:
        return None
    if isinstance(samples, str | bytes):
        raise TypeError("samples must be a sequence of keys or slots, not one key")
    samples = list(samples)
    if samples and isinstance(samples[0], str):
        return samples_field(keys=samples)
    return samples_field(slots=samples)


class Selecting:
    """The calls that select."""

    session: Session

    def next_batch(
        self,
        budget_usd: Usd | None = None,
        count: int | None = None,
        strategy: str = "auto",
        *,
        partial: bool | None = None,
        only: Sequence[str] | Sequence[int] | None = None,
        request_id: str | None = None,
        **options: Any,
    ) -> Selection:
        """Select, reserve the money and publish the batch to the workers.

        Parameters
        ----------
        budget_usd : number, Decimal or str, optional
            What the batch may cost.
        count : int, optional
            How many items it may have. At least one of budget and count is needed, unless `only` is given.
        strategy : str
            A name of docs/selection.md; `curated.strategies` lists them.
        partial : bool, optional
            Take what the available money affords in place of raising `BudgetExhausted`.
        only : keys or slots, optional
            Exactly these samples in this order: another selector's decision.
        request_id : str, optional
            An id of your own, so that asking again after a crash gives the same batch in place of a second one.
        **options
            ``include``, ``overlap``, ``control_share``, ``group_max``, ``keep_duplicates``, ``keep_junk``, ``space``,
            ``seed``, ``type``, ``parameters``, as in the protocol.

        Returns
        -------
        Selection
            The batch with its items.
        """
        fields = _selection_fields(budget_usd, count, strategy, partial, options)
        reply = self.session.call("BATCH.COMMIT", request_id=request_id, only=_samples_map(only), **fields)
        return _selection(reply, list(self.batch_items(reply["batch"])))

    def plan(
        self,
        budget_usd: Usd | None = None,
        count: int | None = None,
        strategy: str = "auto",
        *,
        partial: bool | None = None,
        **options: Any,
    ) -> Selection:
        """Select as `next_batch` does, and change nothing. Lists at most 10,000 items."""
        reply = self.session.call("PLAN", **_selection_fields(budget_usd, count, strategy, partial, options))
        return _selection(reply, [BatchItem.from_wire(item) for item in reply["picks"]])

    def batch(self, batch: int) -> Reply:
        """Return a batch's state, cost and counts, without its items."""
        reply: Reply = with_usd(self.session.call("BATCH.GET", batch=batch, limit=1))
        del reply["list"]
        reply.pop("next", None)
        return reply

    def batch_items(self, batch: int) -> Iterator[BatchItem]:
        """Yield a batch's items in the order of their ranks."""
        start: int | None = 0
        while start is not None:
            reply = self.session.call("BATCH.GET", batch=batch, **_from_rank(start))
            yield from (BatchItem.from_wire(item) for item in reply["list"])
            start = reply.get("next")

    def cancel_batch(self, batch: int) -> int:
        """Take what still waits in a batch back to the pool and release its money. Returns the number of items."""
        return int(self.session.call("BATCH.CANCEL", batch=batch)["canceled"])

    def explain(self, key: str | None = None, slot: int | None = None, batch: int | None = None) -> Reply:
        """Return why a sample was selected: the arm, the reason and the terms of its utility."""
        if (key is None) == (slot is None):
            raise TypeError("give exactly one of key and slot")
        reply: Reply = with_usd(self.session.call("EXPLAIN", key=key, slot=slot, batch=batch))
        return reply

    def replay(self, batch: int) -> Reply:
        """Compute a batch's selection again from the recorded state, and tell whether it is the same."""
        return self.session.call("REPLAY", batch=batch)


def _from_rank(rank: int) -> dict[str, Any]:
    return {"from": rank}  # a keyword in Python


def _selection_fields(
    budget_usd: Usd | None, count: int | None, strategy: str, partial: bool | None, options: dict[str, Any]
) -> dict[str, Any]:
    include = _samples_map(options.pop("include", None))
    return {
        "budget_microusd": None if budget_usd is None else to_microusd(budget_usd),
        "count": count,
        "strategy": strategy,
        "partial": partial,
        "include": include,
        **options,
    }


def _selection(reply: Reply, items: list[BatchItem]) -> Selection:
    return Selection(
        batch=reply.get("batch", 0),
        items=items,
        cost_usd=to_usd(reply["cost_microusd"]),
        available_usd=to_usd(reply["available_microusd"]),
        strategy=reply["strategy"],
        seed=reply["seed"],
        model_version=reply["model_version"],
        stats=reply["stats"],
    )
