"""Runs the benches against a real daemon, each with its baseline in the same run; one JSON line a figure.

    make bench          or          python test/bench/run.py --build build [--quick] [--only ingest,leases]

The C programs of the kernels run first; their lines are passed through. `ratio` is the baseline's time over ours.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import ingest
import leases
import mixed
import sampling
import scale
from curated import LocalDaemon
from images import behind_random_layer, clumps, fashion_mnist
from measure import Recorder

WITH_DAEMON = {"ingest": ingest, "leases": leases, "mixed": mixed}
NAMES = ("c", "large", "sampling", *WITH_DAEMON, "scale")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--output", type=Path, help="default: bench.jsonl in the build folder")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--only", default=",".join(NAMES), help=f"which, with commas: {', '.join(NAMES)}")
    options = parser.parse_args()
    options.output = options.output or options.build / "bench.jsonl"
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(NAMES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    return options


def c_programs(build: Path, folder: Path) -> list[list[str]]:
    """The C programs that measure kernels, with their arguments."""
    points = {"images": fashion_mnist(), "clumps": clumps(1_000_000)}
    points["embeddings"] = behind_random_layer(points["images"])
    kcenter = []
    for name, k in (("images", 1000), ("embeddings", 1000), ("images", 10_000), ("embeddings", 10_000), ("clumps", 1000)):
        file = folder / f"{name}.f32"
        points[name].tofile(file)
        shape = [str(size) for size in points[name].shape]
        kcenter.append([str((build / "bench" / "bench_kcenter").resolve()), str(file), *shape, str(k)])
    return [
        [str((build / "bench" / "bench_gemm").resolve())],
        [str((build / "bench" / "bench_scores").resolve())],
        *kcenter,
    ]


def large_pools(build: Path, quick: bool) -> list[list[str]]:
    """Selection from pools of a million samples and of ten."""
    program = str((build / "bench" / "bench_large").resolve())
    many = 10 if quick else 1
    return [
        [program, str(1_000_000 // many), "512", "f32", "auto", "random", "margin", "entropy", "kcenter"],
        [program, str(1_000_000 // many), "512", "f16", "auto", "kmeans++", "badge", "probcover", "typiclust"],
        [program, str(10_000_000 // many), "64", "f16", "auto", "random", "margin"],
    ]


def run_c_programs(commands: list[list[str]], recorder: Recorder) -> int:
    """Run benches in C, passing on the lines that are JSON. Returns how many failed."""
    failed = 0
    for command in commands:
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        for line in result.stdout.splitlines():
            if line.startswith("{"):
                recorder.write(line)
        if result.returncode != 0:
            failed += 1
            print(f"{command[0]} ended with status {result.returncode}", file=sys.stderr)
    return failed


def main() -> int:
    options = arguments()
    recorder = Recorder(options.output)
    program = options.build / "curated"
    failed = 0
    # In the build folder, not in /tmp, which may be memory: the disk is what is measured.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.build) as folder:
        if "c" in options.only:
            failed = run_c_programs(c_programs(options.build, Path(folder)), recorder)
        if "large" in options.only:
            failed += run_c_programs(large_pools(options.build, options.quick), recorder)
        if "sampling" in options.only:
            sampling.run(recorder, [12_000 if options.quick else 20_000])
        for name, module in WITH_DAEMON.items():
            if name in options.only:
                with LocalDaemon(program, Path(folder) / name) as daemon:
                    module.run(options.build, daemon, recorder, options.quick)
        if "scale" in options.only:
            scale.run(program, Path(folder), recorder, options.quick)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
