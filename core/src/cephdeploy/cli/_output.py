"""Standard output, and what moves on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ..report.paper import Line

__all__ = ["Output"]


class Output:
    """Standard output, and on standard error what only a person at a terminal sees."""

    def __init__(self) -> None:
        from rich.console import Console

        from ..report.paper import Paper

        class Pipe(Console):
            """A reader that goes away (``| head``) must not end a run in its middle."""

            def on_broken_pipe(self) -> None:
                self.quiet = True
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

        self.console: Console = Pipe(highlight=False, markup=False, emoji=False)
        self._errors = Console(stderr=True, highlight=False, markup=False, emoji=False)
        name = os.environ.get("TERM", "")
        self.terminal = sys.stdout.isatty() and not self.console.is_dumb_terminal
        width = self.console.width if self.terminal else None
        self.paper = Paper.of(self.console.encoding, width, name)

    def show(self, lines: Sequence[Line]) -> None:
        from ..report.paper import put

        for line in lines:
            put(self.console, line, whole=not self.terminal)

    def say(self, *pieces: tuple[str, str] | str) -> None:
        self.show([self.paper.line(*pieces)])

    def raw(self, text: str) -> None:
        """For programs: as it is, in one piece."""
        click.echo(text.encode(self.paper.encoding, "replace").decode(self.paper.encoding))

    def waiting(self, what: str) -> Any:
        """A line on standard error that moves while something takes time; and goes away."""
        from ..progress import Waiting

        live = sys.stderr.isatty() and not self._errors.is_dumb_terminal
        # where both are one terminal, one console must draw both: lines that stay go above the moving one
        return Waiting(self.console if self.terminal else self._errors, self.paper, what, live=live)
