"""A rollback is a plan like any other: resources that say what was there before a run. Pure.

What they need of old content the hosts kept, for root alone; the journal has names only. Files, options,
caps, libvirt secrets and restarts go back as a set. A pool, a user or data is never deleted, a package
never removed. A host keeps before it changes: where it kept nothing, a step that is not known to have
come true never began, and there is nothing to take back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .dialects import DIALECTS, Option
from .graph import Declaration, Phase
from .journal import Past, Step
from .kinds.ceph import CephUser
from .kinds.files import seen
from .kinds.libvirt import LibvirtSecret, keeping, present, probe, set_value
from .kinds.options import CephConf, IniOptions, assigned, edited, option_key
from .kinds.services import Service
from .requests import ANY, NOTHING_KEPT, Answer, Kept, Look, Ran, Request, Restore, Run, Seen, Write
from .resource import Resource, State, Unfit, Upstream, Value
from .site import Site
from .unwire import NoSecret
from .values import Fingerprint, Secret

__all__ = ["FormerCaps", "FormerFile", "FormerOptions", "FormerSecret", "declarations"]

#: The author of a rollback's declarations, where a plugin's name would stand.
AUTHOR = "rollback"

_FILES = ("file", "keyring", "block", "no-file", "former-file")
_SECRETS = (LibvirtSecret.kind, NoSecret.kind, "former-secret")
_OPTIONS = {
    "options": IniOptions.dialect,
    "unset-options": IniOptions.dialect,
    "former-options": IniOptions.dialect,
    "ceph-conf": CephConf.dialect,
}


def declarations(past: Past, site: Site, *, hosts: Collection[str] = ()) -> Iterator[Declaration]:
    """What was there before a run, for everything that the run sent. A service that read it is restarted, whether the
    run did that itself or another that went on from it.

    :param hosts: only these; empty: all.
    """
    sent = [step for step in past.steps if step.sent and step.status != "rolled back"]
    for host in sorted({step.host for step in sent}):
        if hosts and host not in hosts:
            continue
        former = [_former(past.run, step, site) for step in sent if step.host == host]
        restored = [resource for resource in former if resource is not None]
        for resource in restored:
            yield Declaration(AUTHOR, Phase.DISTRIBUTE_KEYS, resource)
        watched = tuple(sorted(r.address for r in restored if isinstance(r, FormerFile | FormerOptions)))
        for step in past.steps:
            if step.host == host and step.kind == Service.kind and watched:
                role = step.name.removesuffix(".service").removeprefix(site.hosts[host].distro.unit_prefix)
                service = Service(host=host, role=role, unit=step.name, restart_on=watched, forget=True)
                yield Declaration(AUTHOR, Phase.CONFIGURE_SERVICE, service)


def _former(run: str, step: Step, site: Site) -> Resource | None:
    """The resource that undoes a step; None where nothing is undone."""
    done = step.status == "changed"
    if step.kind in _FILES or (step.kind in _OPTIONS and step.action == "create"):
        return FormerFile(host=step.host, path=step.name.partition("#")[0], run=run, done=done)
    if step.kind in _OPTIONS:
        return FormerOptions(
            host=step.host,
            path=step.name,
            run=run,
            done=done,
            dialect=_OPTIONS[step.kind],
            options=tuple(_option(name) for name in step.attributes if name.startswith("[")),
            hidden=frozenset(step.hidden),
        )
    if step.caps and step.action == "change":
        return FormerCaps(host=step.host, entity=step.name, caps=step.caps, prefix=site.ceph.prefix)
    if step.kind in _SECRETS:
        defined = step.action == "create" or (step.kind == FormerSecret.kind and "secret" in step.attributes)
        if defined:
            return NoSecret(host=step.host, uuid=step.name)
        return FormerSecret(host=step.host, uuid=step.name, run=run, done=done)
    return None


def _option(name: str) -> Option:
    section, _, option = name[1:].partition("] ")
    return section, option


def _kept(answer: Answer, *, done: bool) -> Seen | None:
    """What the host kept; None where the step never began.

    :raises Unfit: it did, and what was there before it is not kept any more.
    """
    if isinstance(answer, Ran):
        if answer.status == NOTHING_KEPT and not done:
            return None
        raise Unfit(answer.reason)
    assert isinstance(answer, Seen)
    return answer


@dataclass(frozen=True, kw_only=True)
class FormerFile(Resource):
    """A file as it was before a run, or its absence.

    :param done: whether the run saw its change come true.
    """

    kind: ClassVar[str] = "former-file"

    path: str
    run: str
    done: bool

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> Sequence[Request]:
        return Look(path=self.path), Kept(run=self.run, name=self.path)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found, kept = seen(answers[0], self.path), _kept(answers[1], done=self.done)
        if kept is not None and found.digest not in (kept.digest, kept.written):
            raise Unfit(
                f"{self.path} was changed by another hand since run {self.run}; put it right by hand, "
                "or take back the other hosts, each by --host"
            )
        return State(_shape(found), raw={"found": found, "kept": kept})

    def want(self, have: State | None, upstream: Upstream) -> State:
        if have is None:  # what is watched has a digest, which nobody compares after a rollback
            return State({"content": None})
        kept = have.raw["kept"]
        return State(_shape(kept) if isinstance(kept, Seen) else have.values)

    def removed(self, want: State) -> bool:
        return want.values["content"] is None

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

    :param done: as of :class:`FormerFile`.
    :param hidden: the keys of those options that are secrets.
    """

    kind: ClassVar[str] = "former-options"

    path: str
    run: str
    done: bool
    dialect: str
    options: tuple[Option, ...]
    hidden: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> Sequence[Request]:
        return Look(path=self.path, content=True), Kept(run=self.run, name=self.path, content=True)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found, kept = seen(answers[0], self.path), _kept(answers[1], done=self.done)
        values = self._values(found)
        former = values if kept is None else self._values(kept)
        untouched = kept is not None and found.digest == kept.written
        return State(values, raw={"found": found, "former": former, "untouched": untouched})

    def want(self, have: State | None, upstream: Upstream) -> State:
        former = have.raw["former"] if have is not None else {}
        assert isinstance(former, Mapping)
        return State(former)

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        found = have.raw["found"] if have is not None else None
        assert isinstance(found, Seen)
        if have is not None and have.raw["untouched"]:
            return (Restore(path=self.path, kept=self.run, expect=found.digest),)
        wanted = {option: want.values[option_key(option)] for option in self.options}
        content = edited(self.path, self.dialect, found.content or b"", wanted)
        return (
            Write(
                path=self.path,
                content=Secret(content) if self.hidden else content,
                mode=found.mode,
                owner=found.owner,
                group=found.group,
                expect=found.digest or ANY,
            ),
        )

    def _values(self, found: Seen) -> dict[str, Value]:
        present = assigned(self.path, self.dialect, found.content or b"")
        values: dict[str, Value] = {}
        for option in self.options:
            key, one = option_key(option), present.get(DIALECTS[self.dialect].normal(option))
            value = one.value if one else None
            values[key] = Secret(value) if value is not None and key in self.hidden else value
        return values


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
    """A libvirt secret as it was before a run. One that had no value then keeps what it has: libvirt takes none away.

    :param done: as of :class:`FormerFile`.
    """

    kind: ClassVar[str] = "former-secret"
    slow: ClassVar[bool] = True

    uuid: str
    run: str
    done: bool

    @property
    def name(self) -> str:
        return self.uuid

    @property
    def _kept(self) -> tuple[Kept, Kept]:
        """What :func:`keeping` made the host keep."""
        return Kept(run=self.run, name=f"secret-xml {self.uuid}"), Kept(run=self.run, name=f"secret {self.uuid}")

    def probe(self) -> Sequence[Request]:
        return probe(self.uuid), *self._kept

    def read(self, answers: Sequence[Answer]) -> State | None:
        said = present(answers[0])
        values: dict[str, Value] = {"secret": "defined" if said.xml else None, "value": said.value}
        former = dict(values)
        if _kept(answers[1], done=self.done) is not None:
            former["secret"] = "defined"
            if (value := _kept(answers[2], done=False)) is not None:
                former["value"] = value.fingerprint
        return State(values, raw={"former": former})

    def want(self, have: State | None, upstream: Upstream) -> State:
        former = have.raw["former"] if have is not None else {}
        assert isinstance(former, Mapping)
        return State(former)

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        assert have is not None
        xml, value = self._kept
        define = Run(argv=("virsh", "-q", "secret-define", "/dev/stdin"), feed=xml)
        first = keeping(self.uuid) if have.values["secret"] else (define,)
        return (*first, set_value(self.uuid, feed=value)) if want.values["value"] else first
