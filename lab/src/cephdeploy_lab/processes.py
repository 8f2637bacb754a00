"""Commands that take a while: their output goes to a log, their progress to a person, and none outlives its caller."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cephdeploy_lab.errors import LabError

_PROGRESS = "== "
_TAIL = 12


class Processes:
    """The commands that run now, so that an interruption can end them, each by its own pid."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    def run(
        self,
        argv: Sequence[str],
        *,
        what: str,
        log: Path,
        say: Callable[[str], None],
        timeout: float,
    ) -> None:
        """Run one command to its end; lines of it that begin with "== " are progress."""
        began = time.monotonic()
        with log.open("a") as file:
            with self._lock:
                if self._stopped:
                    raise LabError(f"{what} was not begun: the lab is being stopped")
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                    errors="replace", start_new_session=True,
                )  # fmt: skip
                self._running.add(process)
            watch = threading.Timer(timeout, process.kill)
            watch.start()
            assert process.stdout is not None  # a pipe was asked for
            try:
                for line in process.stdout:
                    file.write(line)
                    file.flush()
                    if line.startswith(_PROGRESS):
                        say(line.removeprefix(_PROGRESS).rstrip())
                status = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                process.stdout.close()
                watch.cancel()
                with self._lock:
                    self._running.discard(process)
        if self._stopped:
            raise LabError(f"{what} was interrupted", log=log)
        if status:
            late = time.monotonic() - began >= timeout
            ended = f"did not end within {timeout:.0f} s" if late else f"failed with status {status}"
            raise LabError(f"{what} {ended}", log=log)

    def stop(self) -> None:
        """End everything that runs, and begin nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                # not a softer signal: unshare, for one, hears none while it has a child
                process.kill()


def tail_of(log: Path) -> str:
    """Return the last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
    except FileNotFoundError:
        return ""
