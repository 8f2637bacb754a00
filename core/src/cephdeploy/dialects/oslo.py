"""The files of OpenStack's services, read as oslo.config reads them.

The reader is oslo.config's own parser, which also judges each edit; the writer is :mod:`._edit`, which works
on the lines that this parser names. A general ini library as the writer would do too, and was tried:
ConfigUpdater, led to the right block and option and with its line breaks mended, is right on as many
generated files. But it is one more grammar, which as a reader disagrees with oslo.config on a quarter of
them (quotes, continuation lines), one more dependency, no faster, and no help with ceph.conf.

What oslo.config 10.7 does with a file (``iniparser.py``; ``Opt`` and ``_Namespace`` of ``cfg.py``):

- The last assignment wins, also over repeated sections; a multi-valued option has them all, in order.
- Sections are compared in lower case, but ``[DEFAULT]`` only as it stands: ``[default]`` is another section.
  ``[ x ]`` is not ``[x]``.
- An option is looked up by its ``dest``: case counts, and ``-`` in a name becomes ``_`` in the *program's*
  name only. ``rbd-pool = x`` in a file sets nothing (only a deprecated name is also tried with its ``-``).
  So an option is never added under a name with ``-``.
- ``#`` and ``;`` begin a comment in the first column only; elsewhere they belong to the value.
- An indented line goes on with the value above; a blank line or a comment ends it.
- White space around a value, then one pair of equal quotes around its first line, are not part of it.
- ``$name`` is expanded later, and ``$$`` stands for ``$``: values are read and written here before that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from oslo_config.iniparser import BaseParser

from . import Assignment, Option, Refused
from ._edit import Layout, Live, Syntax, decoded, edited, effective, split

__all__ = ["edit", "normal", "read"]


def normal(option: Option) -> Option:
    """See :meth:`cephdeploy.dialects.Dialect.normal`: the section in lower case, unless ``DEFAULT``."""
    section, name = option
    return (section if section == "DEFAULT" else section.lower(), name)


def read(text: bytes) -> dict[Option, Assignment]:
    """See :meth:`cephdeploy.dialects.Dialect.read`: ``{("libvirt", "images_type"): Assignment("rbd", 7)}``.

    A value over several lines has line breaks in it.
    """
    return effective(_parse(decoded(text)))


def edit(text: bytes, changes: Mapping[Option, str | None]) -> bytes:
    """See :meth:`cephdeploy.dialects.Dialect.edit`.

    Of an option with several assignments only the last is set, so a multi-valued option keeps the others.
    """
    return edited(text, changes, _SYNTAX)


def _parse(text: str) -> Layout:
    if text.startswith("\ufeff"):
        raise Refused(1, "begins with a byte order mark", 0)
    layout = Layout(split(text))
    # an empty line at the end: each assignment is then reported when the line after it is read
    _Parser(layout).parse([*layout.lines, ""])
    return layout


class _Parser(BaseParser):
    """oslo.config's parser, which notes the lines; ``cfg.ConfigParser`` notes the values only."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self._layout = layout
        self._section = ""

    def new_section(self, section: str) -> None:
        self._section = normal((section, ""))[0]
        self._layout.headers.setdefault(self._section, self.lineno)

    def comment(self, comment: str) -> None:
        self._layout.comments.append((self._section, self.lineno - 1))

    def assignment(self, key: str, value: list[str]) -> None:
        stop = self.lineno - 1
        first = stop - len(value)
        if not self._section:
            raise Refused(first + 1, "an option stands before the first section")
        text = "".join(self._layout.lines[first:stop])
        end = len(text.rstrip())
        begin = re.match(r"[^=:]*[=:][^\S\r\n]*", text)
        assert begin, "oslo.config finds no assignment without a separator"
        option = (self._section, key)
        self._layout.live.append(Live(option, "\n".join(value), first, stop, begin.end(), max(begin.end(), end)))

    def parse_exc(self, message: str, line: int, text: str) -> Refused:  # type: ignore[override]
        return Refused(line, message[:1].lower() + message[1:])


def _check(option: Option) -> None:
    section, name = option
    if section.upper() == "DEFAULT" != section:
        raise Refused(0, "the section is not [DEFAULT], which must be upper case")
    if not re.fullmatch(r"[^\s\[\]\x00-\x1f\x7f](?:[^\[\]\x00-\x1f\x7f]*[^\s\[\]\x00-\x1f\x7f])?", section):
        raise Refused(0, "not a name of a section")
    if re.fullmatch(r"[A-Za-z0-9_.]+(?:-+[A-Za-z0-9_.]*)+", name):
        raise Refused(0, f"oslo.config reads no name with '-'; the option is {name.replace('-', '_')}")
    if not re.fullmatch(r"[A-Za-z0-9_.]+", name):
        raise Refused(0, "not a name of an option")


def _written(value: str) -> str:
    quoted = value[:1] in ("'", '"') and value[0] == value[-1]
    return f'"{value}"' if quoted or value != value.strip() else value


_SYNTAX = Syntax(normal=normal, parse=_parse, check=_check, written=_written, last_eol=False)
