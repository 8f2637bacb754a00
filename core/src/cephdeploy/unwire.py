"""Taking a component off Ceph again: what its plugin declares, turned round. Pure.

Only what is as we set it is taken back, and only what no other plugin of the site declares too. Pools,
users, packages, ceph.conf and data stay; while a pool that only this component uses holds an image,
nothing is done at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from .graph import Declaration, Phase
from .kinds.ceph import CephPool
from .kinds.files import File, seen
from .kinds.libvirt import LibvirtSecret, keeping, present, probe
from .kinds.options import CephConf, IniOptions, OptionValue, copied, option_key
from .kinds.services import Service
from .requests import ANY, MISSING, Answer, Look, Ran, Remove, Request, Run, Seen
from .resource import Resource, State, Unfit, Upstream
from .values import Address, Default, Fingerprint, Items, Same, Secret, Unknown

__all__ = ["EmptyPool", "NoFile", "NoSecret", "UnsetOptions", "declarations"]

#: The author of these declarations, where a plugin's name would stand.
AUTHOR = "unwire"


def declarations(
    ours: Iterable[Declaration], others: Iterable[Declaration], instead: Iterable[Resource], *, common: str
) -> Iterator[Declaration]:
    """The plugins' declarations turned round.

    :param ours: of the plugins that are taken off Ceph.
    :param others: of the site's other plugins; what they declare too stays.
    :param instead: what the plugins' ``unwire`` hooks want in place of what is taken away.
    :param common: the ceph.conf that every client reads by itself, which stays.
    """
    shared: dict[Address, list[Resource]] = {}
    for one in others:
        shared.setdefault(one.resource.address, []).append(one.resource)
    replaced = {one.address: one for one in instead}
    turned: dict[Address, Address] = {}
    services: dict[Address, Service] = {}
    found: dict[Address, Resource] = {}
    for one in ours:
        resource = one.resource
        if isinstance(resource, Service):
            known = services.get(resource.address)
            services[resource.address] = known.merged(resource) if known else resource
            continue
        opposite = None
        if resource.name != common:
            opposite = _opposite(resource, shared.get(resource.address, []), replaced.get(resource.address))
        if opposite is not None:
            turned[resource.address] = opposite.address
            known_opposite = found.get(opposite.address)
            found[opposite.address] = known_opposite.merged(opposite) if known_opposite else opposite
    guards = tuple(address for address, resource in found.items() if isinstance(resource, EmptyPool))
    for resource in found.values():
        first = resource if isinstance(resource, EmptyPool) else replace(resource, after=guards)
        yield Declaration(AUTHOR, Phase.DISTRIBUTE_KEYS, first)
    for service in services.values():
        watched = tuple(sorted({turned[address] for address in service.restart_on if address in turned}))
        if watched:
            yield Declaration(
                AUTHOR, Phase.CONFIGURE_SERVICE, replace(service, restart_on=watched, enable=False, forget=True)
            )


def _opposite(resource: Resource, shared: Sequence[Resource], instead: Resource | None) -> Resource | None:
    """What takes a resource back; None for what stays."""
    if isinstance(resource, IniOptions):
        theirs = [one for one in shared if isinstance(one, IniOptions)]
        values = instead.options if isinstance(instead, IniOptions) else {}
        return UnsetOptions.turning(resource, theirs, values)
    if shared:
        return None
    if isinstance(resource, File | CephConf):
        return NoFile(host=resource.host, path=resource.path)
    if isinstance(resource, LibvirtSecret):
        return NoSecret(host=resource.host, uuid=resource.uuid)
    if isinstance(resource, CephPool):
        return EmptyPool(host=resource.host, pool=resource.pool, prefix=resource.prefix)
    return None


@dataclass(frozen=True, kw_only=True)
class EmptyPool(Resource):
    """A pool that holds no image and no trash: the condition for everything else. It changes nothing."""

    kind: ClassVar[str] = "empty-pool"
    slow: ClassVar[bool] = True
    slow_look: ClassVar[bool] = True

    pool: str
    prefix: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.pool

    def probe(self) -> Sequence[Request]:
        rbd = (*self.prefix, "rbd")
        return (
            Run(argv=(*rbd, "ls", self.pool, "--format", "json"), accept=(0, 2)),
            Run(argv=(*rbd, "trash", "ls", "--all", self.pool, "--format", "json"), accept=(0, 2)),
        )

    def read(self, answers: Sequence[Answer]) -> State | None:
        counts = []
        for answer in answers:
            assert isinstance(answer, Ran)
            if answer.status not in (0, 2):  # 2: there is no such pool
                raise Unfit(f"can't tell whether pool {self.pool} is empty: {answer.reason}")
            try:
                counts.append(len(json.loads(answer.out)) if answer.status == 0 else 0)
            except ValueError:
                raise Unfit(f"can't tell whether pool {self.pool} is empty: rbd did not answer with json") from None
        images, trash = counts
        if images or trash:
            raise Unfit(
                f"pool {self.pool} holds {images} images and {trash} in the trash; delete or move what uses them, "
                "and nothing is taken away before"
            )
        return State({"images": "0"})

    def want(self, have: State | None, upstream: Upstream) -> State:
        return State({"images": "0"})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        return ()


@dataclass(frozen=True, kw_only=True)
class UnsetOptions(IniOptions):
    """Options that go back to their defaults, or to ``instead``, where they are as we set them."""

    kind: ClassVar[str] = "unset-options"

    #: What stands there in place of ours.
    instead: Mapping[str, Mapping[str, OptionValue]] = field(default_factory=dict, hash=False)

    @classmethod
    def turning(
        cls,
        ours: IniOptions,
        theirs: Sequence[IniOptions],
        instead: Mapping[str, Mapping[str, OptionValue]],
    ) -> UnsetOptions:
        """Our options of a file but for those that another plugin declares with the same value."""
        kept = {
            (section, name)
            for one in theirs
            for section, part in one.options.items()
            for name, value in part.items()
            if not isinstance(value, Items)
        }
        options = {
            section: {name: value for name, value in part.items() if (section, name) not in kept}
            for section, part in ours.options.items()
        }
        return cls(
            host=ours.host,
            path=ours.path,
            options=options,
            unit=ours.unit,
            project=ours.project,
            chain=ours.chain,
            instead=instead,
        )

    def want(self, have: State | None, upstream: Upstream) -> State:
        values = {}
        theirs = self._own_credentials(have)
        for (section, option), ours in self._each():
            key = option_key((section, option))
            current = have.values.get(key) if have is not None else None
            keeps = isinstance(ours, Same) and section in theirs
            values[key] = current if keeps else self._former(section, option, ours, current)
        return State(values)

    def _own_credentials(self, have: State | None) -> set[str]:
        """Sections with others than the service's own, which belong together: none of them is ours."""
        present = have.values if have is not None else {}
        return {
            option[0]
            for option, ours in self._each()
            if isinstance(ours, Same) and present.get(option_key(option)) != copied(ours, option, have)
        }

    def _former(
        self, section: str, option: str, ours: OptionValue, current: object
    ) -> str | Secret | Fingerprint | Unknown | None:
        instead = self.instead.get(section, {}).get(option)
        if isinstance(ours, Items):
            left = [
                one.strip()
                for one in str(current or "").split(",")
                if one.strip() not in ("", *ours.items, *ours.otherwise)
            ]
            if not left and current and not isinstance(instead, str):
                raise Unfit(
                    f"[{section}] {option} in {self.path} would be empty, and the service would not start; give it "
                    "another entry first, or stop the service and take its role from the host"
                )
            return ",".join(left) if left else instead if isinstance(instead, str) else None
        if isinstance(ours, Same | Secret) or current == (ours.value if isinstance(ours, Default) else ours):
            return instead if isinstance(instead, str) else None
        assert current is None or isinstance(current, str | Secret)
        return current  # somebody else's by now


@dataclass(frozen=True, kw_only=True)
class NoFile(Resource):
    """A file of ours that goes away; the host keeps it for a rollback."""

    kind: ClassVar[str] = "no-file"

    path: str

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> Sequence[Request]:
        return (Look(path=self.path),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found = seen(answers[0], self.path)
        return State({"content": found.fingerprint if found.type == "file" else None}, raw={"found": found})

    def want(self, have: State | None, upstream: Upstream) -> State:
        return State({"content": None})

    def removed(self, want: State) -> bool:
        return True

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        found = have.raw["found"] if have is not None else None
        assert isinstance(found, Seen)
        return (Remove(path=self.path, expect=found.digest or ANY),)


@dataclass(frozen=True, kw_only=True)
class NoSecret(Resource):
    """A libvirt secret that is undefined."""

    kind: ClassVar[str] = "no-secret"
    slow: ClassVar[bool] = True

    uuid: str

    @property
    def name(self) -> str:
        return self.uuid

    def probe(self) -> Sequence[Request]:
        return (probe(self.uuid),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        if isinstance(answers[0], Ran) and answers[0].status == MISSING:
            return State({"secret": None})  # libvirt is gone, and its secrets with it
        return State({"secret": "defined" if present(answers[0]).xml else None})

    def want(self, have: State | None, upstream: Upstream) -> State:
        return State({"secret": None})

    def removed(self, want: State) -> bool:
        return True

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        return (*keeping(self.uuid), Run(argv=("virsh", "-q", "secret-undefine", self.uuid)))
