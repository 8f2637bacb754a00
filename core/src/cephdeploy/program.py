"""The payload as it is sent: its modules as one text, made small; functions are compiled only when they are called."""

from __future__ import annotations

import re
import threading
import zlib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["files", "packed", "source"]

#: A host that is only looked at needs half of the functions, and compiling all costs as much as starting python3.
#: They come after it as they are: as literals in one text, python would read each twice.
_LAZY = """
PARTS = dict(zip(SENT[2::2], SENT[3::2]))
class Lazy(dict):
    def __missing__(self, name):
        exec(PARTS.pop(name), self)
        return self[name]
LAZY = Lazy()
exec(SENT[1], LAZY)
START = LAZY["main"]
"""
_DOCSTRING = re.compile(r'(?m)^( *)"""(?:.|\n)*?"""$')
#: A line with nothing but a comment, or with nothing.
_IDLE = re.compile(r"(?m)^\s*(#.*)?\n")
#: What the modules take from each other, which is all in one namespace there.
_FROM_EACH_OTHER = re.compile(r"(?m)^from \.[\w.]* import (?:\([^)]*\)|.*)\n")
#: Before each statement of a module; what closes a bracket belongs to the one before.
_STATEMENT = re.compile(r"(?m)^(?=[^\s)\]}])")
_DEFINITION = re.compile(r"(?:def|class) (\w+)")
_ONCE = threading.Lock()


def packed() -> bytes:
    """:func:`source` by zlib: 11 KB and not 40, as what fits into a line's first window costs no round trip."""
    with _ONCE:  # many threads want it at once, and each would make it
        return _packed()


@cache
def _packed() -> bytes:
    return zlib.compress("\0".join(source()).encode(), 9)


def source() -> list[str]:
    """The texts that a host runs: how to read them, what stands beside functions and classes, and those by their names.

    They come from ``wire.py`` and the folder ``payload``. The first is run where ``SENT`` is this list, and leaves a
    function ``START`` of a binary standard input, whose next line is the conversation's nonce.
    """
    text = "".join(file.read_text() for file in files())
    bare = _IDLE.sub("", _FROM_EACH_OTHER.sub("", _DOCSTRING.sub(r"\1pass", text)))
    parts: list[str] = []
    rest: dict[str, None] = {}  # each import once
    for statement in _STATEMENT.split(bare):
        definition = _DEFINITION.match(statement)
        if definition:
            parts += [definition[1], statement]
        else:
            rest[statement] = None
    return [_LAZY, "".join(rest), *parts]


def files() -> list[Traversable]:
    """The modules that a host runs."""
    package = resources.files(__package__)
    folder = sorted(package.joinpath("payload").iterdir(), key=lambda file: file.name)
    return [package.joinpath("wire.py"), *(file for file in folder if file.name.endswith(".py"))]
