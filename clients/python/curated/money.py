"""Dollars to integer micro-dollars and back. This is the only place where a price is rounded."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

import numpy as np

Usd = int | float | Decimal | str

_MICRO = Decimal(1_000_000)
_USD_MAX = Decimal((2**63 - 1) // 1_000_000)


def to_microusd(usd: Usd) -> int:
    """Return an amount of dollars as integer micro-dollars, rounded half to even.

    A float counts as the decimal number it prints as, so ``0.1`` is 100,000 micro-dollars; numpy's narrower ones likewise.
    """
    if isinstance(usd, np.floating):
        usd = str(usd)
    elif isinstance(usd, np.generic):
        usd = usd.item()
    if isinstance(usd, bool) or not isinstance(usd, int | float | Decimal | str):
        raise TypeError(f"an amount of dollars must be a number or str, not {type(usd).__name__}")
    try:
        amount = Decimal(usd) if isinstance(usd, int | Decimal | str) else Decimal(repr(usd))
    except InvalidOperation:
        raise ValueError(f"not an amount of dollars: {usd!r}") from None
    if not amount.is_finite() or amount.copy_abs() > _USD_MAX:
        raise ValueError(f"not an amount of dollars: {usd!r}")
    return int((amount * _MICRO).to_integral_value(rounding=ROUND_HALF_EVEN))


def to_usd(microusd: int) -> float:
    """Return micro-dollars as dollars."""
    return microusd / 1_000_000


def prices_to_microusd(prices_usd: Iterable[Usd | None]) -> list[int]:
    """Return prices as micro-dollars; -1, the project's own price, stands for ``None``."""
    return [-1 if price is None else _price(price) for price in prices_usd]


def _price(usd: Usd) -> int:
    microusd = to_microusd(usd)
    if microusd < 0:
        raise ValueError(f"not a price: {usd!r}")
    return microusd


def with_usd(value: Any) -> Any:
    """Return a reply with an ``x_usd`` beside each ``x_microusd`` in it, however deep."""
    if isinstance(value, list):
        return [with_usd(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, item in value.items():
        result[name] = with_usd(item)
        if isinstance(name, str) and name.endswith("_microusd"):
            if isinstance(item, int):
                result[name.removesuffix("_microusd") + "_usd"] = to_usd(item)
            elif isinstance(item, dict):
                result[name.removesuffix("_microusd") + "_usd"] = {key: to_usd(amount) for key, amount in item.items()}
    return result
