"""Watches every process of the machine, the lab's hosts included, for what must never be in its arguments."""

from __future__ import annotations

import threading
import time
from pathlib import Path

__all__ = ["Sampler"]


class Sampler:
    """A context manager; ``seen`` holds each distinct command line and environment afterwards.

    The hosts are containers: their processes stand in this machine's /proc too.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.rounds = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        known: set[str] = set()
        while not self._over.is_set():
            now = {entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()}
            # a process that has been seen is looked at again now and then: it may have become another
            fresh = now - known if self.rounds % 10 else now
            for pid in fresh:
                for what in ("cmdline", "environ"):
                    try:
                        self.seen.add(Path(f"/proc/{pid}/{what}").read_bytes())
                    except OSError:
                        continue
            known = now
            self.rounds += 1
            time.sleep(0.002)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
