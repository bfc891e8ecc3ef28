"""One annotator, a process of its own: subscribes, leases, thinks, answers. Sometimes wrong; junk is "none of these".

Usage: annotator.py REQUESTS EVENTS PROJECT WORKER ANSWERS.npy SEED
"""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import threading
import time

import numpy as np
from curated import Client, LeaseLost

ERROR_RATE = 0.02
THINK_S = 0.003  # a few seconds, scaled down a thousand times
CLASSES = 10


def main() -> None:
    requests, events, project, worker, answers, seed = sys.argv[1:]
    truth = np.load(answers)
    chance = random.Random(f"{seed}/{worker}")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with Client(requests, project=project, events=events) as client:
        for item in client.work(worker, lease_s=30, prefetch=4, stop=stop):
            time.sleep(chance.expovariate(1 / THINK_S))
            answer = int(truth[item.slot])
            # A lease that was lost meanwhile is somebody else's to answer.
            with contextlib.suppress(LeaseLost):
                if answer < 0:
                    item.none_of_these()
                else:
                    item.submit(chance.randrange(CLASSES) if chance.random() < ERROR_RATE else answer)


if __name__ == "__main__":
    main()
