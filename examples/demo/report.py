"""What came of the money: a table, a plot and build/demo/summary.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, median

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@dataclass
class Point:
    """Where a run stood after a round."""

    dollars: float
    labels: int
    accuracy: float
    rare_recall: float


@dataclass
class Run:
    """One strategy on one seed."""

    strategy: str
    seed: int
    refused: int = 0
    curve: list[Point] = field(default_factory=list)

    @property
    def last(self) -> Point:
        return self.curve[-1]


def dollars_to_reach(curve: list[Point], accuracy: float) -> float | None:
    """Dollars at which a curve first reaches an accuracy, on straight lines between rounds; None: never."""
    before = None
    for point in curve:
        if point.accuracy >= accuracy:
            if before is None:
                return point.dollars
            share = (accuracy - before.accuracy) / (point.accuracy - before.accuracy)
            return before.dollars + share * (point.dollars - before.dollars)
        before = point
    return None


def pairs(runs: list[Run]) -> list[tuple[Run, Run]]:
    """Each seed's run of `auto` and of `random`."""
    by_name = {(run.strategy, run.seed): run for run in runs}
    return [(by_name["auto", seed], by_name["random", seed]) for name, seed in by_name if name == "random"]


def dollars_ratios(runs: list[Run]) -> list[float | None]:
    """For each seed: auto's dollars to reach random's final accuracy, over random's own to reach it first."""
    ratios = []
    for auto, chance in pairs(runs):
        reached = dollars_to_reach(auto.curve, chance.last.accuracy)
        needed = dollars_to_reach(chance.curve, chance.last.accuracy)
        ratios.append(None if reached is None or needed is None else reached / needed)
    return ratios


def median_ratio(ratios: list[float | None]) -> float | None:
    """The median seed's ratio; a seed that never got there is worse than all that did."""
    middle = median(float("inf") if ratio is None else ratio for ratio in ratios)
    return None if middle == float("inf") else middle


def row(strategy: str, seed: object, end: Point, junk: object, reached: str) -> str:
    """One line of the table."""
    figures = f"{end.dollars:>8.2f} {end.labels:>7.0f} {junk:>5} {end.accuracy:>9.4f} {end.rare_recall:>12.4f}"
    return f"{strategy:<8} {seed:>5} {figures} {reached:>13}".rstrip()


def table(runs: list[Run]) -> str:
    lines = ["strategy  seed  dollars  labels  junk  accuracy  rare recall  reach random"]
    for auto, chance in pairs(runs):
        for run in (auto, chance):
            reached = dollars_to_reach(run.curve, chance.last.accuracy)
            at = "never" if reached is None else f"${reached:.2f}"
            lines.append(row(run.strategy, run.seed, run.last, run.refused, at))
    for strategy in ("auto", "random"):
        ends = [run.last for run in runs if run.strategy == strategy]
        average = Point(*(mean(getattr(end, name) for end in ends) for name in Point.__dataclass_fields__))
        lines.append(row(strategy, "mean", average, "", ""))
    return "\n".join(lines)


def plot(runs: list[Run], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharex=True)
    colors = {"auto": "tab:blue", "random": "tab:gray"}
    for run in runs:
        dollars = [point.dollars for point in run.curve]
        label = run.strategy if run.seed == runs[0].seed else None
        for axis, name in zip(axes, ("accuracy", "rare_recall"), strict=True):
            axis.plot(
                dollars, [getattr(point, name) for point in run.curve], "o-", ms=3, color=colors[run.strategy], label=label
            )
    axes[0].set(title="accuracy on the test images", xlabel="dollars spent on labels")
    axes[1].set(title="recall of the three rarest classes", xlabel="dollars spent on labels")
    axes[0].legend()
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def write_summary(runs: list[Run], verify: str, path: Path) -> None:
    ratios = dollars_ratios(runs)
    summary = {
        "runs": [{"strategy": run.strategy, "seed": run.seed, **asdict(run.last), "refused": run.refused,
                  "curve": [asdict(point) for point in run.curve]} for run in runs],
        "dollars_ratios": ratios,
        "dollars_ratio": median_ratio(ratios),
        "verify": verify,
    }  # fmt: skip
    path.write_text(json.dumps(summary, indent=2) + "\n")
