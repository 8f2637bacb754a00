"""A rollback is a plan like any other: resources that say what was there before a run. Pure.

What they need of old content the hosts kept, for root alone; the journal has names only. Files, options,
caps, libvirt secrets and restarts go back as a set. A pool, a user or data is never deleted, a package
never removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .dialects import DIALECTS, Option, Refused
from .graph import Declaration, Phase
from .journal import Past, Step
from .kinds.ceph import CephUser
from .kinds.files import seen
from .kinds.libvirt import LibvirtSecret
from .kinds.options import CephConf, IniOptions, option_key
from .kinds.services import Service
from .requests import ANY, Answer, Kept, Look, Ran, Request, Restore, Run, Seen, Write
from .resource import Resource, State, Unfit, Upstream
from .site import Site
from .values import Fingerprint

__all__ = ["FormerCaps", "FormerFile", "FormerOptions", "FormerSecret", "declarations"]

#: The author of a rollback's declarations, where a plugin's name would stand.
AUTHOR = "rollback"

_FILES = ("file", "keyring", "block", "no-file", "former-file")
_OPTIONS = {
    "options": IniOptions.dialect,
    "unset-options": IniOptions.dialect,
    "former-options": IniOptions.dialect,
    "ceph-conf": CephConf.dialect,
}


def declarations(past: Past, site: Site, *, hosts: Collection[str] = ()) -> Iterator[Declaration]:
    """What was there before a run, for everything that the run sent.

    :param hosts: only these; empty: all.
    """
    steps = [step for step in past.steps if step.sent and step.status != "rolled back"]
    for host in sorted({step.host for step in steps}):
        if hosts and host not in hosts:
            continue
        former = [_former(past.run, step, site) for step in steps if step.host == host]
        restored = [resource for resource in former if resource is not None]
        for resource in restored:
            yield Declaration(AUTHOR, Phase.DISTRIBUTE_KEYS, resource)
        watched = tuple(sorted(r.address for r in restored if isinstance(r, FormerFile | FormerOptions)))
        for step in steps:
            if step.host == host and step.kind == Service.kind and watched:
                role = step.name.removesuffix(".service").removeprefix(site.hosts[host].distro.unit_prefix)
                service = Service(host=host, role=role, unit=step.name, restart_on=watched, forget=True)
                yield Declaration(AUTHOR, Phase.CONFIGURE_SERVICE, service)


def _former(run: str, step: Step, site: Site) -> Resource | None:
    """The resource that undoes a step; None where nothing is undone."""
    if step.kind in _FILES:
        return FormerFile(host=step.host, path=step.name.partition("#")[0], run=run)
    if step.kind in _OPTIONS and step.action == "create":
        return FormerFile(host=step.host, path=step.name, run=run)
    if step.kind in _OPTIONS:
        options = tuple(_option(name) for name in step.attributes if name.startswith("["))
        return FormerOptions(host=step.host, path=step.name, run=run, dialect=_OPTIONS[step.kind], options=options)
    if step.kind == CephUser.kind and step.action == "change":
        return FormerCaps(host=step.host, entity=step.name, caps=step.caps, prefix=site.ceph.prefix)
    if step.kind == LibvirtSecret.kind:
        return FormerSecret(host=step.host, uuid=step.name, run=run, created=step.action == "create")
    return None


def _option(name: str) -> Option:
    section, _, option = name[1:].partition("] ")
    return section, option


def _kept(answer: Answer) -> Seen:
    if isinstance(answer, Ran):
        raise Unfit(answer.reason)
    assert isinstance(answer, Seen)
    return answer


@dataclass(frozen=True, kw_only=True)
class FormerFile(Resource):
    """A file as it was before a run, or its absence."""

    kind: ClassVar[str] = "former-file"

    path: str
    run: str

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> Sequence[Request]:
        return Look(path=self.path), Kept(run=self.run, name=self.path)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found, kept = seen(answers[0], self.path), _kept(answers[1])
        if found.digest not in (kept.digest, kept.written):
            raise Unfit(
                f"{self.path} was changed by another hand since run {self.run}; put it right by hand, "
                "or leave this host out by --host"
            )
        return State(_shape(found), raw={"found": found, "kept": kept})

    def want(self, have: State | None, upstream: Upstream) -> State:
        kept = have.raw["kept"] if have is not None else None
        return State(_shape(kept) if isinstance(kept, Seen) else {"content": None})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        found = have.raw["found"] if have is not None else None
        assert isinstance(found, Seen)
        return (Restore(path=self.path, kept=self.run, expect=found.digest or ANY),)


def _shape(found: Seen) -> dict[str, str | Fingerprint | None]:
    if found.type == "absent":
        return {"content": None, "owner": None, "mode": None}
    owner = f"{found.owner}:{found.group}"
    return {"content": found.fingerprint, "owner": owner, "mode": f"{found.mode:04o}"}


@dataclass(frozen=True, kw_only=True)
class FormerOptions(Resource):
    """The options that a run set, as they were before it; what else has changed in the file since stays.

    A file that nobody has touched since goes back whole, to the last byte.
    """

    kind: ClassVar[str] = "former-options"

    path: str
    run: str
    dialect: str
    options: tuple[Option, ...]

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> Sequence[Request]:
        return Look(path=self.path, content=True), Kept(run=self.run, name=self.path, content=True)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found, kept = seen(answers[0], self.path), _kept(answers[1])
        untouched = found.digest == kept.written
        return State(self._values(found), raw={"found": found, "former": self._values(kept), "untouched": untouched})

    def want(self, have: State | None, upstream: Upstream) -> State:
        former = have.raw["former"] if have is not None else {}
        assert isinstance(former, Mapping)
        return State(former)

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        found = have.raw["found"] if have is not None else None
        assert isinstance(found, Seen)
        if have is not None and have.raw["untouched"]:
            return (Restore(path=self.path, kept=self.run, expect=found.digest),)
        changes = {option: want.values[option_key(option)] for option in self.options}
        try:
            content = DIALECTS[self.dialect].edit(found.content or b"", changes)  # type: ignore[arg-type]
        except Refused as refused:
            raise Unfit(f"{self.path}:{refused.line}: {refused.reason}") from None
        return (
            Write(
                path=self.path,
                content=content,
                mode=found.mode,
                owner=found.owner,
                group=found.group,
                expect=found.digest or ANY,
            ),
        )

    def _values(self, found: Seen) -> dict[str, str | None]:
        dialect = DIALECTS[self.dialect]
        try:
            present = dialect.read(found.content or b"")
        except Refused as refused:
            raise Unfit(f"{self.path}:{refused.line}: {refused.reason}; put the file right first") from None
        assigned = {option: present.get(dialect.normal(option)) for option in self.options}
        return {option_key(option): one.value if one else None for option, one in assigned.items()}


@dataclass(frozen=True, kw_only=True)
class FormerCaps(CephUser):
    """A user's caps as they were before a run: those services that the run changed, no other."""

    kind: ClassVar[str] = "former-caps"

    def want(self, have: State | None, upstream: Upstream) -> State:
        if have is None:
            raise Unfit(f"{self.entity} is not there any more")
        return State({**have.values, **{name: text or None for name, text in self.caps.items()}})


@dataclass(frozen=True, kw_only=True)
class FormerSecret(Resource):
    """A libvirt secret's value as it was before a run; one that the run defined is undefined."""

    kind: ClassVar[str] = "former-secret"
    slow: ClassVar[bool] = True

    uuid: str
    run: str
    created: bool

    @property
    def name(self) -> str:
        return self.uuid

    @property
    def _kept(self) -> Kept:
        return Kept(run=self.run, name=f"secret {self.uuid}")

    def probe(self) -> Sequence[Request]:
        value = Run(argv=("virsh", "-q", "secret-get-value", self.uuid), keep="digest", accept=(0, 1))
        return (value,) if self.created else (value, self._kept)

    def read(self, answers: Sequence[Answer]) -> State | None:
        value = answers[0]
        assert isinstance(value, Ran)
        if value.status == 127:
            raise Unfit("there is no virsh any more")
        former = None if self.created else _kept(answers[1]).fingerprint
        present = Fingerprint(value.text) if value.status == 0 and value.text else None
        return State({"value": present}, raw={"former": former})

    def want(self, have: State | None, upstream: Upstream) -> State:
        former = have.raw["former"] if have is not None else None
        return State({"value": former if isinstance(former, Fingerprint) else None})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        if self.created:
            return (Run(argv=("virsh", "-q", "secret-undefine", self.uuid)),)
        argv = ("virsh", "-q", "secret-set-value", "--secret", self.uuid, "--file", "/dev/stdin")
        return (Run(argv=argv, feed=self._kept),)
