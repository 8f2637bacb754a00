"""What can be drawn on an output: its width and its characters. Lines are rich texts, never markup."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

__all__ = ["Line", "Paper", "Piece", "put"]

Line = Text
#: Text with the style that a terminal shows it in.
Piece = tuple[str, str]

#: What stands for a sign where the output can't show it.
_ASCII = {
    "▶": ">",
    "↻": "@",
    "→": "->",
    "…": "...",
    "·": "-",
    "✓": "ok",
    "✗": "!!",
    "⠋": "|",
    "⠙": "/",
    "⠹": "-",
    "⠸": "\\",
}
_TO_ASCII = str.maketrans(_ASCII)


def put(console: Console, line: Line, *, whole: bool) -> None:
    """A line on an output.

    :param whole: it is not wrapped, as for a pipe, so that ``grep`` finds whole lines.
    """
    if not whole or console.color_system is not None:
        console.print(line, soft_wrap=whole)
    elif not console.quiet:
        # as rich would, which takes ten times as long to find that there is nothing to be drawn
        try:
            console.file.write(f"{line.plain}\n")
            console.file.flush()
        except BrokenPipeError:
            console.on_broken_pipe()


@dataclass(frozen=True)
class Paper:
    """An output.

    :param width: where lines are wrapped; None: never, as for a pipe, so that ``grep`` finds whole lines.
    :param encoding: what is not in it is replaced.
    :param signs: whether the output shows more than ASCII.
    """

    width: int | None = None
    encoding: str = "utf-8"
    signs: bool = True

    @classmethod
    def of(cls, encoding: str, width: int | None = None, terminal: str = "") -> Paper:
        """The paper of an output with that encoding.

        :param terminal: the variable TERM; the kernel's own console has no glyphs for our signs.
        """
        try:
            "".join(_ASCII).encode(encoding)
            signs = terminal != "linux"
        except (UnicodeEncodeError, LookupError):
            signs = False
        return cls(width, encoding, signs)

    def drawn(self, text: str) -> str:
        """``text`` in characters that the output has."""
        if not self.signs:
            text = text.translate(_TO_ASCII)
        try:
            return text.encode(self.encoding, "replace").decode(self.encoding)
        except LookupError:
            return text.encode("ascii", "replace").decode()

    def line(self, *pieces: Piece | str) -> Line:
        """One line of pieces."""
        made = Text()
        for piece in pieces:
            text, style = (piece, "") if isinstance(piece, str) else piece
            made.append(self.drawn(text), style=style)
        return made

    def padded(self, text: str, width: int) -> str:
        """``text`` as drawn, filled up with spaces."""
        text = self.drawn(text)
        return text + " " * max(0, width - cell_len(text))

    def size(self, text: str) -> int:
        """How many columns ``text`` takes."""
        return cell_len(self.drawn(text))

    def wrapped(self, text: str, column: int) -> Sequence[str]:
        """``text`` in as many lines as it takes from ``column`` on."""
        if self.width is None or column + self.size(text) <= self.width:
            return (text,)
        room = max(24, self.width - column)
        return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or (text,)
