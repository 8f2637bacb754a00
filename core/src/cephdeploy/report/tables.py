"""A table of plain columns, as wide as what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .words import plain

if TYPE_CHECKING:
    from .paper import Line, Paper

__all__ = ["table"]

#: Columns that the last cell needs beside the others; where there are fewer it stands below them.
_ROOM = 24


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], paper: Paper, *, styles: Sequence[str] = ()
) -> list[Line]:
    """The table's lines; the last column is wrapped between words, and stands below the others on a narrow terminal.

    :param styles: of the rows' last cells.
    """
    safe = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(paper.size, column)) for column in zip(heads, *safe, strict=True)]
    made = list(_drawn(heads, widths, paper, "bold", "bold"))
    for number, row in enumerate(safe):
        made += _drawn(row, widths, paper, "", styles[number] if styles else "")
    return made


def _drawn(row: Sequence[str], widths: Sequence[int], paper: Paper, style: str, last: str) -> Iterator[Line]:
    first = "".join(paper.padded(cell, width + 3) for cell, width in zip(row[:-1], widths, strict=False))
    indent = sum(widths[:-1]) + 3 * (len(widths) - 1)
    if paper.width is not None and indent + min(_ROOM, widths[-1]) > paper.width:
        yield paper.line((first.rstrip(), style))
        for text in paper.wrapped(row[-1], 4) if row[-1] else ():
            yield paper.line("    ", (text, last))
        return
    for number, text in enumerate(paper.wrapped(row[-1], indent)):
        yield paper.line((first, style) if number == 0 else " " * indent, (text, last))
