"""Options in configuration files that belong to others: set losslessly, and checked for effect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, ClassVar, Self

from ..dialects import DIALECTS, Assignment, Dialect, Option, Refused
from ..requests import ANY, Answer, Chain, Chained, Look, Ran, Request, Seen, Write
from ..resource import Clash, Resource, State, Unfit, Upstream, Value
from ..values import Default, Items, Ref, Same, Secret, Unknown
from .files import seen
from .names import named

if TYPE_CHECKING:
    from ..site import Host, Site

__all__ = ["CephConf", "IniOptions", "OptionValue", "Options", "assigned", "copied", "edited", "option_key"]

#: What an option may be set to. None: not set, our line taken out. Items: a list that holds these. Default and
#: Same: a value, or another option's, where it is not set yet.
OptionValue = str | Items | Default | Same | Secret | Ref | Unknown | None


@dataclass(frozen=True, kw_only=True)
class Options(Resource):
    """What the two kinds of option file share.

    :param options: section to option to value.
    """

    dialect: ClassVar[str]

    path: str
    options: Mapping[str, Mapping[str, OptionValue]] = field(hash=False)

    def __post_init__(self) -> None:
        named("path", "RemotePath", self.path)

    @property
    def name(self) -> str:
        return self.path

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS[self.dialect]

    def _each(self) -> Iterator[tuple[Option, OptionValue]]:
        for section, options in self.options.items():
            for option, value in options.items():
                yield (section, option), value

    def merged(self, other: Self) -> Self:
        if replace(self, options={}, after=()) != replace(other, options={}, after=()):
            raise Clash("they differ in more than their options")
        merged: dict[str, dict[str, OptionValue]] = {name: dict(part) for name, part in self.options.items()}
        for (section, option), value in other._each():
            part = merged.setdefault(section, {})
            if option not in part:
                part[option] = value
                continue
            mine = part[option]
            if isinstance(mine, Items) and isinstance(value, Items):
                part[option] = mine.merged(value)
            elif mine != value:
                raise Clash(f"[{section}] {option} is {_shown(mine)} for one and {_shown(value)} for the other")
        return replace(self, options=merged, after=tuple(dict.fromkeys((*self.after, *other.after))))

    def _found(self, answer: Answer) -> Seen:
        found = seen(answer, self.path)
        if found.type not in ("file", "absent"):
            raise Unfit(f"{self.path} is a {found.type}, not a file")
        return found

    def _state(self, found: Seen, **raw: object) -> State:
        present = assigned(self.path, self.dialect, found.content or b"")
        values: dict[str, Value] = {}
        same: dict[Option, str | None] = {}
        for option, wanted in self._each():
            one = present.get(self._dialect.normal(option))
            value = one.value if one else None
            values[option_key(option)] = Secret(value) if value is not None and _is_secret(wanted) else value
            if isinstance(wanted, Same):
                other = present.get(self._dialect.normal((wanted.section, wanted.option)))
                same[option] = other.value if other else None
        return State(values, raw={"seen": found, "same": same, **raw})

    def want(self, have: State | None, upstream: Upstream) -> State:
        values: dict[str, Value] = {}
        for option, wanted in self._each():
            current = have.values[option_key(option)] if have is not None else None
            if isinstance(wanted, Items):
                values[option_key(option)] = wanted.within(current if isinstance(current, str) else None)
            elif isinstance(wanted, Default):
                values[option_key(option)] = current if current is not None else wanted.value
            elif isinstance(wanted, Same):
                values[option_key(option)] = current if current is not None else copied(wanted, option, have)
            else:
                assert not isinstance(wanted, Ref)
                values[option_key(option)] = wanted
        return State(values)

    def _edited(self, have: State | None, want: State) -> bytes:
        found = have.raw["seen"] if have is not None else None
        before = found.content or b"" if isinstance(found, Seen) else b""
        wanted = {option: want.values[option_key(option)] for option, _ in self._each()}
        return edited(self.path, self.dialect, before, wanted)

    def text(self, have: State | None, want: State) -> tuple[bytes, bytes] | None:
        if any(isinstance(value, Secret | Unknown) for value in want.values.values()):
            return None
        found = have.raw["seen"] if have is not None else None
        before = found.content or b"" if isinstance(found, Seen) else b""
        return before, self._edited(have, want)


def assigned(path: str, dialect: str, content: bytes) -> Mapping[Option, Assignment]:
    """What a file sets.

    :raises Unfit: it can't be read as one of its dialect.
    """
    try:
        return _parsed(dialect, content)
    except Refused as refused:
        raise Unfit(f"{path}:{refused.line}: {refused.reason}; put the file right first") from None


def edited(path: str, dialect: str, before: bytes, wanted: Mapping[Option, Value]) -> bytes:
    """A file's bytes with options as they are wanted; None takes one out.

    :raises Unfit: it can't be edited without a loss.
    """
    changes: dict[Option, str | None] = {
        option: value.reveal().decode() if isinstance(value, Secret) else value  # type: ignore[misc]
        for option, value in wanted.items()
    }
    try:
        if any(isinstance(value, Secret) for value in wanted.values()):
            return DIALECTS[dialect].edit(before, changes)
        return _rewritten(dialect, before, tuple(changes.items()))
    except Refused as refused:
        raise Unfit(f"{path}:{refused.line}: {refused.reason}") from None


# Most hosts of a site have the same files: each is read and edited once for all of them. An edit with a
# secret of ours in it is not kept.


@lru_cache(maxsize=64)
def _parsed(dialect: str, content: bytes) -> Mapping[Option, Assignment]:
    return DIALECTS[dialect].read(content)


@lru_cache(maxsize=64)
def _rewritten(dialect: str, content: bytes, changes: tuple[tuple[Option, str | None], ...]) -> bytes:
    return DIALECTS[dialect].edit(content, dict(changes))


@cache
def option_key(option: Option) -> str:
    """An option as a state has it: ``[section] option``."""
    return f"[{option[0]}] {option[1]}"


def _is_secret(wanted: OptionValue) -> bool:
    return wanted.secret if isinstance(wanted, Same) else isinstance(wanted, Secret | Ref | Unknown)


def copied(wanted: Same, option: Option, have: State | None) -> Value:
    """What the other option has; None without one."""
    same = have.raw["same"] if have is not None else {}
    assert isinstance(same, Mapping)
    value = same.get(option)
    return Secret(value) if value is not None and wanted.secret else value


def _shown(value: OptionValue) -> str:
    return "unset" if value is None else ",".join(value.items) if isinstance(value, Items) else repr(value)


@dataclass(frozen=True, kw_only=True)
class IniOptions(Options):
    """Options of an oslo.config file, such as nova.conf, that a service really takes from it.

    A service may read further files after this one (Debian's nova-compute reads nova-compute.conf),
    and those win. The files are taken from the running service's own arguments.

    :param unit: the unit that reads the file; empty: effect is not checked.
    :param project: oslo.config's name for the default places, such as ``nova``.
    :param chain: the files that the unit reads when it can't be asked because it does not run.
    :param note: a consequence of a change here that an operator would regret not knowing.
    """

    kind: ClassVar[str] = "options"
    dialect: ClassVar[str] = "oslo"

    unit: str = ""
    project: str = ""
    chain: tuple[str, ...] = ()
    note: str = ""

    @classmethod
    def of(cls, host: Host, role: str, options: Mapping[str, Mapping[str, OptionValue]], *, note: str = "") -> Self:
        """Options of the file that the host's distribution has for ``role``."""
        distro = host.distro
        files = distro.config_files(role)
        return cls(
            host=host.name,
            path=files[0],
            options=options,
            unit=distro.unit(role),
            project=files[0].split("/")[2],
            chain=files,
            note=note,
        )

    def merged(self, other: Self) -> Self:
        # cinder-volume and cinder-backup read one file: either's chain tells what comes after it
        note = "; ".join(filter(None, dict.fromkeys((self.note, other.note))))
        return replace(super().merged(replace(other, unit=self.unit, chain=self.chain, note=self.note)), note=note)

    def notes(self, have: State | None, want: State) -> Iterable[str]:
        return (self.note,) if self.note else ()

    def probe(self) -> Sequence[Request]:
        look = Look(path=self.path, content=True)
        if not self.unit:
            return (look,)
        return (look, Chain(unit=self.unit, path=self.path, project=self.project, default=self.chain))

    def read(self, answers: Sequence[Answer]) -> State | None:
        found = self._found(answers[0])
        if found.type == "absent":
            raise Unfit(f"there is no {self.path}; install the service, or take its role from the host")
        later: dict[Option, tuple[str, str]] = {}
        if len(answers) > 1:
            chained = answers[1]
            if isinstance(chained, Ran):
                raise Unfit(f"can't tell what {self.unit} reads: {chained.reason}")
            assert isinstance(chained, Chained)
            later = self._later(chained)
        return self._state(found, later=later)

    def _later(self, chained: Chained) -> dict[Option, tuple[str, str]]:
        """Options of ours that a file read after ours sets: value, and the place."""
        paths = [path for path, _ in chained.files]
        if self.path not in paths:
            raise Unfit(f"{self.unit} does not read {self.path}, it reads {', '.join(paths) or 'no file'}")
        ours = {self._dialect.normal(option): option for option, _ in self._each()}
        found = {}
        for path, content in chained.files[paths.index(self.path) + 1 :]:
            for option, one in assigned(path, self.dialect, content).items():
                if option in ours:
                    found[ours[option]] = (one.value, f"{path}:{one.line}")
        return found

    def want(self, have: State | None, upstream: Upstream) -> State:
        want = super().want(have, upstream)
        later = have.raw.get("later") if have is not None else None
        for option, (value, place) in (later or {}).items():  # type: ignore[attr-defined]
            if want.values[option_key(option)] != value:
                raise Unfit(
                    f"{option_key(option)} in {self.path} has no effect: {place}, which {self.unit} reads later, "
                    f"sets it to '{value}'; take that line out"
                )
        return want

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        assert have is not None
        found = have.raw["seen"]
        assert isinstance(found, Seen)
        content = self._edited(have, want)
        secret = any(isinstance(value, Secret) for value in want.values.values())
        return (
            Write(
                path=self.path,
                content=Secret(content) if secret else content,
                mode=found.mode,
                owner=found.owner,
                group=found.group,
                expect=found.digest or ANY,
            ),
        )


@dataclass(frozen=True, kw_only=True)
class CephConf(Options):
    """Options of a client's ceph.conf. What else stands in the file stays; a new one is world-readable,
    as librados needs it, and holds no key."""

    kind: ClassVar[str] = "ceph-conf"
    dialect: ClassVar[str] = "ceph"

    @classmethod
    def of(cls, site: Site, host: Host, *, path: str = "", **sections: Mapping[str, str]) -> Self:
        """The minimal configuration of the site's cluster, and further sections such as ``client``.

        :param path: where it is not the one that librados reads by itself. Its name must be the cluster's:
            librados takes the keyring's name from it.
        """
        minimal = {"fsid": site.ceph.fsid, "mon_host": site.ceph.mon_host}
        return cls(host=host.name, path=path or site.ceph.conf, options={"global": minimal, **sections})

    def probe(self) -> Sequence[Request]:
        return (Look(path=self.path, content=True),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found = self._found(answers[0])
        if found.type == "absent":
            return None
        state = self._state(found)
        return State({**state.values, "mode": f"{found.mode:04o}"}, raw=state.raw)

    def want(self, have: State | None, upstream: Upstream) -> State:
        want = super().want(have, upstream)
        if have is not None and (fsid := have.values.get("[global] fsid")) and fsid != want.values["[global] fsid"]:
            raise Unfit(
                f"{self.path} is of another cluster (fsid {fsid}); name ours otherwise by ceph.cluster, "
                "or move that file away"
            )
        values = {**want.values}
        present = have.values.get("[global] mon_host") if have is not None else None
        if present is not None and _monitors(present) == _monitors(values["[global] mon_host"]):
            values["[global] mon_host"] = present
        mode = int(str(have.values["mode"]), 8) | 0o444 if have is not None else 0o644
        return State({**values, "mode": f"{mode:04o}"})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        found = have.raw["seen"] if have is not None else None
        present = found if isinstance(found, Seen) and found.type == "file" else None
        return (
            Write(
                path=self.path,
                content=self._edited(have, want),
                mode=int(str(want.values["mode"]), 8),
                owner=present.owner if present else "root",
                group=present.group if present else "root",
                expect=present.digest if present else "",
            ),
        )


def _monitors(mon_host: Value) -> frozenset[str]:
    """The addresses in a ``mon_host``: ``10.0.0.1`` means the same as ``[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]``."""
    found = re.findall(r"(?:v[12]:)?(\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}|[A-Za-z][\w.-]*)", str(mon_host or ""))
    return frozenset(address for address in found if address not in ("v1", "v2"))
