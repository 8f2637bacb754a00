"""How an edit is made once a dialect has said which lines of a text are what; both dialects share it.

Lines are copied, replaced, added or left out. Then the dialect reads the result again, and what it finds
must be what was wanted and nothing else; otherwise there is no result.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from . import Assignment, Option, Refused

__all__ = ["Layout", "Live", "Syntax", "decoded", "edited", "effective", "split"]

#: A line break as both programs see it, so a lone carriage return is one, and a form feed is not.
EOL = r"(?:\r\n|\n|\r)"


@dataclass(frozen=True)
class Live:
    """One live assignment: ``lines[first:stop]``; its value as written is ``[begin:end]`` of these joined."""

    option: Option
    value: str
    first: int
    stop: int
    begin: int
    end: int


@dataclass
class Layout:
    """Which lines of a text are what; sections and options are in normal form."""

    lines: list[str]
    live: list[Live] = field(default_factory=list)
    #: The line after the first header of each section.
    headers: dict[str, int] = field(default_factory=dict)
    #: The lines that are a comment, each with its section ("" before the first).
    comments: list[tuple[str, int]] = field(default_factory=list)

    def values(self) -> dict[Option, list[str]]:
        """Every value of each option, the one that wins last."""
        found: dict[Option, list[str]] = {}
        for live in self.live:
            found.setdefault(live.option, []).append(live.value)
        return found


@dataclass(frozen=True)
class Syntax:
    """What differs between the dialects.

    :param normal: the form of an option by which it is compared.
    :param parse: which lines are what; raises :class:`Refused`.
    :param check: raises :class:`Refused` if the program would never read an option of this name.
    :param written: a value, as it must be written to be read as that value; raises :class:`Refused`.
    :param last_eol: whether the last line must have a line break.
    """

    normal: Callable[[Option], Option]
    parse: Callable[[str], Layout]
    check: Callable[[Option], None]
    written: Callable[[str], str]
    last_eol: bool


def decoded(text: bytes) -> str:
    """``text`` as UTF-8, which is what both programs take it for.

    :raises Refused: it is not; with the line and the offset of the first bad byte.
    """
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        line = len(split(text[: error.start].decode() + "?"))
        reason = f"byte {error.start} (0x{text[error.start]:02x}) is not UTF-8"
        raise Refused(line, reason, error.start) from None


def split(text: str) -> list[str]:
    """The lines of ``text``, each with its line break."""
    return re.findall(rf"[^\r\n]*{EOL}|[^\r\n]+", text)


def effective(layout: Layout) -> dict[Option, Assignment]:
    """The last assignment of each option, which is the one that wins in both programs."""
    return {live.option: Assignment(live.value, live.first + 1) for live in layout.live}


def edited(text: bytes, changes: Mapping[Option, str | None], syntax: Syntax) -> bytes:
    """See :meth:`cephdeploy.dialects.Dialect.edit`."""
    layout = syntax.parse(decoded(text))
    values = layout.values()
    replaced: dict[int, str] = {}
    added: dict[int, list[str]] = {}
    sections: dict[str, list[str]] = {}
    seen: set[Option] = set()
    commented: dict[Option, int] | None = None
    for given, value in changes.items():
        option = syntax.normal(given)
        if option in seen:
            raise _refused(given, "is named twice, in two spellings")
        seen.add(option)
        have = values.get(option)
        if value is None:
            values.pop(option, None)
            for live in layout.live:
                if live.option == option:
                    replaced.update(dict.fromkeys(range(live.first, live.stop), ""))
        elif have is None:
            # only here: an odd name that stands in the file already may be set and taken out
            _check(given, syntax)
            values[option] = [value]
            line = f"{_indent(layout, option[0])}{option[1]} = {_written(given, value, syntax)}".rstrip()
            if option[0] in layout.headers:
                commented = _commented(layout, syntax) if commented is None else commented
                added.setdefault(_place(layout, option, commented), []).append(line)
            else:
                sections.setdefault(option[0], [f"[{given[0]}]"]).append(line)
        elif have[-1] != value:
            values[option] = [*have[:-1], value]
            live = next(live for live in reversed(layout.live) if live.option == option)
            replaced.update(dict.fromkeys(range(live.first, live.stop), ""))
            replaced[live.first] = _replacement(layout, live, _written(given, value, syntax))
    if not replaced and not added and not sections:
        return text
    new = "".join(_assembled(layout.lines, replaced, added, list(sections.values()), syntax.last_eol))
    _judge(layout, new, values, syntax)
    return new.encode()


def _refused(option: Option, reason: str) -> Refused:
    # a control character in a name must not reach a terminal
    section, name = (part if part.isprintable() else ascii(part) for part in option)
    return Refused(0, f"[{section}] {name}: {reason}")


def _check(option: Option, syntax: Syntax) -> None:
    try:
        syntax.check(option)
    except Refused as error:
        raise _refused(option, error.reason) from None


def _written(option: Option, value: str, syntax: Syntax) -> str:
    # a line break in a value could begin a section; no other control character is ever meant
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in value):
        raise _refused(option, "the value has a line break or a control character in it")
    try:
        return syntax.written(value)
    except Refused as error:
        raise _refused(option, error.reason) from None


def _indent(layout: Layout, section: str) -> str:
    lines = [layout.lines[live.first] for live in layout.live if live.option[0] == section]
    return lines[-1][: len(lines[-1]) - len(lines[-1].lstrip(" \t"))] if lines else ""


def _commented(layout: Layout, syntax: Syntax) -> dict[Option, int]:
    """The line after each option's commented default."""
    places: dict[tuple[Option, bool], int] = {}
    for section, index in layout.comments:
        key, equals, _ = layout.lines[index].lstrip(" \t")[1:].partition("=")
        if equals:
            # oslo-config-generator writes "#name = " for a default and "# name = " in a description
            places[syntax.normal((section, key.strip())), not key[:1].isspace()] = index + 1
    return {option: places[option, flush] for option, flush in sorted(places, key=lambda place: place[1])}


def _place(layout: Layout, option: Option, commented: Mapping[Option, int]) -> int:
    """After the commented default, else after the last live option of the section, else its header."""
    if option in commented:
        return commented[option]
    stops = [live.stop for live in layout.live if live.option[0] == option[0]]
    return stops[-1] if stops else layout.headers[option[0]]


def _replacement(layout: Layout, live: Live, written: str) -> str:
    """The assignment with another value; its key, separator, line break and trailing comment stay."""
    text = "".join(layout.lines[live.first : live.stop])
    before = text[: live.begin]
    # "key =" is written "key = value", "key=" is not
    empty = live.begin == live.end or text[live.begin] in "\r\n"
    space = " " if empty and written and not before[-1].isspace() and before[-2].isspace() else ""
    return f"{before}{space}{written}{text[live.end :]}"


def _assembled(
    lines: list[str],
    replaced: Mapping[int, str],
    added: Mapping[int, list[str]],
    sections: list[list[str]],
    last_eol: bool,
) -> list[str]:
    new: list[str] = []

    def add(line: str) -> None:
        eol = _eol(new[-1:]) or _eol(lines) or "\n"
        if new and not _eol(new[-1:]):
            new[-1] += eol
        new.append(line + eol)

    for index in range(len(lines) + 1):
        for line in added.get(index, ()):
            add(line)
        if index < len(lines) and (line := replaced.get(index, lines[index])):
            new.append(line)
    for section in sections:
        if new and new[-1].strip():
            add("")
        for line in section:
            add(line)
    appended = bool(sections) or len(lines) in added
    if last_eol and new and not _eol(new[-1:]):
        new[-1] += _eol(lines) or "\n"
    elif appended and not last_eol and lines and not _eol(lines[-1:]):
        new[-1] = new[-1].rstrip("\r\n")
    return new


def _eol(lines: list[str]) -> str:
    """The line break of the first of ``lines``; empty if it has none or there is no line."""
    return lines[0][len(lines[0].rstrip("\r\n")) :] if lines else ""


def _judge(old: Layout, text: str, wanted: Mapping[Option, list[str]], syntax: Syntax) -> None:
    """Refuse a result that does not have all the wanted values, all the others, and all the comments."""
    new = syntax.parse(text)
    if new.values() != wanted:
        raise Refused(0, "the edited file would not have the wanted values and no others")
    if _comments(new) != _comments(old):
        raise Refused(0, "the edited file would not have the same comments")


def _comments(layout: Layout) -> list[str]:
    return [layout.lines[index].rstrip("\r\n") for _, index in layout.comments]
