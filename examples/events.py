"""Prints a project's events as they happen, one JSON object a line, without missing one.

python examples/events.py --project digits --since 0
"""

from __future__ import annotations

import argparse
import json
import signal

from curated import Client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", default="tcp://127.0.0.1:7811", help="the daemon's request socket")
    parser.add_argument("--events", help="the daemon's event socket (default: the next port)")
    parser.add_argument("--project", default="digits")
    parser.add_argument("--since", type=int, help="start after this event (default: with what happens from now on)")
    parser.add_argument("--timeout", type=float, help="end when nothing happened for so many seconds")
    options = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end with the reader of a pipe, as programs do
    with Client(options.requests, project=options.project, events=options.events) as client:
        for event in client.follow(since=options.since, timeout_s=options.timeout):
            print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
