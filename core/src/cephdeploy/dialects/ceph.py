"""ceph.conf, read as Ceph reads it since it has a grammar for it (``src/common/ConfUtils.cc``, Ceph 16).

A general ini library loses data here: options may be indented, which such a library takes for the value
above going on. So the reader is that grammar, written anew; the tests ask ``ceph-conf`` whether it is right.

What Ceph 16.2 does with a file, each asked of ``ceph-conf``:

- The last assignment wins, also over repeated sections. Case counts; ``[ client ]`` is not ``[client]``.
- White space in an option's name is as good as ``_``. A ``-`` is not: ``rbd-cache = false`` sets nothing,
  whatever the documentation says (it is true of the command line). So no such name is ever added.
- White space before an option is ignored; before a section it is an error, and so is a line of white space
  before the first section or at the very end, an option before a section, and a last line without line break,
  unless that is a comment.
- ``#`` and ``;`` begin a comment anywhere, also inside quotes, where it is then the closing quote that is
  missing. ``\\#`` is a plain ``#``; ``\\`` takes the meaning from any character, so ``\\\\`` is one ``\\``.
- ``\\`` at the end of a line joins the next one, indentation included, but not in a comment or in quotes.
- A value may be quoted as a whole; white space at its ends is lost all the same. So it can't be written.
- A non-ASCII character outside a comment or quotes stops the program ("Assertion failed").
- ``$name`` is expanded later: values are read and written here before that.

Two things that Ceph reads are refused here: a file of one option without a section, and a name that goes on
in the next line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate

from . import Assignment, Option, Refused
from ._edit import EOL, Layout, Live, Syntax, decoded, edited, effective, split

__all__ = ["edit", "normal", "read"]

#: What C's isspace() says yes to.
_SPACE = " \t\n\v\f\r"

_JOIN = rf"\\{EOL}"
_COMMENT = r"[ \t]*[#;][^\r\n]*"
#: What Ceph's parser passes over before any token.
_SKIP = rf"(?:{_JOIN}|{_COMMENT})*"
_ESCAPED = r"\\[^\r\n]"

_PASSED = re.compile(_SKIP)
_BLANK = re.compile(rf"{_SKIP}[ \t]*{EOL}")
_HEADER = re.compile(rf"{_SKIP}\[((?:{_JOIN}|{_ESCAPED}|[^#;\r\n\\\]])+)\]")
_NAME = re.compile(rf"{_SKIP}[ \t]*{_SKIP}((?:{_ESCAPED}|[^#;\r\n\\=\[])+)=")
_BEFORE_VALUE = re.compile(rf"{_SKIP}[ \t]*{_SKIP}")
_QUOTED = re.compile(rf""""(?:{_ESCAPED}|[^#;\r\n\\"])*"|'(?:{_ESCAPED}|[^#;\r\n\\'])*'""")
_TOKEN = re.compile(rf"({_JOIN}|{_COMMENT})|{_ESCAPED}|[^#;\r\n\\]")


def normal(option: Option) -> Option:
    """See :meth:`cephdeploy.dialects.Dialect.normal`: the name with ``_`` for white space."""
    section, name = option
    return section, re.sub(rf"[{_SPACE}]+", "_", name.strip(_SPACE))


def read(text: bytes) -> dict[Option, Assignment]:
    """See :meth:`cephdeploy.dialects.Dialect.read`: ``{("client", "rbd_cache"): Assignment("true", 9)}``."""
    return effective(_parse(decoded(text)))


def edit(text: bytes, changes: Mapping[Option, str | None]) -> bytes:
    """See :meth:`cephdeploy.dialects.Dialect.edit`.

    A comment behind a value stays there. A new option is indented like the last one of its section.
    """
    return edited(text, changes, _SYNTAX)


def _parse(text: str) -> Layout:
    return _Parser(text).layout


class _Parser:
    """One pass over the text, a logical line at a time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.layout = Layout(split(text))
        self._starts = [0, *accumulate(map(len, self.layout.lines))]
        self._section = ""
        position = 0
        while position < len(text):
            position = self._line(position)

    def _line(self, start: int) -> int:
        """Take in the logical line at ``start``; return where the next one starts."""
        text = self._text
        passed = _end_of(_PASSED, text, start)
        if passed == len(text):
            return self._comments(start, passed)
        if blank := _BLANK.match(text, start):
            if not self._section and text[passed] in " \t":
                raise self._refused(passed, "white space before the first section")
            return self._comments(start, blank.end())
        if header := _HEADER.match(text, start):
            return self._header(header)
        if name := _NAME.match(text, start):
            return self._option(start, name)
        rest = text[start:].lstrip(" \t")
        if not rest:
            raise self._refused(start, "the last line is white space and has no line break")
        if rest.startswith("["):
            indented = text[start] != "["
            raise self._refused(start, "white space before a section" if indented else "bad section header")
        raise self._refused(start, "neither a section nor an option with '='")

    def _header(self, header: re.Match[str]) -> int:
        self._ascii(header.start(1), header.end(1))
        stop = self._end(header.end(), "something stands behind the name of the section")
        self._section = _unescaped(header[1])
        self.layout.headers.setdefault(self._section, self._index(stop))
        return stop

    def _option(self, start: int, name: re.Match[str]) -> int:
        text = self._text
        option = normal((self._section, name[1]))
        if not option[1]:
            raise self._refused(start, "no name before '='")
        if not self._section:
            raise self._refused(start, "an option stands before the first section")
        self._ascii(name.start(1), name.end(1))
        before = _end_of(_BEFORE_VALUE, text, name.end())
        if text[before : before + 1] in ("'", '"'):
            quoted = _QUOTED.match(text, before)
            if not quoted:
                raise self._refused(before, "quotes are not closed, or have a plain # or ; in them")
            value = _unescaped(quoted[0][1:-1])
            begin, end = quoted.span()
            stop = self._end(end, "something stands behind the closing quote")
        else:
            value, begin, end, after = self._unquoted(name.end())
            stop = self._end(after, "bad value")
        first = self._index(start)
        offset = self._starts[first]
        self.layout.live.append(
            Live(option, value.strip(_SPACE), first, self._index(stop), begin - offset, end - offset)
        )
        return stop

    def _unquoted(self, start: int) -> tuple[str, int, int, int]:
        """The value, where it begins and ends, and where what comes after it begins."""
        chars: list[str] = []
        spans: list[tuple[int, int]] = []
        comment = False
        position = start
        while token := _TOKEN.match(self._text, position):
            position = token.end()
            if token[1]:
                comment = comment or not token[1].startswith("\\")
                continue
            self._ascii(*token.span())
            chars.append(token[0][-1])
            if chars[-1] not in _SPACE:
                spans.append(token.span())
        if spans:
            return "".join(chars), spans[0][0], spans[-1][1], position
        # no value: a new one goes before the space before the comment
        place = start if comment else position
        return "", place, place, position

    def _end(self, position: int, reason: str) -> int:
        """Where the next line starts, if nothing is at ``position`` but the end of a line."""
        if blank := _BLANK.match(self._text, position):
            return blank.end()
        if not self._text[_end_of(_PASSED, self._text, position) :].strip(" \t"):
            reason = "the last line has no line break"
        raise self._refused(position, reason)

    def _comments(self, start: int, stop: int) -> int:
        for index in range(self._index(start), self._index(stop)):
            if self.layout.lines[index].lstrip(" \t").startswith(("#", ";")):
                self.layout.comments.append((self._section, index))
        return stop

    def _ascii(self, start: int, stop: int) -> None:
        if not self._text[start:stop].isascii():
            raise self._refused(start, "a non-ASCII character outside a comment or quotes stops Ceph")

    def _index(self, position: int) -> int:
        """The line, from 0, that begins at or before ``position``."""
        return bisect_right(self._starts, position) - 1

    def _refused(self, position: int, reason: str) -> Refused:
        return Refused(min(self._index(position), len(self.layout.lines) - 1) + 1, reason)


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _unescaped(text: str) -> str:
    return re.sub(rf"{_JOIN}|\\([^\r\n])", r"\1", text)


def _check(option: Option) -> None:
    section, name = option[0], normal(option)[1]
    if not re.fullmatch(r"[^\s\[\]#;\\]+", section, re.ASCII) or not section.isascii():
        raise Refused(0, "not a name of a section")
    if re.fullmatch(r"[A-Za-z0-9_./-]*-[A-Za-z0-9_./-]*", name):
        raise Refused(0, f"Ceph reads no name with '-'; the option is {name.replace('-', '_')}")
    if not re.fullmatch(r"[A-Za-z0-9_./]+", name):
        raise Refused(0, "not a name of an option")


def _written(value: str) -> str:
    if value != value.strip(_SPACE):
        raise Refused(0, "Ceph drops white space at the ends of a value")
    if not value.isascii():
        raise Refused(0, "Ceph stops at a non-ASCII character in a value")
    # quotes would not protect # and ;
    escaped = re.sub(r"([\\#;])", r"\\\1", value)
    return f"\\{escaped}" if escaped.startswith(("'", '"')) else escaped


_SYNTAX = Syntax(normal=normal, parse=_parse, check=_check, written=_written, last_eol=True)
