"""The selection library as ctypes sees it: the structs of its header, and where it is found.

``selector/strategy/select.h`` is the specification; a test compares the two field by field.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path

VERSION = 1
F32, F16 = 0, 1
CANDIDATE, IN_FLIGHT, LABELED, REFUSED, EXCLUDED = range(5)
ARMS = ("policy", "control", "share", "include")
AGGREGATES = ("max", "mean", "sum")
NEIGHBORS_K_MAX = 1024
NEIGHBORS_MODES = ("auto", "exact", "approximate")
FILTERS = {None: 0, True: 1, False: 2}
OK, CANCELED, NO_MEMORY, BAD_INPUT, NEEDS_COLUMN = range(5)
UNBOUNDED_MONEY = 2**63 - 1
UNBOUNDED_COUNT = ctypes.c_size_t(-1).value

ProgressFunction = CFUNCTYPE(c_bool, c_void_p, c_double)


class Rows(Structure):
    """``struct kernel_rows``."""

    _fields_ = (
        ("count", c_size_t),
        ("width", c_size_t),
        ("row_bytes", c_size_t),
        ("dtype", c_int),
        ("rows_per_block", c_size_t),
        ("blocks", POINTER(c_void_p)),
        ("present", POINTER(c_void_p)),
    )


class TopK(Structure):
    """``struct kernel_topk``."""

    _fields_ = (("probability", Rows), ("class_blocks", POINTER(c_void_p)), ("class_row_bytes", c_size_t))


class Input(Structure):
    """``struct select_input``."""

    _fields_ = (
        ("n", c_size_t),
        ("classes", c_size_t),
        ("state", POINTER(c_uint8)),
        ("label", POINTER(c_int32)),
        ("price", POINTER(c_int64)),
        ("group", POINTER(c_uint32)),
        ("tags", POINTER(c_uint64)),
        ("probabilities", POINTER(Rows)),
        ("topk", POINTER(TopK)),
        ("multi_label", c_bool),
        ("draws", POINTER(Rows)),
        ("draw_count", c_size_t),
        ("objects", POINTER(Rows)),
        ("object_first", POINTER(c_uint64)),
        ("utility", POINTER(Rows)),
        ("embeddings", POINTER(Rows)),
    )


class Share(Structure):
    """``struct select_share``."""

    _fields_ = (("is_class", c_bool), ("index", c_uint32), ("share", c_double), ("maximum", c_double))


class Parameters(Structure):
    """``struct select_parameters``."""

    _fields_ = (
        ("aggregate", c_int),
        ("neighbors", c_size_t),
        ("clusters", c_size_t),
        ("margin_pool", c_size_t),
        ("radius", c_double),
        ("purity", c_double),
        ("redundancy", c_double),
        ("outlier_share", c_double),
        ("power", c_double),
        ("class_sought", c_uint32),
    )


class Policy(Structure):
    """``struct select_policy``."""

    _fields_ = (
        ("strategy", c_int),
        ("seed", c_uint64),
        ("budget", c_int64),
        ("count", c_size_t),
        ("spares", c_size_t),
        ("overlap", c_uint32),
        ("control_share", c_double),
        ("group_max", c_uint32),
        ("tags_excluded", c_uint64),
        ("class_weight", POINTER(c_double)),
        ("tag_weight", POINTER(c_double)),
        ("shares", POINTER(Share)),
        ("share_count", c_size_t),
        ("include", POINTER(c_uint32)),
        ("include_count", c_size_t),
        ("duplicates", c_int),
        ("junk", c_int),
        ("parameters", Parameters),
        ("references_max", c_size_t),
        ("threads", c_uint),
        ("progress", ProgressFunction),
        ("progress_context", c_void_p),
    )


class Pick(Structure):
    """``struct select_pick``."""

    _fields_ = (
        ("slot", c_uint32),
        ("arm", c_int),
        ("share", c_int32),
        ("predicted", c_int32),
        ("price", c_int64),
        ("probability", c_double),
        ("uncertainty", c_double),
        ("class_weight", c_double),
        ("slice_weight", c_double),
        ("gain", c_double),
        ("utility", c_double),
    )


class Stats(Structure):
    """``struct select_stats``."""

    _fields_ = (
        ("candidates", c_size_t),
        ("duplicates_out", c_size_t),
        ("junk_out", c_size_t),
        ("references", c_size_t),
        ("radius", c_double),
        ("temperature", c_double),
        ("objective", c_double),
    )


class Result(Structure):
    """``struct select_result``."""

    _fields_ = (
        ("picks", POINTER(Pick)),
        ("count", c_size_t),
        ("spare_count", c_size_t),
        ("cost", c_int64),
        ("stats", Stats),
    )


class Neighbors(Structure):
    """``struct select_neighbors``."""

    _fields_ = (
        ("k", c_size_t),
        ("mode", c_int),
        ("recall_wanted", c_double),
        ("seed", c_uint64),
        ("threads", c_uint),
        ("progress", ProgressFunction),
        ("progress_context", c_void_p),
        ("slots", POINTER(c_uint32)),
        ("distances2", POINTER(c_float)),
        ("recall", c_double),
    )


class Duplicates(Structure):
    """``struct select_duplicates``."""

    _fields_ = (
        ("radius", c_double),
        ("threads", c_uint),
        ("progress", ProgressFunction),
        ("progress_context", c_void_p),
        ("group", POINTER(c_uint32)),
        ("groups", c_size_t),
    )


class Outliers(Structure):
    """``struct select_outliers``."""

    _fields_ = (
        ("threads", c_uint),
        ("progress", ProgressFunction),
        ("progress_context", c_void_p),
        ("score", POINTER(c_float)),
        ("bound", c_double),
        ("radius", c_double),
    )


class Error(Structure):
    """``struct select_error``."""

    _fields_ = (("field", c_char_p), ("expected", c_char * 96), ("got", c_char * 96))


# In the header's order.
STRUCTS = {
    "kernel_rows": Rows,
    "kernel_topk": TopK,
    "select_input": Input,
    "select_share": Share,
    "select_parameters": Parameters,
    "select_policy": Policy,
    "select_pick": Pick,
    "select_stats": Stats,
    "select_result": Result,
    "select_neighbors": Neighbors,
    "select_duplicates": Duplicates,
    "select_outliers": Outliers,
    "select_error": Error,
}


def _path() -> str:
    """Where the library is: as the environment says, in the source tree this file is part of, or installed."""
    if path := os.environ.get("CURATED_SELECT_LIBRARY"):
        return path
    built = Path(__file__).resolve().parents[3] / "build" / "libcurated-select.so"
    if built.exists():
        return str(built)
    if found := ctypes.util.find_library("curated-select"):
        return found
    raise ImportError(
        "libcurated-select.so was not found: build it with `make`, install it with `make install`, "
        "or name it in CURATED_SELECT_LIBRARY"
    )


@functools.cache
def library() -> ctypes.CDLL:
    """Return the library, loaded once."""
    loaded = ctypes.CDLL(_path())
    loaded.select_version.restype = c_uint
    if (version := loaded.select_version()) != VERSION:
        raise ImportError(f"libcurated-select.so has version {version} of its interface; this package knows {VERSION}")
    loaded.select_run.argtypes = (POINTER(Input), POINTER(Policy), POINTER(Result), POINTER(Error))
    loaded.select_run.restype = c_int
    loaded.select_result_deinit.argtypes = (POINTER(Result),)
    loaded.select_result_deinit.restype = None
    loaded.select_neighbors.argtypes = (POINTER(Rows), POINTER(Neighbors), POINTER(Error))
    loaded.select_neighbors.restype = c_int
    loaded.select_duplicates.argtypes = (POINTER(Rows), POINTER(Duplicates), POINTER(Error))
    loaded.select_duplicates.restype = c_int
    loaded.select_outliers.argtypes = (POINTER(Rows), POINTER(Outliers), POINTER(Error))
    loaded.select_outliers.restype = c_int
    loaded.select_rows_check.argtypes = (POINTER(Rows), c_uint, POINTER(c_size_t))
    loaded.select_rows_check.restype = c_int
    loaded.select_policy_default.argtypes = ()
    loaded.select_policy_default.restype = Policy
    loaded.select_strategy_parse.argtypes = (c_char_p, c_size_t, POINTER(c_int))
    loaded.select_strategy_parse.restype = c_bool
    loaded.select_strategy_name.argtypes = (c_int,)
    loaded.select_strategy_name.restype = c_char_p
    loaded.select_kernels_name.restype = c_char_p
    return loaded
