"""Selection from numpy arrays, without a daemon: the library that the daemon's planner runs."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import native
from .money import Usd, to_microusd, to_usd
from .pool import Array, Pool, Share, at_least, column_of_one, tag_number

_REASONS = np.dtype(
    [
        ("arm", "U7"),
        ("share", np.int32),
        ("predicted", np.int32),
        ("price_usd", np.float64),
        ("probability", np.float64),
        ("uncertainty", np.float64),
        ("class_weight", np.float64),
        ("slice_weight", np.float64),
        ("gain", np.float64),
        ("utility", np.float64),
    ]
)


class SelectionCanceled(RuntimeError):
    """The progress function asked to stop."""


@dataclass(frozen=True)
class SelectResult:
    """What `select` chose.

    Attributes
    ----------
    indices : ndarray of int64, shape (picks,)
        Rows of the inputs, in the order they were picked.
    gains : ndarray of float64, shape (picks,)
        What each added to the objective when it was picked, in the strategy's own unit.
    probabilities : ndarray of float64, shape (picks,)
        The chance with which each could have been chosen; 0 where it was chosen by merit.
    reasons : structured ndarray, shape (picks,)
        Every term that put a pick there: ``arm`` ("policy", "control", "share" or "include"), ``share`` (the place in
        `shares` of the minimum it fills, -1: none), ``predicted`` class (-1: none), ``price_usd``, ``probability``,
        ``uncertainty``, ``class_weight``, ``slice_weight``, ``gain`` and ``utility``, by which the picks were ordered.
    spares : ndarray of int64
        Runners-up in order, if any were asked for.
    cost_usd : float
        What the picks cost together.
    stats : dict
        Candidates, what was kept out and why, the kernel's radius, the objective's value.
    """

    indices: npt.NDArray[np.int64]
    gains: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]
    reasons: Array
    spares: npt.NDArray[np.int64]
    cost_usd: float
    stats: dict[str, float]

    def __len__(self) -> int:
        return len(self.indices)


def strategies() -> list[str]:
    """Return the names of all strategies."""
    library = native.library()
    names: list[str] = []
    while (name := library.select_strategy_name(len(names)).decode()) != "unknown":
        names.append(name)
    return names


def select(
    strategy: str = "auto",
    k: int | None = None,
    *,
    probs: npt.ArrayLike | None = None,
    embeddings: npt.ArrayLike | None = None,
    utility: npt.ArrayLike | None = None,
    topk: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    draws: npt.ArrayLike | None = None,
    objects: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    multi_label: bool = False,
    n: int | None = None,
    labeled: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    pending: npt.ArrayLike | None = None,
    refused: npt.ArrayLike | None = None,
    excluded: npt.ArrayLike | None = None,
    include: npt.ArrayLike | None = None,
    prices: npt.ArrayLike | None = None,
    budget: Usd | None = None,
    overlap: int = 1,
    groups: npt.ArrayLike | None = None,
    group_max: int = 0,
    tags: Mapping[str, npt.ArrayLike] | None = None,
    excluded_tags: Sequence[str] = (),
    shares: Mapping[int | str, Share] | None = None,
    class_weight: npt.ArrayLike | None = None,
    slice_weight: Mapping[str, float] | None = None,
    classes: int | None = None,
    spares: int = 0,
    control_share: float | None = None,
    duplicates: bool | None = None,
    junk: bool | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | Callable[[float], bool | None] = False,
    **parameters: Any,
) -> SelectResult:
    """Choose which samples to label next.

    Arrays of float16 and float32 with rows in one piece are read where they are; others are converted first.

    Parameters
    ----------
    strategy : str
        One of `strategies()`; docs/selection.md says what each does and needs.
    k : int, optional
        Picks at most. At least one of `k` and `budget` is needed.
    probs : array, shape (n, classes), optional
        Class probabilities; with `multi_label`, one independent probability a class.
    embeddings : array, shape (n, d), optional
    utility : array, shape (n,), optional
        What labelling each sample is worth, by the caller's own measure.
    topk : (classes, probabilities), arrays of shape (n, m), optional
        The m most probable classes of each sample, in place of `probs`; needs `classes`.
    draws : array, shape (draws, n, classes), optional
        Monte-Carlo draws, or the predictions of a committee.
    objects : (probabilities, counts), optional
        What a detector found: probabilities of shape (objects, classes), sample by sample, and the number of each sample.
    n : int, optional
        The number of samples, where no array tells it.
    labeled, pending, refused, excluded : array of int or bool, optional
        Samples that have a label, that are being labelled, that were answered "none of these", that are not to be picked.
        Indices, or a mask of length n.
    labels : array of int, optional
        The classes of `labeled`, in its order.
    include : array of int or bool, optional
        Samples that are picked first, whatever they are worth.
    prices : float or array, optional
        Dollars for one label of each sample. By default one dollar.
    budget : number or str, optional
        Dollars that the picks may cost together.
    overlap : int
        Labels bought a sample.
    groups : array, optional
        The group of each sample (a clip, a patient); at most `group_max` of a group are picked.
    tags : dict of name to mask or indices, optional
        Which samples carry which tag; samples with one of `excluded_tags` are not picked.
    shares : dict, optional
        The least share of the batch, or (least, most), of a class (an int) or a tag (its name).
    class_weight, slice_weight : array or dict, optional
        Weights of classes, and of tags by name; 1 is neutral.
    classes : int, optional
        The number of classes, where no array tells it.
    spares : int
        Runners-up to return besides.
    control_share : float, optional
        For auto: the share of money that pure chance spends (0.05).
    duplicates, junk : bool, optional
        Keep near-duplicates, or samples without neighbours, out. By default auto does.
    seed : int
    threads : int, optional
        By default one a processor. The picks do not depend on it.
    progress : bool or callable
        True shows a bar. A callable is told how far the call is, from 0 to 1, and stops it by returning True.
    **parameters
        Of single strategies: ``neighbors``, ``clusters``, ``margin_pool``, ``radius``, ``purity``, ``redundancy``,
        ``outlier_share``, ``power``, ``class_sought`` (a class's index; 0), ``aggregate`` ("max", "mean", "sum"),
        ``references_max``.

    Returns
    -------
    SelectResult

    Raises
    ------
    ValueError
        Where an argument is wrong, or one is missing that the strategy needs; nothing was selected.
    SelectionCanceled
        Where `progress` asked for it. Ctrl-C raises KeyboardInterrupt as ever.
    """
    if k is None and budget is None:
        raise ValueError("k: expected at least one of k and budget, got neither")
    pool = Pool()
    pool.column("probabilities", probs, "probs")
    pool.column("embeddings", embeddings, "embeddings")
    pool.column("utility", None if utility is None else column_of_one(utility), "utility")
    if topk is not None:
        pool.topk(*topk, classes)
    if draws is not None:
        pool.draws(draws)
    if objects is not None:
        pool.objects(*objects)
    pool.size(n, prices, groups)
    pool.classes(classes)
    pool.input.multi_label = multi_label
    pool.states(labeled, labels, pending, refused, excluded)
    pool.prices(prices)
    pool.groups(groups)
    names = pool.tags(tags or {})

    policy = native.library().select_policy_default()
    policy.strategy = _strategy_number(strategy)
    policy.seed = seed & (2**64 - 1)
    policy.count = native.UNBOUNDED_COUNT if k is None else at_least("k", k, 0)
    policy.budget = native.UNBOUNDED_MONEY if budget is None else at_least("budget", to_microusd(budget), 0)
    policy.spares = at_least("spares", spares, 0)
    policy.overlap = at_least("overlap", overlap, 1)
    policy.group_max = at_least("group_max", group_max, 0)
    policy.threads = thread_count(threads)
    policy.duplicates = native.FILTERS[duplicates]
    policy.junk = native.FILTERS[junk]
    if control_share is not None:
        policy.control_share = control_share
    for name in excluded_tags:
        policy.tags_excluded |= 1 << tag_number(names, name)
    pool.weights(policy, class_weight, slice_weight or {}, names)
    pool.shares(policy, shares or {}, names)
    pool.include(policy, include)
    _set_parameters(policy, parameters)
    pool.check(policy.threads)
    with watched(policy, strategy, progress):
        return _run(pool.input, policy)


def _strategy_number(name: str) -> int:
    number = ctypes.c_int()
    text = name.encode()
    if not native.library().select_strategy_parse(text, len(text), number):
        raise ValueError(f"strategy: expected one of {', '.join(strategies())}, got {name!r}")
    return number.value


def _set_parameters(policy: native.Policy, parameters: Mapping[str, Any]) -> None:
    known = {field[0]: field[1] for field in native.Parameters._fields_}
    for name, value in parameters.items():
        if name == "aggregate":
            if value not in native.AGGREGATES:
                raise ValueError(f"aggregate: expected one of {', '.join(native.AGGREGATES)}, got {value!r}")
            policy.parameters.aggregate = native.AGGREGATES.index(value)
        elif name in known:
            whole = known[name] is not ctypes.c_double
            setattr(policy.parameters, name, at_least(name, value, 0) if whole else float(value))
        elif name == "references_max":
            policy.references_max = at_least(name, value, 0)
        else:
            raise TypeError(f"select() got an unexpected keyword argument {name!r}")


# --- the call ---------------------------------------------------------------------------------------------------------------


@contextmanager
def watched(
    call: native.Policy | native.Neighbors | native.Duplicates | native.Outliers,
    title: str,
    progress: bool | Callable[[float], bool | None],
) -> Iterator[None]:
    """Let the library report how far it is, and Ctrl-C or the caller stop it; what was raised meanwhile is raised after."""
    raised: list[BaseException] = []
    bar = _bar(title) if progress is True else None

    def report(_: int | None, done: float) -> bool:
        try:
            if bar is not None:
                bar.update(round(100 * done) - bar.n)
            if callable(progress) and progress(done):
                raise SelectionCanceled("the progress function stopped the selection")
        except BaseException as error:
            raised.append(error)
        return bool(raised)

    call.progress = native.ProgressFunction(report)
    try:
        with _interrupt_kept(raised):
            yield
        if bar is not None:
            bar.update(100 - bar.n)
    except SelectionCanceled:
        raise raised[0] from None
    finally:
        if bar is not None:
            bar.close()


@contextmanager
def _interrupt_kept(raised: list[BaseException]) -> Iterator[None]:
    """Keep Ctrl-C for later: an exception on the way into a ctypes callback would be lost."""
    keeps = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not keeps:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: raised.append(KeyboardInterrupt()))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if raised:
        raise raised[0]


def _bar(title: str) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=100, desc=title, unit="%", bar_format="{l_bar}{bar}| {elapsed}")


def thread_count(threads: int | None) -> int:
    """Return how many threads the library is told to use; 0: one a processor."""
    return 0 if threads is None else at_least("threads", threads, 1)


def run_on_rows(name: str, pool: Pool, call: Any, progress: bool | Callable[[float], bool | None]) -> None:
    """Check the embeddings of a pool, and let the library's function of that name read them and fill in the call."""
    pool.check(call.threads)
    error = native.Error()
    with watched(call, name, progress):
        raise_for(getattr(native.library(), f"select_{name}")(pool.input.embeddings[0], call, error), error)


def raise_for(status: int, error: native.Error) -> None:
    """Raise what a status of the library means."""
    if status == native.CANCELED:
        raise SelectionCanceled
    if status == native.NO_MEMORY:
        raise MemoryError("not enough memory for the selection")
    if status != native.OK:
        raise ValueError(f"{error.field.decode()}: expected {error.expected.decode()}, got {error.got.decode()}")


def _run(columns: native.Input, policy: native.Policy) -> SelectResult:
    library = native.library()
    result = native.Result()
    error = native.Error()
    raise_for(library.select_run(columns, policy, result, error), error)
    try:
        return _result_of(result)
    finally:
        library.select_result_deinit(result)


def _result_of(result: native.Result) -> SelectResult:
    total = result.count + result.spare_count
    picks: Array = np.empty(total, np.dtype(native.Pick))
    if total:
        ctypes.memmove(picks.ctypes.data, result.picks, picks.nbytes)
    chosen = picks[: result.count]
    reasons = np.empty(result.count, _REASONS)
    for name in _REASONS.names or ():
        if name not in ("arm", "price_usd"):
            reasons[name] = chosen[name]
    reasons["arm"] = np.array(native.ARMS)[chosen["arm"]]
    reasons["price_usd"] = chosen["price"] / 1e6
    return SelectResult(
        indices=chosen["slot"].astype(np.int64),
        gains=chosen["gain"],
        probabilities=chosen["probability"],
        reasons=reasons,
        spares=picks["slot"][result.count :].astype(np.int64),
        cost_usd=to_usd(result.cost),
        stats={field[0]: getattr(result.stats, field[0]) for field in native.Stats._fields_},
    )
