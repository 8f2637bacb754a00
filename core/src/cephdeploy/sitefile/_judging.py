"""From a site file's parts to settings: every rule is applied, also beside what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from ..errors import CephdeployError, PluginError, near, nearest
from ..settings import (
    MAX_HOSTS,
    Component,
    CoreSettings,
    HostGroup,
    HostRange,
    HostSettings,
    PoolSettings,
    Settings,
    SiteFile,
    SiteSettings,
    SshSettings,
    clashes,
    expand,
    signing_key,
)
from ._faults import MAX_FAULTS, Faults, printed, shown
from ._model import file_model, roles_of
from ._reading import Part
from ._words import Keys, worded

__all__ = ["explained", "judge"]

#: The drivers that the whole site has one of, with those that need not be named.
_DEFAULTS = {key: SiteFile.model_fields[key].default for key in ("transport", "executor")}


def explained(root: Part, components: tuple[Component, ...]) -> bool:
    """Whether every section and every role that the file names is core's or one of ``components``'."""
    sections = {*SiteFile.model_fields, *(component.name for component in components)}
    roles = roles_of(components)
    named = root.value if isinstance(root.value, dict) else {}
    return all(key in sections or _is_aside(key) for key in named) and all(
        role in roles for _, role, _ in _role_parts(root)
    )


def _is_aside(key: str) -> bool:
    """Whether ``key`` is a place for anchors, which is not read."""
    return key.startswith("x-")


def judge(root: Part, components: tuple[Component, ...], folder: Path | None, faults: Faults) -> SiteSettings | None:
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "one value"
        faults.at(root.mark, f"the file must be a mapping, with keys such as 'ceph:' and 'hosts:', not {kind}")
        return None
    parts = {key: part for key, part in root.value.items() if not _is_aside(key)}
    top = Part(parts, root.mark, root.key)
    model = file_model(components)
    file, data = _validated(model, top, folder, components, faults)
    if file is None:
        # what is right by itself is still compared with the rest
        hosts = _each(HostGroup, data.get("hosts"), folder)
        ssh = next(iter(_each(SshSettings, {"ssh": data.get("ssh", {})}, folder).values()), None)
        pools = _each(PoolSettings, data.get("pools"), folder)
        ceph = data.get("ceph")
        admin = ceph.get("admin") if isinstance(ceph, dict) else None
        admin = admin if isinstance(admin, str) and not _refused(faults, top, "ceph", "admin") else None
    else:
        hosts, ssh, pools, admin = file.hosts, file.ssh, file.pools, file.ceph.admin
    expanded = _expanded(hosts, top, faults)
    _roles_known(top, roles_of(components), faults)
    _drivers_known(top, faults)
    _keys_fit(top, folder, faults)
    if expanded is None:
        return None
    origin, all_hosts = expanded
    said: set[tuple[str, str]] = set()
    for clash in clashes(all_hosts, admin, ssh, pools):
        if clash.keys[0] == "pools":
            _fault(faults, top, clash.keys, printed(clash.message, 400))
            continue
        if clash.other is None:
            # a host that has faults of its own may be the one that is meant
            if admin not in (whole if isinstance(whole := data.get("hosts"), dict) else ()):
                _fault(faults, top, clash.keys, clash.message + nearest(admin or "", all_hosts))
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
    top: Part,
    folder: Path | None,
    components: tuple[Component, ...],
    faults: Faults,
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
    known = Keys(model)
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
                else f"no such key{nearest(keys[-1], known.at(keys[:-1])) or _all(known.at(keys[:-1]))}"
            )
        else:
            mark = part.key if item["loc"][-1:] == ("[key]",) else part.mark
            # nothing stands for a value that the reader has refused
            if faults.has(mark):
                continue
            message = worded(item, part, keys)
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


def _located(top: Part, loc: tuple[int | str, ...]) -> tuple[tuple[str, ...], Part, tuple[str, ...]]:
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


def _fault(faults: Faults, top: Part, keys: tuple[str, ...], message: str) -> None:
    """A fault at ``keys``, or at the nearest that the file has of them."""
    _, part, missing = _located(top, tuple(int(key) if key.isascii() and key.isdecimal() else key for key in keys))
    faults.at(part.key if missing else part.mark, message, keys)


def _refused(faults: Faults, top: Part, *keys: str) -> bool:
    found, part, _ = _located(top, keys)
    return found != keys or faults.has(part.mark)


def _unknown_section(key: str, part: Part, components: Iterable[str]) -> str:
    core = nearest(key, SiteFile.model_fields)
    if core and not isinstance(part.value, dict):
        return f"no such key{core}"
    near = nearest(key, (*SiteFile.model_fields, *components))
    return f"no installed plugin has a section '{shown(key)}'{near}"


def _all(known: Iterable[str]) -> str:
    names = list(known)
    return f"; known are: {', '.join(names)}" if 0 < len(names) <= 16 else ""


def _expanded(
    groups: Mapping[str, HostGroup], top: Part, faults: Faults
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


def _roles_known(top: Part, roles: Mapping[str, str], faults: Faults) -> None:
    """Every role that the file names is one that a plugin knows."""

    @cache
    def unknown(role: str) -> str | None:
        if role in roles:
            return None
        known = f"; known are: {', '.join(sorted(roles))}" if roles else "; no installed plugin has roles"
        return f"no role '{shown(role)}'{nearest(role, roles) or known}"

    for keys, part, mark in _role_parts(top):
        if faults.full:
            return
        message = None if faults.has(mark) else unknown(part)
        if message:
            faults.at(mark, message, keys)


def _drivers_known(top: Part, faults: Faults) -> None:
    """Every driver that the file names is installed: told by the entry points alone, and none of them imported."""

    @cache
    def missing(kind: str, name: str) -> str | None:
        known = sorted({point.name for point in entry_points(group=f"cephdeploy.{kind}s")})
        if name in known:
            return None
        what = "distribution" if kind == "distro" else kind
        return f"no {what} '{shown(name)}' is installed{near(name, known)}"

    for keys, part in _driver_parts(top):
        kind, name = keys[-1], part.value
        # a scan of what is installed costs 10 ms: a default needs none
        if not isinstance(name, str) or faults.has(part.mark) or name == _DEFAULTS.get(kind):
            continue
        if message := missing(kind, name):
            faults.at(part.mark, message, keys)


def _driver_parts(top: Part) -> Iterator[tuple[tuple[str, ...], Part]]:
    sections = top.value if isinstance(top.value, dict) else {}
    for key in _DEFAULTS:
        if key in sections:
            yield (key,), sections[key]
    hosts = sections.get("hosts")
    for name, entry in hosts.value.items() if hosts is not None and isinstance(hosts.value, dict) else ():
        if isinstance(entry.value, dict) and "distro" in entry.value:
            yield ("hosts", name, "distro"), entry.value["distro"]


def _keys_fit(top: Part, folder: Path | None, faults: Faults) -> None:
    """Every repository's key can be installed. It is no secret, and it is here that it is read for the hosts."""
    repositories = top.value.get("repositories") if isinstance(top.value, dict) else None
    for place, entry in enumerate(repositories.value if repositories and isinstance(repositories.value, list) else ()):
        part = entry.value.get("key") if isinstance(entry.value, dict) else None
        if part is None or not isinstance(part.value, str) or faults.has(part.mark):
            continue
        try:
            path = (folder or Path()) / Path(part.value).expanduser()
            if path.is_absolute():  # that of a text without a folder may begin anywhere
                signing_key(path)
        except RuntimeError:
            continue  # a home that is not there; among the first faults, if there are not too many
        except ValueError as error:
            faults.at(part.mark, printed(str(error), 400), ("repositories", str(place), "key"))


def _role_parts(top: Part) -> Iterator[tuple[tuple[str, ...], str, yaml.Mark]]:
    sections = top.value if isinstance(top.value, dict) else {}
    for section in ("hosts", "repositories"):
        part = sections.get(section)
        entries: list[tuple[str, Part]] = []
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
