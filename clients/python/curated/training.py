"""What a training loop says to the daemon: samples, vectors, predictions, evaluations; and the labels it reads back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import push as pushing
from .connection import Reply, Session
from .money import Usd, prices_to_microusd, to_microusd, with_usd
from .wire import KEYS_PER_REQUEST, MAX_SAMPLES_PER_REQUEST, floats, key_list, little_endian, samples_field, slot_array

DEFAULT_SPACE = "default"
_USD_SETTINGS = ("price", "budget_low")
# With URIs of full length these make requests of about 13 and 23 MB.
_KEYS_PER_PUT = 50_000
_SAMPLES_PER_PUT = 10_000
_LABELS_PER_PAGE = 100_000


@dataclass(frozen=True)
class LabelPage:
    """A stretch of the label log, as columns.

    `labels` are class indices, -1 where there is none; `values` are what was answered beyond a class, None where nothing.
    """

    seqs: NDArray[np.int64]
    slots: NDArray[np.uint32]
    labels: NDArray[np.int32]
    settled: NDArray[np.uint8]
    charged_microusd: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    batches: NDArray[np.uint32]
    keys: list[str]
    workers: list[str]
    values: list[bytes | None]


def settings_fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return project settings as on the wire: amounts in dollars become micro-dollars."""
    fields: dict[str, Any] = {}
    for name, value in settings.items():
        stem = name.removesuffix("_usd")
        if value is None:
            continue
        if stem != name and stem in _USD_SETTINGS:
            fields[f"{stem}_microusd"] = to_microusd(value)
        elif name == "type_prices_usd":
            fields["type_prices_microusd"] = {type_: to_microusd(price) for type_, price in value.items()}
        else:
            fields[name] = value
    return fields


class Training:
    """The calls of a training loop."""

    session: Session

    def create_project(self, classes: Sequence[str], price_usd: Usd, seed: int | None = None, **settings: Any) -> bool:
        """Create the project. One that exists with the same settings is fine; other settings raise `Conflict`.

        Parameters
        ----------
        classes : sequence of str
            Class names; labels are these names or their indices.
        price_usd : number, Decimal or str
            Price of one label of a sample that has no price of its own.
        seed : int, optional
            Seed of every random choice.
        **settings
            Any other setting of the protocol (``overlap=3``, ``lease_ms=…``, ``replenish_depth=…``). Amounts of money
            go by dollars: ``type_prices_usd={"box": 0.5}``, ``budget_low_usd=5``.

        Returns
        -------
        bool
            Whether the project is new.
        """
        fields = settings_fields({"classes": list(classes), "price_usd": price_usd, "seed": seed, **settings})
        return bool(self.session.call("PROJECT.CREATE", **fields)["created"])

    def set_project(self, **settings: Any) -> None:
        """Change settings of the project, named as for `create_project`."""
        self.session.call("PROJECT.SET", **settings_fields(settings))

    def project(self) -> Reply:
        """Return the project's settings, its number of samples and when it was created."""
        reply: Reply = with_usd(self.session.call("PROJECT.GET"))
        return reply

    def add_samples(
        self,
        keys: Iterable[str],
        uris: Sequence[str | None] | None = None,
        prices_usd: Sequence[Usd | None] | None = None,
        groups: Sequence[str | None] | None = None,
        tags: Sequence[Sequence[str]] | None = None,
    ) -> NDArray[np.uint32]:
        """Register samples, or update the given columns of known ones.

        Parameters
        ----------
        keys : iterable of str
            One unique name a sample.
        uris, prices_usd, groups, tags : sequences as long as keys, optional
            Where the sample lies; what its label costs (None: the project's price); which group it belongs to
            (frames of one clip, say); which slices it is in.

        Returns
        -------
        array of uint32
            The samples' slots, in the order of `keys`. Pushing by slot is quicker than by key.
        """
        keys = key_list(keys)
        columns: dict[str, Any] = {"uris": uris, "groups": groups, "tags": tags}
        if prices_usd is not None:
            columns["prices_microusd"] = np.array(prices_to_microusd(prices_usd), dtype="<i8")
        columns = {name: column for name, column in columns.items() if column is not None}
        for name, column in columns.items():
            if len(column) != len(keys):
                raise ValueError(f"{name} has {len(column)} entries for {len(keys)} keys")
        step = _SAMPLES_PER_PUT if columns else _KEYS_PER_PUT
        requests = (
            self.session.encode(
                "SAMPLE.PUT",
                keys=keys[start : start + step],
                **{name: _part(column[start : start + step]) for name, column in columns.items()},
            )
            for start in range(0, len(keys), step)
        )
        slots = [reply["slots"] for reply in self.session.connection.pipeline(requests, window=2)]
        return np.concatenate(slots) if slots else np.empty(0, dtype=np.uint32)

    def samples(self, keys: Iterable[str] | None = None, slots: Any = None) -> list[dict[str, Any]]:
        """Return what the daemon knows of some samples, as a list of dicts."""
        reply = self.session.call("SAMPLE.GET", **samples_field(keys=keys, slots=slots))
        samples: list[dict[str, Any]] = with_usd(reply["samples"])
        return samples

    def drop_samples(self, keys: Iterable[str] | None = None, slots: Any = None) -> int:
        """Take samples out of the pool. `add_samples` takes them back."""
        return int(self.session.call("SAMPLE.DROP", **samples_field(keys=keys, slots=slots))["dropped"])

    def push(
        self,
        keys: Sequence[str] | None = None,
        *,
        probs: Any = None,
        logits: Any = None,
        draws: Any = None,
        topk: Any = None,
        utility: Any = None,
        embeddings: Any = None,
        space: str | None = None,
        slots: Any = None,
        model_version: int | None = None,
        activate: bool = True,
        progress: bool | None = None,
    ) -> int:
        """Push predictions, embeddings or both.

        The arrays are cut into requests of some megabytes and sent without copying, a few under way at a time.
        Predictions are staged under their model version and activated at the end, so no batch is chosen from half an
        upload; pushing again after a failure is safe.

        Parameters
        ----------
        keys : sequence of str, optional
            The samples the rows belong to. With neither keys nor slots the rows are all samples of the project,
            in order of registration.
        probs, logits : array of shape (n, classes), optional
            Class probabilities, or logits, which the daemon turns into probabilities. Half floats stay half floats;
            anything but half and single becomes single.
        draws : array of shape (n, draws, classes), optional
            In place of `probs`: 2 to 64 predictions of each sample, from Monte-Carlo dropout or a committee. Their mean
            serves as `probs`; ``"bald"``, ``"power_bald"``, ``"variation_ratio"``, ``"vote_entropy"`` and
            ``"committee_kl"`` read the draws themselves. (`select` takes them as (draws, n, classes): here a sample's
            draws belong together, since samples are pushed in parts.)
        topk : pair of arrays of shape (n, k), optional
            Class indices and their probabilities, likeliest first.
        utility : array of shape (n,), optional
            A number of your own for strategy ``"utility"``.
        embeddings : array of shape (n, d), optional
            Vectors for the space named `space` (``"default"``).
        slots : array of int, optional
            The samples the rows belong to, by slot, in place of keys.
        model_version : int, optional
            Needed with predictions. Versions only grow.
        activate : bool
            Activate the version after the push.
        progress : bool, optional
            Show a progress bar; by default when stderr is a terminal and the push is large.

        Returns
        -------
        int
            The number of rows pushed.
        """
        keys = None if keys is None else key_list(keys)
        columns = pushing.prediction_columns(probs, logits, draws, topk, utility)
        predictions = bool(columns)
        fields: dict[str, Any] = {}
        if embeddings is not None:
            columns["embeddings"] = floats(embeddings)
            fields["space"] = space or DEFAULT_SPACE
        if not columns:
            raise TypeError("nothing to push: give probs, logits, draws, topk, utility or embeddings")
        if predictions and model_version is None:
            raise TypeError("predictions need a model_version")
        rows = pushing.row_count(columns)
        slots = None if slots is None else slot_array(slots)
        self._check_names(rows, keys, slots)
        if predictions:
            fields["model_version"] = model_version
            self.session.call("MODEL.BEGIN", model_version=model_version)
        op = "PRED.PUT" if predictions else "EMB.PUT"
        total = -(-rows // pushing.rows_per_request(columns, keys))
        pushing.send(self.session, pushing.requests(self.session, op, columns, keys, slots, **fields), total, progress, op)
        if predictions and activate:
            self.session.call("MODEL.ACTIVATE", model_version=model_version)
        return rows

    def _check_names(self, rows: int, keys: Sequence[str] | None, slots: NDArray[Any] | None) -> None:
        if keys is not None and slots is not None:
            raise TypeError("name samples by keys or by slots, not both")
        named = keys if keys is not None else slots
        count = len(named) if named is not None else int(self.session.call("PROJECT.GET")["samples"])
        if count != rows:
            raise ValueError(f"{rows} rows for {count} samples")

    def begin_model(self, model_version: int) -> str:
        """Stage a model version; returns ``"staged"`` or ``"active"``. `push` does this by itself."""
        return str(self.session.call("MODEL.BEGIN", model_version=model_version)["state"])

    def activate_model(self, model_version: int) -> None:
        """Let selection use this model version from now on. `push` does this by itself."""
        self.session.call("MODEL.ACTIVATE", model_version=model_version)

    def drop_model(self, model_version: int) -> None:
        """Drop a model version that is not the active one. Its number can't be used again."""
        self.session.call("MODEL.DROP", model_version=model_version)

    def evaluate(
        self,
        model_version: int,
        metrics: Mapping[str, float] | None = None,
        per_class: Mapping[str, Any] | None = None,
        per_slice: Mapping[str, Any] | None = None,
        correct: Any = None,
        trained_on: int | None = None,
    ) -> int:
        """Report how a model version did on held-out data.

        Parameters
        ----------
        model_version : int
            The version.
        metrics : mapping of str to float, optional
            Overall figures, such as ``{"accuracy": 0.81}``.
        per_class, per_slice : mapping, optional
            A number, or a mapping of metrics, for each class name or tag. What does worse weighs more in the next
            ``auto`` batch.
        correct : array of bool, optional
            Whether each sample of a fixed evaluation set was right.
        trained_on : int, optional
            How many labels the version was trained on.

        Returns
        -------
        int
            The number of its event.
        """
        if correct is not None:
            if not np.isin(correct, (0, 1)).all():
                raise ValueError("correct must be 0 or 1 for each sample")
            correct = little_endian(correct, ("|u1",), "|u1")
        reply = self.session.call(
            "EVAL.PUT",
            model_version=model_version,
            metrics=_numbers(metrics),
            per_class=_numbers(per_class),
            per_slice=_numbers(per_slice),
            correct=correct,
            trained_on=trained_on,
        )
        return int(reply["seq"])

    def import_labels(
        self,
        labels: Sequence[str] | Sequence[int] | NDArray[Any],
        keys: Iterable[str] | None = None,
        slots: Any = None,
        source: str | None = None,
    ) -> int:
        """Register labels that are known already. They cost nothing. Returns how many were new."""
        names = samples_field(keys=keys, slots=slots)
        name: str
        samples: Any
        name, samples = next(iter(names.items()))
        values: Any
        if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
            values = labels.astype("<i8")
        else:
            values = [label.item() if isinstance(label, np.generic) else label for label in labels]
        if len(values) != len(samples):
            raise ValueError(f"{len(values)} labels for {len(samples)} samples")
        imported = 0
        step = MAX_SAMPLES_PER_REQUEST if name == "slots" else KEYS_PER_REQUEST
        for start in range(0, len(samples), step):
            part = slice(start, start + step)
            reply = self.session.call("LABEL.IMPORT", **{name: samples[part]}, labels=values[part], source=source)
            imported += int(reply["imported"])
        return imported

    def label_log(self, since: int = 0) -> Iterator[LabelPage]:
        """Yield the label log in pages, from after the sequence number `since`: every answer, late ones too."""
        more = True
        while more:
            reply = self.session.call("LABELS.SINCE", since=since, limit=_LABELS_PER_PAGE)
            if len(reply["seqs"]):
                yield LabelPage(**{name: reply[name] for name in LabelPage.__dataclass_fields__})
            since, more = reply["next"], reply["more"]

    def labels(self, indices: bool = False) -> tuple[list[str], NDArray[Any], NDArray[np.float64]]:
        """Return what to train on: one row for each sample and label it was given.

        Of each sample the newest label counts: the answers of the newest batch that it was in, or the newest
        import. An answer that names no class (only a value) gives no row but takes its share; "none of these" is no label.

        Parameters
        ----------
        indices : bool
            Give class indices in place of class names.

        Returns
        -------
        keys : list of str
        labels : array of str, or of int with `indices`
        weights : array of float
            The share of the sample's settled answers that say so; 1 where all agree.
        """
        answers: dict[int, tuple[int, str, list[int]]] = {}
        for page in self.label_log():
            rows = zip(page.slots.tolist(), page.labels.tolist(), page.batches.tolist(), page.keys, page.settled, strict=True)
            for slot, label, batch, key, settled in rows:
                if not settled:
                    continue
                known = answers.get(slot)
                if known is None or batch == 0 or known[0] != batch:
                    answers[slot] = (batch, key, [label])
                else:
                    known[2].append(label)
        keys, labels, weights = [], [], []
        for _, key, given in answers.values():
            for label in dict.fromkeys(given):
                if label >= 0:
                    keys.append(key)
                    labels.append(label)
                    weights.append(given.count(label) / len(given))
        chosen: NDArray[Any] = np.array(labels, dtype=np.int64)
        if not indices:
            chosen = np.array(self.project()["classes"], dtype=object)[chosen] if labels else np.array([], dtype=object)
        return keys, chosen, np.array(weights)


def _part(part: Any) -> Any:
    return part if isinstance(part, np.ndarray) and part.dtype.kind == "i" else [_plain(item) for item in part]


def _plain(item: Any) -> Any:
    if item is None or isinstance(item, str):
        return item
    return [str(tag) for tag in item]


def _numbers(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a map of figures with numpy's numbers as Python's."""
    if values is None:
        return None
    return {
        str(name): _numbers(value) if isinstance(value, Mapping) else (int(value) if isinstance(value, int) else float(value))
        for name, value in values.items()
    }
