"""From a site file's bytes to its parts, each with its place.

It walks PyYAML's nodes and builds no object from a tag. Plain words mean what they mean in YAML 1.2, and
less: ``no`` is the word no, ``0640`` is text, ``22:22`` is text; only true, false, null, decimal integers
and plain decimal fractions are anything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import yaml

from ..errors import SettingsError
from ._faults import Faults, printed, shown, unsecret

__all__ = ["Part", "bytes_of", "kind_of", "read"]

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 20


@dataclass(frozen=True)
class Part:
    """One value of the file with its place; ``key`` is where its key stands."""

    value: str | int | float | bool | dict[str, Part] | list[Part] | None
    mark: yaml.Mark
    key: yaml.Mark
    written: str = ""

    def plain(self) -> object:
        if isinstance(self.value, dict):
            return {key: part.plain() for key, part in self.value.items()}
        if isinstance(self.value, list):
            return [part.plain() for part in self.value]
        return self.value


def bytes_of(path: Path) -> bytes:
    name = printed(str(path))
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SettingsError(f"no site file '{name}' here; `cephdeploy init` writes one to start from") from None
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise SettingsError(f"site file '{name}' can't be read: {why}") from None
    except ValueError:
        raise SettingsError(f"'{name}' can't be the name of a site file") from None


def read(content: bytes, faults: Faults) -> Part | None:
    if len(content) > MAX_BYTES:
        faults.add(1, 1, f"the file is larger than {MAX_BYTES // 1024**2} MiB")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        faults.add(
            before.count("\n") + 1,
            len(before) - before.rfind("\n"),
            "the file is not UTF-8 text" + ("; it looks like UTF-16" if content[:2] in _UTF_16 else ""),
        )
        return None
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        faults.add(line, column, _syntax(error))
        return None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        faults.add(
            before.count("\n") + 1,
            len(before) - before.rfind("\n"),
            f"the character U+{ord(text[error.position]):04X} is not allowed",
        )
        return None
    except (yaml.YAMLError, ValueError, OverflowError):
        # an escape or a directive with a number that no character or version has
        line, column = (loader.line + 1, loader.column + 1) if loader else (1, 1)
        faults.add(line, column, "this is no valid YAML: a number here is too large")
        return None
    if node is None:
        faults.add(1, 1, "the file is empty; `cephdeploy init` writes one to start from")
        return None
    try:
        return _Reader(faults).part(node, node.start_mark, ())
    except _TooLargeError as error:
        faults.at(error.mark, str(error))
        return None


_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class _TooLargeError(Exception):
    """The file, with all its aliases written out, is larger than a site can be."""

    def __init__(self, message: str, mark: yaml.Mark) -> None:
        super().__init__(message)
        self.mark = mark


_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
# 18 digits: what is longer is no number that anybody means
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}", re.ASCII)

_TAG = "tag:yaml.org,2002:"


def kind_of(text: str) -> str:
    """What an unquoted word is: the end of its tag."""
    if text in _WORDS:
        return "null" if _WORDS[text] is None else "bool"
    if _INTEGER.fullmatch(text):
        return "int"
    if _FRACTION.fullmatch(text):
        return "float"
    return "merge" if text == "<<" else "str"


class _Loader(yaml.SafeLoader):
    """PyYAML's own nodes, within limits, with the plain words of YAML 1.2."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._nodes += 1
        self._depth += 1
        if self._nodes > MAX_NODES or self._depth > MAX_DEPTH:
            problem = _too_many() if self._nodes > MAX_NODES else _too_deep()
            # the scanner is ahead of the composer: the place is the event's
            raise yaml.MarkedYAMLError(None, None, problem, cast("Any", self).peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _TAG + (kind_of(value or "") if implicit[0] else "str")
        return _TAG + ("seq" if kind is yaml.SequenceNode else "map")


def _too_many() -> str:
    return f"the file has more than {MAX_NODES:,} values, with its aliases written out"


def _too_deep() -> str:
    return f"nested deeper than {MAX_DEPTH} levels"


_SYNTAX: Final[tuple[tuple[str, str], ...]] = (
    (r"found character '\\t' that cannot start any token", "a tab can't indent in YAML: use spaces"),
    (
        r"found character '(.+)' that cannot start any token",
        r"a value can't begin with '\1': put it in quotes",
    ),
    (r"mapping values are not allowed here", "a second ':' in one line, or wrong indentation"),
    (
        r"could not find expected ':'",
        "there is no ':' after the key in the line before, or its value is cut in two",
    ),
    (r"but found another document", "a site file is one document: no second one after '---'"),
    (r"found undefined alias (.+)", r"no anchor \1 comes before this alias"),
    (r"found duplicate anchor (.+?); first occurrence", r"a second anchor of the name \1"),
    (r"found undefined tag handle (.+)", r"tags such as \1 are not allowed: write plain values"),
    (r"expected the node content, but found '<stream end>'", "the file ends here, in the middle of a value"),
    (r"expected the node content, but found '(.+)'", r"there is no value before this '\1'"),
    (r"found unexpected end of stream", "the quotation begun before does not end"),
    (r"expected <block end>, but found .*", "wrong indentation: this line belongs to nothing above it"),
    (r"expected ',' or '\]', but got .*", "there is no ',' or ']' here; a list was begun with '['"),
    (r"expected ',' or '\}', but got .*", "there is no ',' or '}' here; a mapping was begun with '{'"),
)


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's problem in words that say what to do."""
    # a duplicate anchor has its message in the context
    for text in (error.problem, error.context):
        for pattern, words in _SYNTAX:
            found = re.fullmatch(pattern, text or "")
            if found:
                return unsecret(printed(found.expand(words), 160))
    return unsecret(printed(error.problem or "this is no valid YAML", 160))


class _Reader:
    """Turns nodes into parts: aliases and merge keys written out, each key once, no tags."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._count = 0
        self._open: list[yaml.Node] = []

    def part(self, node: yaml.Node, key: yaml.Mark, path: tuple[str, ...]) -> Part:
        self._step(node, key)
        if any(node is other for other in self._open):
            raise _TooLargeError("this anchor contains itself", key)
        kind = node.tag.removeprefix(_TAG) if node.tag.startswith(_TAG) else "?"
        if isinstance(node, yaml.ScalarNode) and kind in {"null", "bool", "int", "float", "str", "merge"}:
            return Part(self._scalar(node, kind, path), node.start_mark, key, node.value)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            self._open.append(node)
            items = [self.part(item, item.start_mark, (*path, str(place))) for place, item in enumerate(node.value)]
            self._open.pop()
            return Part(items, node.start_mark, key)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            self._open.append(node)
            mapping = {
                name: self.part(value, mark, (*path, name)) for name, (mark, value) in self._pairs(node, path).items()
            }
            self._open.pop()
            return Part(mapping, node.start_mark, key)
        self._tag(node, path)
        return Part(None, node.start_mark, key)

    def _step(self, node: yaml.Node, mark: yaml.Mark) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            raise _TooLargeError(_too_many(), mark)
        if len(self._open) >= MAX_DEPTH:
            raise _TooLargeError(_too_deep(), node.start_mark)

    def _tag(self, node: yaml.Node, path: tuple[str, ...]) -> None:
        tag = node.tag.replace(_TAG, "!!", 1)
        self._faults.at(node.start_mark, f"the tag {shown(tag)} is not allowed here: write a plain value", path)

    def _scalar(self, node: yaml.ScalarNode, kind: str, path: tuple[str, ...]) -> str | int | float | bool | None:
        text: str = node.value
        if kind in {"str", "merge"}:
            if any("\ud800" <= c <= "\udfff" for c in text):
                self._faults.at(node.start_mark, "half a character (a lone surrogate) is not allowed", path)
                return ""
            return text
        # the tag may have been written by hand: !!int "abc"
        if kind_of(text) != kind and not (kind == "float" and kind_of(text) == "int"):
            self._tag(node, path)
            return None
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        return _WORDS[text]

    def _pairs(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, tuple[yaml.Mark, yaml.Node]]:
        """Keys with their places and values; what is written here wins over what is merged."""
        own: dict[str, tuple[yaml.Mark, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Mark, yaml.Node]] = {}
        merges: yaml.Mark | None = None
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._faults.at(key.start_mark, "a key must be a plain word", path)
            elif key.tag == f"{_TAG}merge":
                if merges is not None:
                    self._faults.at(key.start_mark, _twice("<<", self._faults.place(merges)), path)
                merges = key.start_mark
                for name, pair in self._merged(value, key.start_mark, path).items():
                    merged.setdefault(name, pair)
            elif key.tag.removeprefix(_TAG) not in {"null", "bool", "int", "float", "str"}:
                self._tag(key, path)
            elif any("\ud800" <= c <= "\udfff" for c in key.value):
                self._faults.at(key.start_mark, "half a character (a lone surrogate) is not allowed", path)
            elif key.value in own:
                self._faults.at(
                    key.start_mark,
                    _twice(key.value, self._faults.place(own[key.value][0])),
                    (*path, key.value),
                )
            else:
                own[key.value] = (key.start_mark, value)
        return {**merged, **own}

    def _merged(
        self, node: yaml.Node, mark: yaml.Mark, path: tuple[str, ...]
    ) -> dict[str, tuple[yaml.Mark, yaml.Node]]:
        self._step(node, mark)
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, tuple[yaml.Mark, yaml.Node]] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode) or source.tag != f"{_TAG}map":
                self._faults.at(mark, "'<<' takes an alias of a mapping, or a list of such", path)
                continue
            if any(source is other for other in self._open):
                raise _TooLargeError("this anchor contains itself", mark)
            self._open.append(source)
            for name, pair in self._pairs(source, path).items():
                self._step(source, mark)
                found.setdefault(name, pair)
            self._open.pop()
        return found


def _twice(key: str, first: str) -> str:
    return f"'{shown(key)}' is here a second time; the first is at {first}"
