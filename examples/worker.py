"""A minimal annotation worker: asks a command, or whoever sits at the terminal, for each label.

    python examples/worker.py --project digits --worker anna
    python examples/worker.py --project digits --worker model --command './label.sh'

With --command, the command is run for each item with its key and URI as arguments, and prints a class name; printing nothing
skips the item.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess

from curated import Client, LeaseLost, WorkItem


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", default="tcp://127.0.0.1:7811", help="the daemon's request socket")
    parser.add_argument("--events", help="the daemon's event socket (default: the next port)")
    parser.add_argument("--project", default="digits")
    parser.add_argument("--worker", default="w1", help="this worker's name")
    parser.add_argument("--command", help="gives the label")
    parser.add_argument("--limit", type=int, help="end after so many items")
    parser.add_argument("--idle", type=float, help="end after so many seconds without work")
    return parser.parse_args()


def ask(item: WorkItem, command: str | None) -> str:
    if command is None:
        return input(f"{item.key} {item.uri or ''} (${item.price_usd:.2f}): ").strip()
    result = subprocess.run([*shlex.split(command), item.key, item.uri or ""], stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout.strip()


def main() -> None:
    options = arguments()
    earned = 0.0
    with Client(options.requests, project=options.project, events=options.events) as client:
        # work() waits for batches, and keeps an item's lease alive for as long as the answer takes.
        for item in client.work(options.worker, limit=options.limit, idle_s=options.idle):
            label = ask(item, options.command)
            try:
                if label:
                    item.submit(label)
                    earned += item.price_usd
                else:
                    item.skip("no answer")
            except LeaseLost:
                print(f"{item.key} was given to somebody else meanwhile", flush=True)
    print(f"{options.worker}: ${earned:.2f}", flush=True)


if __name__ == "__main__":
    main()
