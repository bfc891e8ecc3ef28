"""A private daemon: for tests, notebooks and demonstrations."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO

from .client import Client

START_S = 30.0
STOP_S = 30.0
# Small enough for the address space of a daemon that is built with a sanitizer; `options` can say otherwise.
VECTORS_MAP_BYTES = 1 << 36


class LocalDaemon:
    """Runs a daemon program as a child process, by default on free ports and a temporary store.

    Parameters
    ----------
    program : str or Path
        The ``curated`` program.
    store : str or Path, optional
        Folder of the store; by default a temporary one that `stop` removes.
    options : sequence of str
        Further command-line options.

    Examples
    --------
    >>> with LocalDaemon("build/curated") as daemon:  # doctest: +SKIP
    ...     client = daemon.client("demo")
    """

    def __init__(self, program: str | Path, store: str | Path | None = None, options: tuple[str, ...] = ()) -> None:
        self.program = str(program)
        self.options = options
        self._temporary = None if store else tempfile.mkdtemp(prefix="curated-")
        self.store = Path(store or self._temporary or "")
        self.requests = "tcp://127.0.0.1:*"
        self.events = "tcp://127.0.0.1:*"
        self.log: deque[str] = deque(maxlen=10_000)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._ready = threading.Event()

    @property
    def pid(self) -> int:
        """The process id of the running daemon."""
        if self._process is None:
            raise RuntimeError("the daemon is not running")
        return self._process.pid

    def start(self) -> LocalDaemon:
        """Start the daemon, at its former addresses if it ran before, and wait until it answers."""
        self._ready.clear()
        command = [self.program, f"--store={self.store}", f"--requests={self.requests}", f"--events={self.events}"]
        command.append(f"--vectors-map-bytes={VECTORS_MAP_BYTES}")
        # In a session of its own, so that a Ctrl-C at the terminal is this program's to answer.
        self._process = subprocess.Popen(
            [*command, *self.options],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read_log, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        self._ready.wait(START_S)
        if self._process.poll() is not None or not self.requests.rpartition(":")[2].isdigit():
            self.kill()
            raise RuntimeError("the daemon did not start:\n" + "\n".join(self.log))
        return self

    def stop(self) -> int:
        """Stop the daemon with SIGTERM and return its exit status. Removes a temporary store."""
        try:
            return self._end(signal.SIGTERM)
        finally:
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)

    def terminate(self) -> int:
        """Stop the daemon with SIGTERM, keeping its store, and return its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Stop the daemon with SIGKILL, as a crash would, keeping its store."""
        return self._end(signal.SIGKILL)

    def client(self, project: str | None = None, timeout: float = 60.0) -> Client:
        """Return a client of this daemon."""
        return Client(self.requests, project=project, events=self.events, timeout=timeout)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            status = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if self._reader is not None:
            self._reader.join()
        return status

    def _read_log(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.log.append(line.rstrip("\n"))
                if "msg=ready" in line:
                    addresses = dict(re.findall(r"\b(requests|events)=(\S+)", line))
                    self.requests = addresses.get("requests", self.requests)
                    self.events = addresses.get("events", self.events)
                    self._ready.set()
        self._ready.set()  # it ended: whoever waits for it looks

    def __enter__(self) -> LocalDaemon:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
