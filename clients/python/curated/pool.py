"""The columns of one selection: numpy arrays as the library reads them, checked and kept alive."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import native

Array = npt.NDArray[Any]
Share = float | tuple[float, float]

TAGS_MAX = 64

# Read between two looks at Ctrl-C, some hundredths of a second.
CHECK_BYTES = 1 << 28


class Pool:
    """The columns of one call, and whatever keeps the memory behind them alive."""

    def __init__(self) -> None:
        self.input = native.Input()
        self._kept: list[Any] = []
        self._views: list[tuple[str, native.Rows]] = []
        self._size: int | None = None

    def column(self, field: str, values: npt.ArrayLike | None, name: str) -> None:
        """Take a matrix with a row a sample."""
        if values is not None:
            rows = self._rows(values, name)
            self._agree(rows.count, name)
            setattr(self.input, field, ctypes.pointer(rows))

    def topk(self, classes: npt.ArrayLike, probabilities: npt.ArrayLike, known: int | None) -> None:
        """Take the most probable classes of each sample."""
        if known is None:
            raise ValueError("classes: expected the number of classes beside topk, got none")
        indices = np.ascontiguousarray(classes)
        rows = self._rows(probabilities, "topk")
        self._agree(rows.count, "topk")
        if indices.shape != (rows.count, rows.width):
            raise ValueError(f"topk: expected classes of shape {(rows.count, rows.width)}, got {indices.shape}")
        if indices.size and not (indices.min() >= 0 and indices.max() < known):
            raise ValueError(f"topk: expected classes 0..{known - 1}, got {indices.min()}..{indices.max()}")
        indices = indices.astype(np.uint16, copy=False)
        self.input.topk = ctypes.pointer(native.TopK(rows, self._block(indices), 2 * rows.width))

    def draws(self, values: npt.ArrayLike) -> None:
        """Take predictions of shape (draws, n, classes)."""
        array = np.asarray(values)
        if array.ndim != 3 or len(array) == 0:
            raise ValueError(f"draws: expected an array of shape (draws, n, classes), got {array.shape}")
        views = (native.Rows * len(array))(*[self._rows(draw, "draws") for draw in array])
        self._agree(views[0].count, "draws")
        self.input.draws = views
        self.input.draw_count = len(array)

    def objects(self, probabilities: npt.ArrayLike, counts: npt.ArrayLike) -> None:
        """Take objects, sample by sample, and how many each has."""
        number = _integers("objects", counts)
        rows = self._rows(probabilities, "objects")
        self._agree(len(number), "objects")
        if (number < 0).any() or number.sum() != rows.count:
            raise ValueError(f"objects: expected counts that sum to {rows.count}, got {number.sum()}")
        first = np.concatenate([[0], np.cumsum(number)]).astype(np.uint64)
        self.input.objects = ctypes.pointer(rows)
        self.input.object_first = self._pointer(first, ctypes.c_uint64)

    def size(self, n: int | None, *others: npt.ArrayLike | None) -> None:
        """Settle the number of samples."""
        if n is not None:
            self._agree(n, "n")
        for other in others:
            if self._size is None and other is not None and np.ndim(other) == 1:
                self._size = len(np.asarray(other))
        if self._size is None:
            raise ValueError("n: expected the number of samples, or an array that tells it, got none")
        self.input.n = self._size

    def classes(self, known: int | None) -> None:
        """Settle the number of classes."""
        for column in (self.input.probabilities, self.input.draws, self.input.objects):
            if column:
                known = known or column[0].width
        self.input.classes = known or 0

    def states(
        self,
        labeled: npt.ArrayLike | None,
        labels: npt.ArrayLike | None,
        pending: npt.ArrayLike | None,
        refused: npt.ArrayLike | None,
        excluded: npt.ArrayLike | None,
    ) -> None:
        """Settle what each sample is."""
        state = np.full(self.input.n, native.CANDIDATE, np.uint8)
        indices = self._indices("labeled", labeled)
        state[self._indices("excluded", excluded)] = native.EXCLUDED
        state[self._indices("refused", refused)] = native.REFUSED
        state[self._indices("pending", pending)] = native.IN_FLIGHT
        state[indices] = native.LABELED
        self.input.state = self._pointer(state, ctypes.c_uint8)
        if labels is None:
            return
        known = _integers("labels", labels)
        if len(known) != len(indices):
            raise ValueError(f"labels: expected one for each of {len(indices)} labelled samples, got {len(known)}")
        if len(known) and (known.min() < 0 or known.max() >= 2**31):
            raise ValueError(f"labels: expected classes, got {known.min()}..{known.max()}")
        self.input.classes = self.input.classes or (int(known.max()) + 1 if len(known) else 0)
        label = np.full(self.input.n, -1, np.int32)
        label[indices] = known
        self.input.label = self._pointer(label, ctypes.c_int32)

    def prices(self, prices: npt.ArrayLike | None) -> None:
        """Round dollars to micro-dollars."""
        dollars = np.asarray(1.0 if prices is None else prices, np.float64)
        if dollars.shape not in ((), (self.input.n,)):
            raise ValueError(f"prices: expected one number or one for each of {self.input.n} samples, got {dollars.shape}")
        if not (np.isfinite(dollars).all() and (dollars >= 0).all() and (dollars < 1e12).all()):
            raise ValueError("prices: expected dollars, 0 or more, got others")
        micro = np.rint(dollars * 1e6).astype(np.int64)
        self.input.price = self._pointer(np.ascontiguousarray(np.broadcast_to(micro, self.input.n)), ctypes.c_int64)

    def groups(self, groups: npt.ArrayLike | None) -> None:
        """Give each group a number, from 1."""
        if groups is not None:
            names, number = np.unique(np.asarray(groups), return_inverse=True)
            if number.shape != (self.input.n,):
                raise ValueError(f"groups: expected one for each of {self.input.n} samples, got {np.shape(groups)}")
            self.input.group = self._pointer((number + 1).astype(np.uint32), ctypes.c_uint32)

    def tags(self, tags: Mapping[str, npt.ArrayLike]) -> list[str]:
        """Give each tag a bit, and return their names in order."""
        if len(tags) > TAGS_MAX:
            raise ValueError(f"tags: expected at most {TAGS_MAX}, got {len(tags)}")
        bits = np.zeros(self.input.n, np.uint64)
        for number, (name, members) in enumerate(tags.items()):
            bits[self._indices(f"tags[{name!r}]", members)] |= np.uint64(1 << number)
        if tags:
            self.input.tags = self._pointer(bits, ctypes.c_uint64)
        return list(tags)

    def weights(
        self,
        policy: native.Policy,
        class_weight: npt.ArrayLike | None,
        slice_weight: Mapping[str, float],
        names: list[str],
    ) -> None:
        """Set the weights of classes and tags."""
        if class_weight is not None:
            weights = np.ascontiguousarray(class_weight, np.float64)
            if weights.shape != (self.input.classes,):
                raise ValueError(f"class_weight: expected one for each of {self.input.classes} classes, got {weights.shape}")
            policy.class_weight = self._pointer(weights, ctypes.c_double)
        if slice_weight:
            slices = np.ones(TAGS_MAX)
            for name, weight in slice_weight.items():
                slices[tag_number(names, name)] = weight
            policy.tag_weight = self._pointer(slices, ctypes.c_double)

    def shares(self, policy: native.Policy, shares: Mapping[int | str, Share], names: list[str]) -> None:
        """Set the bounds of classes and tags."""
        bounds = (native.Share * len(shares))()
        for bound, (kind, share) in zip(bounds, shares.items(), strict=True):
            bound.share, bound.maximum = share if isinstance(share, tuple) else (share, 1.0)
            bound.is_class = not isinstance(kind, str)
            bound.index = tag_number(names, kind) if isinstance(kind, str) else at_least("shares", int(kind), 0)
        policy.shares = self._keep(bounds)
        policy.share_count = len(shares)

    def include(self, policy: native.Policy, include: npt.ArrayLike | None) -> None:
        """Set the samples that are picked first."""
        slots = self._indices("include", include).astype(np.uint32)
        policy.include = self._pointer(slots, ctypes.c_uint32)
        policy.include_count = len(slots)

    def check(self, threads: int) -> None:
        """Refuse numbers that are none; the library takes it for granted that all are finite."""
        row = ctypes.c_size_t()
        for name, rows in self._views:
            for first, part in _parts(rows):
                if native.library().select_rows_check(part, threads, row) != native.OK:
                    raise MemoryError
                if row.value < part.count:
                    raise ValueError(f"{name}: expected finite numbers, got others in row {first + row.value}")

    def _rows(self, values: npt.ArrayLike, name: str) -> native.Rows:
        array = np.asarray(values)
        if array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(f"{name}: expected an array of two dimensions, got one of shape {array.shape}")
        if array.dtype not in (np.float16, np.float32):
            if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
                raise ValueError(f"{name}: expected real numbers, got {array.dtype}")
            array = array.astype(np.float32)
        if array.strides[1] != array.itemsize or (len(array) > 1 and array.strides[0] < array.shape[1] * array.itemsize):
            array = np.ascontiguousarray(array)
        rows = native.Rows(
            count=len(array),
            width=array.shape[1],
            row_bytes=array.strides[0] if len(array) > 1 else array.shape[1] * array.itemsize,
            dtype=native.F16 if array.dtype == np.float16 else native.F32,
            rows_per_block=max(len(array), 1),
            blocks=self._block(array),
        )
        self._views.append((name, rows))
        return rows

    def _indices(self, name: str, members: npt.ArrayLike | None) -> npt.NDArray[np.int64]:
        if members is None:
            return np.empty(0, np.int64)
        array = np.asarray(members)
        if array.dtype == bool:
            if array.shape != (self.input.n,):
                raise ValueError(f"{name}: expected a mask over {self.input.n} samples, got one of shape {array.shape}")
            return np.flatnonzero(array)
        array = _integers(name, array)
        if len(array) and not (array.min() >= 0 and array.max() < self.input.n):
            raise ValueError(f"{name}: expected indices 0..{self.input.n - 1}, got {array.min()}..{array.max()}")
        return array

    def _agree(self, count: int, name: str) -> None:
        if self._size is not None and count != self._size:
            raise ValueError(f"{name}: expected {self._size} samples as in the others, got {count}")
        self._size = count

    def _keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def _block(self, array: Array) -> Any:
        self._keep(array)
        return self._keep((ctypes.c_void_p * 1)(array.ctypes.data))

    def _pointer(self, array: Array, kind: Any) -> Any:
        return self._keep(array).ctypes.data_as(ctypes.POINTER(kind))


def _parts(rows: native.Rows) -> Iterator[tuple[int, native.Rows]]:
    """Cut a view of one block into parts; give each with its first row."""
    most = max(CHECK_BYTES // rows.row_bytes, 1)
    for first in range(0, rows.count, most):
        count = min(most, rows.count - first)
        block = (ctypes.c_void_p * 1)(rows.blocks[0] + first * rows.row_bytes)
        yield first, native.Rows(count, rows.width, rows.row_bytes, rows.dtype, count, block)


def column_of_one(values: npt.ArrayLike) -> Array:
    """Return a vector as a matrix of one column."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"utility: expected an array of one dimension, got one of shape {array.shape}")
    return np.ascontiguousarray(array)[:, None]


def _integers(name: str, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (len(array) and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"{name}: expected integers in one dimension, got {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)


def at_least(name: str, value: int, least: int) -> int:
    """Return a whole number that is large enough."""
    if not least <= value < 2**63 - 1:
        raise ValueError(f"{name}: expected {least} or more, got {value}")
    return value


def tag_number(names: list[str], name: str) -> int:
    """Return the number of a tag's name."""
    if name not in names:
        raise ValueError(f"tags: expected one of {', '.join(names) or 'no tags'}, got {name!r}")
    return names.index(name)
