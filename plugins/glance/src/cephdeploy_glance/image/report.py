"""What ``cephdeploy image`` shows: a bar while bytes move, and a table."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cephdeploy.report.words import plain

if TYPE_CHECKING:
    from .judging import Judged

__all__ = ["Progress", "size", "table"]


class Progress:
    """How far it is: a moving bar on a terminal, a line every ten seconds elsewhere. Always on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description:12}"), BarColumn(), DownloadColumn(binary_units=True))
        self._live = sys.stderr.isatty()
        self._bars = Bars(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True),
                          transient=True, disable=not self._live)  # fmt: skip
        self._tasks: dict[str, object] = {}
        self._said = time.monotonic()

    def step(self, what: str, done: int, whole: int) -> None:
        """So much is done; 0 for the whole: it is not known."""
        if self._live:
            task = self._tasks.setdefault(what, None) or self._bars.add_task(what)
            self._tasks[what] = task
            self._bars.update(task, completed=done, total=whole or None)  # type: ignore[arg-type]
        elif time.monotonic() - self._said > 10:
            self._said = time.monotonic()
            of = f" of {size(whole)}, {100 * done // whole} %" if whole else ""
            print(f"{what}: {size(done)}{of}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def size(number: float) -> str:
    """A number of bytes: ``8.0 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def table(images: Sequence[Judged]) -> Iterator[str]:
    """Plain columns, the reason last."""
    if not images:
        return
    rows = [("image", "name", "format", "size", "")]
    rows += [(one.id, plain(one.name), one.format, size(one.size), one.why or "can be cloned") for one in images]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        head = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
        yield f"{head}  {row[4]}".rstrip()
