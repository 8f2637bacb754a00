"""Reads the site file into settings, or says all its faults, each with its place.

It walks PyYAML's nodes and builds no object from a tag. Plain words mean what they mean in YAML 1.2, and
less: ``no`` is the word no, ``0640`` is text, ``22:22`` is text; only true, false, null, decimal integers
and plain decimal fractions are anything else.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, cast

import yaml
from pydantic import ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_jsonable_python

from .errors import CephdeployError, PluginError, SettingsError, SiteFileError
from .settings import (
    MAX_HOSTS,
    Component,
    CoreSettings,
    HostGroup,
    HostRange,
    HostSettings,
    Settings,
    SiteFile,
    SiteSettings,
    SshSettings,
    clashes,
    expand,
)

__all__ = ["load", "schema", "template"]

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 20
MAX_FAULTS: Final = 1000


def load(
    path_or_text: Path | str | bytes,
    components: Iterable[Component],
    name: str | None = None,
    folder: Path | None = None,
    all_components: Callable[[], Iterable[Component]] | None = None,
) -> SiteSettings:
    """Read the site file.

    :param path_or_text: the file as a ``Path``, or what stands in it as text or bytes.
    :param components: the sections and roles that plugins have.
    :param name: what faults call the file; by default the path as given, or ``site.yml`` for a text.
    :param folder: where relative paths begin; by default the file's own folder; for a text, none.
    :param all_components: gives more of them, asked only when the file names a section or a role that ``components``
        don't have.
    :raises SiteFileError: the file has faults: all of them, in the file's order.
    :raises SettingsError: there is no such file, or it can't be read.
    """
    known = Component.check(components)
    if isinstance(path_or_text, Path):
        content = _bytes(path_or_text)
        name = name or str(path_or_text)
        folder = (folder or path_or_text.parent).absolute()
    else:
        # a lone surrogate is no text in any file: it becomes bytes that are refused below
        content = path_or_text if isinstance(path_or_text, bytes) else path_or_text.encode(errors="surrogatepass")
    faults = _Faults(_printed(name or "site.yml"))
    root = _read(content, faults)
    if root is not None and all_components is not None and not _explained(root, known):
        known = Component.check(all_components())
    site = _judge(root, known, folder, faults) if root is not None else None
    if site is None or faults:
        raise SiteFileError(faults.sorted())
    return site


def schema(components: Iterable[Component]) -> dict[str, Any]:
    """The JSON Schema of the site file with the sections of ``components``, for editors."""
    known = Component.check(components)
    made = _file_model(known).model_json_schema()
    made["title"] = "The site file of cephdeploy"
    made["patternProperties"] = {
        "^x-": {"description": "Not read: a place for anchors that the rest of the file refers to."}
    }
    roles = _roles(known)
    for part in _inside(made):
        if part.get("format") == "role":
            del part["format"]
            part.pop("pattern", None)
            part["type"] = "string"
            part["enum"] = sorted(roles)
        # a host or a backend with nothing below its name
        below = part.get("patternProperties", {}) if part is not made else {}
        for key, value in below.items():
            if "$ref" in value:
                below[key] = {"anyOf": [value, {"type": "null"}]}
    # the headings of a file that sets nothing below them
    for key, part in made["properties"].items():
        if key not in made["required"] and ("$ref" in part or part.get("type") in {"object", "array"}):
            text = part.pop("description", None)
            made["properties"][key] = {"anyOf": [part, {"type": "null"}]}
            if text:
                made["properties"][key]["description"] = text
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def template(components: Iterable[Component]) -> str:
    """The site file to begin with: hosts as an example, every other key commented out (``#key: value``)."""
    import jinja2

    known = Component.check(components)
    roles = _roles(known)
    computes = sorted(role for role in roles if role.endswith("compute"))
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["flow"] = _flow
    environment.globals["prose"] = _prose
    environment.globals["keys"] = _keys
    environment.globals["about"] = _about
    source = resources.files(__package__).joinpath("templates", "site.yml.j2").read_text(encoding="utf-8")
    text = environment.from_string(source).render(
        core=SiteFile,
        host=HostGroup,
        components=known,
        roles=roles,
        computes=computes,
        controllers=sorted(roles.keys() - set(computes)),
    )
    return f"{text.rstrip()}\n"


# Faults


@dataclass
class _Faults:
    """The faults found so far, in any order."""

    file: str
    found: set[tuple[int, int, str]] = field(default_factory=set)
    places: set[tuple[int, int]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def full(self) -> bool:
        """Whether there are more than anybody reads: near names cost time."""
        return len(self.found) >= MAX_FAULTS

    def add(self, line: int, column: int, message: str, keys: Iterable[str] = ()) -> None:
        if self.full:
            return
        path = _dotted(keys)
        self.found.add((line, column, f"{path}: {message}" if path else message))
        self.places.add((line, column))

    def has(self, mark: yaml.Mark) -> bool:
        """Whether something is wrong with just what stands at ``mark``."""
        return (mark.line + 1, mark.column + 1) in self.places

    def at(self, mark: yaml.Mark, message: str, keys: Iterable[str] = ()) -> None:
        self.add(mark.line + 1, mark.column + 1, message, keys)

    def place(self, mark: yaml.Mark) -> str:
        return f"{self.file}:{mark.line + 1}:{mark.column + 1}"

    def sorted(self) -> list[str]:
        lines = [f"{self.file}:{line}:{column}: {message}" for line, column, message in sorted(self.found)]
        return [*lines, f"{self.file}: only the first {MAX_FAULTS:,} faults found are shown"] if self.full else lines


def _dotted(keys: Iterable[str]) -> str:
    return ".".join(
        key if re.fullmatch(r"[A-Za-z0-9_\[\]-]+", key, re.ASCII) and not _private(key) else f"'{_shown(key)}'"
        for key in keys
    )


def _printed(text: str, longest: int = 200) -> str:
    """``text`` in one line that can't steer a terminal."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _shown(text: str) -> str:
    return "(hidden)" if _private(text) else _printed(text, 60)


def _private(text: str) -> bool:
    """Whether ``text`` could be a key or a token that got into a wrong place."""
    long = re.search(r"[A-Za-z0-9+/_]{20,}", text, re.ASCII)
    return bool(long and re.search(r"\d", long[0]) and re.search(r"[A-Za-z]", long[0]))


_PRIVATE_KEYS = re.compile(r"pass|secret|token|credential|keyring", re.IGNORECASE)


def _near(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or nothing."""
    import difflib

    found = difflib.get_close_matches(word[:64], list(known), n=1, cutoff=0.6)
    return f"; did you mean '{found[0]}'?" if found else ""


# From bytes to parts


@dataclass(frozen=True)
class _Part:
    """One value of the file with its place; ``key`` is where its key stands."""

    value: str | int | float | bool | dict[str, _Part] | list[_Part] | None
    mark: yaml.Mark
    key: yaml.Mark
    written: str = ""

    def plain(self) -> object:
        if isinstance(self.value, dict):
            return {key: part.plain() for key, part in self.value.items()}
        if isinstance(self.value, list):
            return [part.plain() for part in self.value]
        return self.value


def _bytes(path: Path) -> bytes:
    shown = _printed(str(path))
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SettingsError(f"no site file '{shown}' here; `cephdeploy init` writes one to start from") from None
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise SettingsError(f"site file '{shown}' can't be read: {why}") from None
    except ValueError:
        raise SettingsError(f"'{shown}' can't be the name of a site file") from None


def _read(content: bytes, faults: _Faults) -> _Part | None:
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


def _kind(text: str) -> str:
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
            return _TAG + (_kind(value or "") if implicit[0] else "str")
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
                return _unsecret(_printed(found.expand(words), 160))
    return _unsecret(_printed(error.problem or "this is no valid YAML", 160))


def _unsecret(text: str) -> str:
    """``text`` of PyYAML's, which quotes the names of anchors and tags, without what could be a key."""
    return re.sub(r"[A-Za-z0-9+/_]{20,}=*", lambda found: "(hidden)" if _private(found[0]) else found[0], text)


class _Reader:
    """Turns nodes into parts: aliases and merge keys written out, each key once, no tags."""

    def __init__(self, faults: _Faults) -> None:
        self._faults = faults
        self._count = 0
        self._open: list[yaml.Node] = []

    def part(self, node: yaml.Node, key: yaml.Mark, path: tuple[str, ...]) -> _Part:
        self._step(node, key)
        if any(node is other for other in self._open):
            raise _TooLargeError("this anchor contains itself", key)
        kind = node.tag.removeprefix(_TAG) if node.tag.startswith(_TAG) else "?"
        if isinstance(node, yaml.ScalarNode) and kind in {"null", "bool", "int", "float", "str", "merge"}:
            return _Part(self._scalar(node, kind, path), node.start_mark, key, node.value)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            self._open.append(node)
            items = [self.part(item, item.start_mark, (*path, str(place))) for place, item in enumerate(node.value)]
            self._open.pop()
            return _Part(items, node.start_mark, key)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            self._open.append(node)
            mapping = {
                name: self.part(value, mark, (*path, name)) for name, (mark, value) in self._pairs(node, path).items()
            }
            self._open.pop()
            return _Part(mapping, node.start_mark, key)
        self._tag(node, path)
        return _Part(None, node.start_mark, key)

    def _step(self, node: yaml.Node, mark: yaml.Mark) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            raise _TooLargeError(_too_many(), mark)
        if len(self._open) >= MAX_DEPTH:
            raise _TooLargeError(_too_deep(), node.start_mark)

    def _tag(self, node: yaml.Node, path: tuple[str, ...]) -> None:
        tag = node.tag.replace(_TAG, "!!", 1)
        self._faults.at(node.start_mark, f"the tag {_shown(tag)} is not allowed here: write a plain value", path)

    def _scalar(self, node: yaml.ScalarNode, kind: str, path: tuple[str, ...]) -> str | int | float | bool | None:
        text: str = node.value
        if kind in {"str", "merge"}:
            if any("\ud800" <= c <= "\udfff" for c in text):
                self._faults.at(node.start_mark, "half a character (a lone surrogate) is not allowed", path)
                return ""
            return text
        # the tag may have been written by hand: !!int "abc"
        if _kind(text) != kind and not (kind == "float" and _kind(text) == "int"):
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
    return f"'{_shown(key)}' is here a second time; the first is at {first}"


# From parts to settings


def _file_model(components: tuple[Component, ...]) -> type[SiteFile]:
    """The model of the file with one key for each component."""
    sections: dict[str, Any] = {
        # an alias, as a section may be named like a method of pydantic's models
        f"section_{place}": (
            component.settings,
            Field(default_factory=component.settings, alias=component.name),
        )
        for place, component in enumerate(components)
    }
    return cast("type[SiteFile]", create_model("SiteFile", __base__=SiteFile, **sections))


def _roles(components: Iterable[Component]) -> dict[str, str]:
    """Every role with what it means: the first plugin that knows it says so."""
    roles: dict[str, str] = {}
    for component in components:
        for role, text in component.roles.items():
            roles.setdefault(role, text)
    return roles


def _explained(root: _Part, components: tuple[Component, ...]) -> bool:
    """Whether every section and every role that the file names is core's or one of ``components``'."""
    sections = {*SiteFile.model_fields, *(component.name for component in components)}
    roles = _roles(components)
    named = root.value if isinstance(root.value, dict) else {}
    return all(key in sections or _is_aside(key) for key in named) and all(
        role in roles for _, role, _ in _role_parts(root)
    )


def _is_aside(key: str) -> bool:
    """Whether ``key`` is a place for anchors, which is not read."""
    return key.startswith("x-")


def _judge(root: _Part, components: tuple[Component, ...], folder: Path | None, faults: _Faults) -> SiteSettings | None:
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "one value"
        faults.at(root.mark, f"the file must be a mapping, with keys such as 'ceph:' and 'hosts:', not {kind}")
        return None
    parts = {key: part for key, part in root.value.items() if not _is_aside(key)}
    top = _Part(parts, root.mark, root.key)
    model = _file_model(components)
    file, data = _validated(model, top, folder, components, faults)
    if file is None:
        # what is right by itself is still compared with the rest
        hosts = _each(HostGroup, data.get("hosts"), folder)
        ssh = next(iter(_each(SshSettings, {"ssh": data.get("ssh", {})}, folder).values()), None)
        ceph = data.get("ceph")
        admin = ceph.get("admin") if isinstance(ceph, dict) else None
        admin = admin if isinstance(admin, str) and not _refused(faults, top, "ceph", "admin") else None
    else:
        hosts, ssh, admin = file.hosts, file.ssh, file.ceph.admin
    expanded = _expanded(hosts, top, faults)
    _roles_known(top, _roles(components), faults)
    if expanded is None:
        return None
    origin, all_hosts = expanded
    said: set[tuple[str, str]] = set()
    for clash in clashes(all_hosts, admin, ssh):
        if clash.other is None:
            # a host that has faults of its own may be the one that is meant
            if admin not in (whole if isinstance(whole := data.get("hosts"), dict) else ()):
                _fault(faults, top, clash.keys, clash.message + _near(admin or "", all_hosts))
            continue
        # two ranges that overlap are one mistake
        pair = (origin[clash.other], origin[clash.keys[1]])
        if pair not in said:
            said.add(pair)
            _fault(faults, top, ("hosts", pair[1], *clash.keys[2:]), clash.message)
    if faults or file is None:
        return None
    try:
        return SiteSettings(
            **{key: getattr(file, key) for key in CoreSettings.model_fields},
            hosts=all_hosts,
            components={
                component.name: getattr(file, f"section_{place}") for place, component in enumerate(components)
            },
        )
    except ValidationError as error:  # pragma: no cover - every rule of it has been applied above
        faults.add(1, 1, "; ".join(item["msg"] for item in error.errors(include_input=False)))
        return None


def _validated(
    model: type[SiteFile],
    top: _Part,
    folder: Path | None,
    components: tuple[Component, ...],
    faults: _Faults,
) -> tuple[SiteFile | None, dict[str, Any]]:
    """The file's own model if it is right in itself; else its faults are noted."""
    data = cast("dict[str, Any]", top.plain())
    while True:
        try:
            return _parsed(model, data, folder), data
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        # a heading with nothing below it is an empty section; each round fills at least one
        if not sum(_filled(data, item) for item in found):
            break
    names = {component.name for component in components}
    notes: dict[tuple[tuple[str, ...], bool], tuple[yaml.Mark, list[str]]] = {}
    known = _Keys(model)
    for item in found:
        # a default that hangs on another key can't be made while that one is wrong
        if item["type"] == "default_factory_not_called":
            continue
        if len(notes) >= MAX_FAULTS:
            break
        keys, part, missing = _located(top, item["loc"])
        if item["type"] == "missing":
            mark, message = part.key, "is missing"
            keys = (*keys, *missing)
        elif item["type"] == "extra_forbidden":
            mark = part.key
            message = (
                _unknown_section(keys[0], part, names)
                if len(keys) == 1
                else f"no such key{_near(keys[-1], known.at(keys[:-1])) or _all(known.at(keys[:-1]))}"
            )
        else:
            mark = part.key if item["loc"][-1:] == ("[key]",) else part.mark
            # nothing stands for a value that the reader has refused
            if faults.has(mark):
                continue
            message = _words(item, part, keys)
        # the branches of a union each say what they want
        said = notes.setdefault((keys, mark is part.key), (mark, []))[1]
        if message not in said:
            said.append(message)
    for (keys, _), (mark, messages) in notes.items():
        faults.at(mark, ", or ".join(messages), keys)
    return None, data


def _parsed(model: type[Any], data: object, folder: Path | None) -> Any:
    """``data`` by the rules of JSON: a text is never taken for a number, a number never for a text."""
    try:
        return model.model_validate_json(json.dumps(data), strict=True, context={"folder": folder})
    except (ValidationError, CephdeployError):
        raise
    except Exception as error:
        raise PluginError(
            f"a plugin's settings can't judge the site file: {type(error).__name__} in a validator"
        ) from error


def _each(model: type[Any], data: object, folder: Path | None) -> dict[str, Any]:
    """Those of ``data``'s values that are right by themselves, under names that are."""
    found = {}
    for name, value in data.items() if isinstance(data, dict) else ():
        try:
            if model is HostGroup:
                whole = _parsed(_OneHost, {"hosts": {name: value}}, folder)
                found.update(whole.hosts)
            else:
                found[name] = _parsed(model, value, folder)
        except ValidationError:
            continue
    return found


class _OneHost(Settings):
    """An entry under `hosts` that is judged by itself."""

    model_config = ConfigDict(use_attribute_docstrings=False)

    hosts: dict[HostRange, HostGroup]


def _filled(data: dict[str, Any], item: ErrorDetails) -> bool:
    """Put an empty section where the file has a heading only."""
    empty: object
    if item["type"] in {"model_type", "dict_type", "mapping_type", "dataclass_type"}:
        empty = {}
    elif item["type"] in {"list_type", "tuple_type", "set_type", "frozen_set_type"}:
        empty = []
    else:
        return False
    here: Any = data
    *way, last = item["loc"] or ("",)
    for key in way:
        if not (key in here if isinstance(here, dict) else isinstance(here, list) and isinstance(key, int)):
            return False
        here = here[key]
    if isinstance(here, dict) and last in here and here[last] is None:
        here[last] = empty
        return True
    return False


def _located(top: _Part, loc: tuple[int | str, ...]) -> tuple[tuple[str, ...], _Part, tuple[str, ...]]:
    """The keys of ``loc`` that the file has, the part there, and the last key if the file lacks it.

    Pydantic puts names of its own (the branches of a union, ``[key]``) among the keys.
    """
    keys: list[str] = []
    here = top
    missing: tuple[str, ...] = ()
    for key in loc:
        if isinstance(here.value, dict) and str(key) in here.value:
            here = here.value[str(key)]
        elif isinstance(here.value, list) and isinstance(key, int) and 0 <= key < len(here.value):
            here = here.value[key]
        else:
            missing = (str(key),)
            continue
        keys.append(str(key))
        missing = ()
    return tuple(keys), here, missing


def _fault(faults: _Faults, top: _Part, keys: tuple[str, ...], message: str) -> None:
    """A fault at ``keys``, or at the nearest that the file has of them."""
    _, part, missing = _located(top, tuple(int(key) if key.isascii() and key.isdecimal() else key for key in keys))
    faults.at(part.key if missing else part.mark, message, keys)


def _refused(faults: _Faults, top: _Part, *keys: str) -> bool:
    found, part, _ = _located(top, keys)
    return found != keys or faults.has(part.mark)


def _unknown_section(key: str, part: _Part, components: Iterable[str]) -> str:
    core = _near(key, SiteFile.model_fields)
    if core and not isinstance(part.value, dict):
        return f"no such key{core}"
    near = _near(key, (*SiteFile.model_fields, *components))
    return f"no installed plugin has a section '{_shown(key)}'{near}"


def _all(known: Iterable[str]) -> str:
    names = list(known)
    return f"; known are: {', '.join(names)}" if 0 < len(names) <= 16 else ""


def _expanded(
    groups: Mapping[str, HostGroup], top: _Part, faults: _Faults
) -> tuple[dict[str, str], dict[str, HostSettings]] | None:
    """Every host, and the entry that each came from."""
    origin: dict[str, str] = {}
    hosts: dict[str, HostSettings] = {}
    for group, settings in groups.items():
        try:
            found = expand(group, settings)
        except ValueError as error:
            _fault(faults, top, ("hosts", group, "address"), str(error))
            continue
        twice = [name for name in found if name in hosts]
        if twice:
            _fault(
                faults,
                top,
                ("hosts", group),
                f"host '{twice[0]}' is in '{group}' and in '{origin[twice[0]]}'",
            )
            continue
        hosts.update(found)
        origin.update(dict.fromkeys(found, group))
        if len(hosts) > MAX_HOSTS:
            _fault(faults, top, ("hosts", group), f"a site has at most {MAX_HOSTS:,} hosts")
            return None
    return origin, hosts


def _roles_known(top: _Part, roles: Mapping[str, str], faults: _Faults) -> None:
    """Every role that the file names is one that a plugin knows."""

    @cache
    def unknown(role: str) -> str | None:
        if role in roles:
            return None
        known = f"; known are: {', '.join(sorted(roles))}" if roles else "; no installed plugin has roles"
        return f"no role '{_shown(role)}'{_near(role, roles) or known}"

    for keys, part, mark in _role_parts(top):
        if faults.full:
            return
        message = None if faults.has(mark) else unknown(part)
        if message:
            faults.at(mark, message, keys)


def _role_parts(top: _Part) -> Iterator[tuple[tuple[str, ...], str, yaml.Mark]]:
    sections = top.value if isinstance(top.value, dict) else {}
    for section in ("hosts", "repositories"):
        part = sections.get(section)
        entries: list[tuple[str, _Part]] = []
        if part is not None and isinstance(part.value, dict):
            entries = list(part.value.items())
        elif part is not None and isinstance(part.value, list):
            entries = [(str(place), item) for place, item in enumerate(part.value)]
        for name, entry in entries:
            roles = entry.value.get("roles") if isinstance(entry.value, dict) else None
            for place, item in enumerate(roles.value if roles and isinstance(roles.value, list) else ()):
                if isinstance(item.value, str):
                    yield (section, name, "roles", str(place)), item.value, item.mark
    serial = sections.get("serial")
    if serial is not None and isinstance(serial.value, dict):
        for role, item in serial.value.items():
            yield ("serial", role), role, item.key


# Words


_LIMITS: Final[Mapping[str, str]] = {
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have {min_length} items or more",
    "too_long": "must have {max_length} items or fewer",
}
_TYPES: Final[tuple[tuple[str, str], ...]] = (
    (r"int_.*", "must be a whole number"),
    (r"(float|decimal|finite)_.*", "must be a number"),
    (r"(path|bytes|secret).*", "must be text"),
    (r"(list|tuple|set|frozen_set|iterable)_type", "must be a list, such as [a, b]"),
    (
        r"(model|dict|mapping|dataclass|model_attributes|typed_dict)_type",
        "must be a mapping of keys to values",
    ),
    (r"none_required", "must be left empty"),
)


def _words(item: ErrorDetails, part: _Part, keys: tuple[str, ...]) -> str:
    """What pydantic found wrong, in our words; never with the value, if it could be a secret."""
    kind, context = item["type"], item.get("ctx", {})
    written = part.written if isinstance(part.value, str | int | float | bool) else ""
    private = any(_PRIVATE_KEYS.search(key) for key in keys) or _private(written)
    if kind in {"value_error", "assertion_error"}:
        return _printed(str(context.get("error") or "is not valid"), 400)
    if kind in {"literal_error", "enum"}:
        expected = str(context.get("expected", ""))
        near = "" if private else _near(written, re.findall(r"'([^']*)'", expected))
        return f"must be {expected}{near}"
    if kind in _LIMITS:
        return _LIMITS[kind].format_map(context)
    if kind.startswith("string_"):
        if part.value is None or isinstance(part.value, dict | list):
            return "must be text"
        return "must be text: put it in quotes" + ("" if private else f', "{_shown(written)}"')
    if kind.startswith("bool_"):
        word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(written.lower())
        return "must be true or false" + (f"; did you mean '{word}'?" if word else "")
    for pattern, words in _TYPES:
        if re.fullmatch(pattern, kind):
            return words
    if private:
        return "is not valid"
    return _printed(item["msg"][:1].lower() + item["msg"][1:], 200)


class _Keys:
    """Which keys a place of the file may have: by the JSON Schema, as it knows unions and plugins' models."""

    def __init__(self, model: type[SiteFile]) -> None:
        self._model = model
        self._schema: dict[str, Any] | None = None

    def at(self, keys: Iterable[str]) -> tuple[str, ...]:
        if self._schema is None:
            self._schema = self._model.model_json_schema()
        places = list(self._branches(self._schema))
        for key in keys:
            places = [
                branch for place in places for below in self._below(place, key) for branch in self._branches(below)
            ]
        return tuple(dict.fromkeys(key for place in places for key in place.get("properties", ())))

    def _branches(self, place: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        if "$ref" in place and self._schema is not None:
            yield from self._branches(self._schema["$defs"][place["$ref"].rpartition("/")[2]])
            return
        yield place
        for some in ("anyOf", "oneOf", "allOf"):
            for branch in place.get(some, ()):
                yield from self._branches(branch)

    @staticmethod
    def _below(place: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
        if key in place.get("properties", {}):
            yield place["properties"][key]
            return
        for below in (
            place.get("additionalProperties"),
            place.get("items"),
            *place.get("patternProperties", {}).values(),
        ):
            if isinstance(below, Mapping):
                yield below


# The file to begin with


def _keys(model: type[Settings], but: Iterable[str] = ()) -> list[tuple[str, FieldInfo, object]]:
    """The keys of a model, each with a value that shows what it looks like."""
    found = []
    for name, info in model.model_fields.items():
        if name in but:
            continue
        value = info.get_default(call_default_factory=True, validated_data={})
        if (value is None or value == ()) and info.examples:
            value = info.examples[0]
        found.append((info.alias or name, info, to_jsonable_python(value)))
    return found


def _about(model: type[Settings]) -> str:
    """What the model itself says it is, not what it inherits."""
    return (model.__dict__.get("__doc__") or "") if model is not Settings else ""


def _prose(text: str | None, indent: int = 0) -> str:
    """``text`` as comment lines."""
    start = f"{' ' * indent}# "
    if not text:
        return ""
    return textwrap.fill(
        " ".join((text or "").split()),
        width=100,
        initial_indent=start,
        subsequent_indent=start,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _flow(value: object) -> str:
    """``value`` in YAML, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z~/][A-Za-z0-9_./~-]*", value) and _kind(value) == "str":
        return value
    return json.dumps(value)


def _inside(value: object) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _inside(item)
    elif isinstance(value, list):
        for item in value:
            yield from _inside(item)
