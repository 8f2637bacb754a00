"""Pools and cephx users, looked at and changed by the ``ceph`` and ``rbd`` commands on one admin host."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from ..errors import SettingsError
from ..requests import Answer, Pick, Ran, Request, Run
from ..resource import Clash, Resource, State, Unfit, Upstream
from ..site import Site
from ..values import Secret
from .names import named

__all__ = ["CephPool", "CephUser", "grants"]

#: The services whose caps a client can hold, in the order in which Ceph shows them.
_SERVICES = ("mon", "mgr", "osd", "mds")


def _answer(answers: Sequence[Answer], what: str) -> list[dict[str, object]]:
    (ran,) = answers
    assert isinstance(ran, Ran)
    if ran.status != 0:
        raise Unfit(f"{what} failed: {ran.reason}")
    try:
        found = json.loads(ran.out)
    except ValueError:
        raise Unfit(f"{what} did not answer with json") from None
    if not isinstance(found, list):
        raise Unfit(f"{what} answered with something else than a list")
    return [item for item in found if isinstance(item, dict)]


@dataclass(frozen=True, kw_only=True)
class CephPool(Resource):
    """A replicated pool for RBD images.

    A pool that is there keeps its data, its size and its number of placement groups: only what RBD
    needs of it, the ``rbd`` application, is put right.

    :param pg_num: placement groups at creation; None leaves them to the autoscaler.
    :param bulk: creation with the ``bulk`` flag (many placement groups at once; Ceph 17 and up).
    :param ceph: how ``ceph`` is run there, such as ``("cephadm", "shell", "--")`` before it.
    """

    kind: ClassVar[str] = "pool"
    slow: ClassVar[bool] = True
    slow_look: ClassVar[bool] = True

    pool: str
    pg_num: int | None = None
    bulk: bool = False
    prefix: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named("pool", "PoolName", self.pool)

    @classmethod
    def of(cls, site: Site, key: str) -> Self:
        """The pool for ``key`` (``images``, ``volumes``, ...), named and made as the site file's ``pools`` says.

        :raises SettingsError: the site file gives that name to another pool of its own.
        """
        wish = site.pool(key)
        name = site.pool_name(key)
        for other in site.settings.pools:
            if other != key and site.pool_name(other) == name:
                raise SettingsError(
                    f"pools '{key}' and '{other}' are both called '{name}' in Ceph, where the users of the one could "
                    f"delete what is the other's; give each a name of its own by pools.{other}.name"
                )
        return cls(host=site.ceph.admin, pool=name, pg_num=wish.pg_num, bulk=wish.bulk, prefix=site.ceph.prefix)

    @property
    def name(self) -> str:
        return self.pool

    def probe(self) -> Sequence[Request]:
        argv = (*self.prefix, "ceph", "osd", "pool", "ls", "detail", "-f", "json")
        return (Run(argv=argv, pick=Pick((), "pool_name", (self.pool,))),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        for pool in _answer(answers, "ceph osd pool ls detail"):
            if pool.get("pool_name") == self.pool:
                applications = pool.get("application_metadata")
                names = sorted(applications) if isinstance(applications, dict) else []
                return State(
                    {
                        "application": ",".join(names) or None,
                        "autoscale": str(pool.get("pg_autoscale_mode", "")) or None,
                        "pg_num": str(pool.get("pg_num", "")) or None,
                    }
                )
        return None

    def want(self, have: State | None, upstream: Upstream) -> State:
        if have is None:
            wanted: dict[str, str | None] = {"application": "rbd"}
            if self.pg_num is None:
                wanted["autoscale"] = "on"
            else:
                wanted["pg_num"] = str(self.pg_num)
            return State(wanted)
        applications = str(have.values["application"] or "")
        if "rbd" in applications.split(","):
            return have
        if applications:
            raise Unfit(f"the pool belongs to the application {applications}; name another pool for RBD")
        return State({**have.values, "application": "rbd"})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        requests: list[Request] = []
        if have is None:
            argv = ["ceph", "osd", "pool", "create", self.pool]
            if self.pg_num is not None:
                argv += [str(self.pg_num), "--autoscale-mode=off"]
            else:
                argv += ["--autoscale-mode=on"]
            if self.bulk:
                argv += ["--bulk"]
            requests.append(Run(argv=(*self.prefix, *argv), timeout=120))
        requests.append(Run(argv=(*self.prefix, "rbd", "pool", "init", self.pool), timeout=300))
        return requests


def grants(caps: str) -> tuple[str, ...]:
    """The single grants of a caps string, white space made even, each once.

    ``profile rbd pool=vms, allow r`` has two; commas inside quotes don't occur in client caps.
    """
    return tuple(dict.fromkeys(" ".join(grant.split()) for grant in caps.split(",") if grant.strip()))


def _merged(ours: str, more: str) -> str:
    return ", ".join(dict.fromkeys((*grants(ours), *grants(more))))


@dataclass(frozen=True, kw_only=True)
class CephUser(Resource):
    """A cephx user with at least these caps. Its output ``key`` is its secret key.

    Plugins that share a user (cinder and nova share ``client.cinder``) each declare what they need of
    it: the caps add up. ``ceph auth caps`` replaces all caps of a user, so what is there is read first
    and kept; nothing is taken away unless ``exact``.

    :param entity: with its type, such as ``client.cinder``.
    :param caps: service to caps, such as ``{"mon": "profile rbd"}``.
    :param exact: whether caps that nobody on the site asks for are taken away.
    :param spared: with ``exact``, caps that plugins ask for which don't take part in this run.
    """

    kind: ClassVar[str] = "user"
    slow: ClassVar[bool] = True
    slow_look: ClassVar[bool] = True

    entity: str
    caps: Mapping[str, str] = field(hash=False)
    exact: bool = False
    spared: Mapping[str, str] = field(default_factory=dict, hash=False)
    prefix: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named("entity", "Entity", self.entity)

    @classmethod
    def of(cls, site: Site, entity: str, caps: Mapping[str, str]) -> Self:
        """The user of that name on the site's cluster."""
        exact = site.settings.ceph.caps == "exact"
        return cls(host=site.ceph.admin, entity=entity, caps=caps, exact=exact, prefix=site.ceph.prefix)

    @property
    def name(self) -> str:
        return self.entity

    def merged(self, other: Self) -> Self:
        if (self.exact, self.prefix) != (other.exact, other.prefix):
            raise Clash("one of them takes caps away and the other does not")
        after = tuple(dict.fromkeys((*self.after, *other.after)))
        return replace(self, caps=_added(self.caps, other.caps), spared=_added(self.spared, other.spared), after=after)

    def probe(self) -> Sequence[Request]:
        argv = (*self.prefix, "ceph", "auth", "ls", "-f", "json")
        return (Run(argv=argv, pick=Pick(("auth_dump",), "entity", (self.entity,))),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        for user in _answer(answers, "ceph auth ls"):
            if user.get("entity") == self.entity:
                caps = user.get("caps")
                held = caps if isinstance(caps, dict) else {}
                values = {name: ", ".join(grants(str(text))) for name, text in sorted(held.items())}
                return State(values, outputs={"key": Secret(str(user.get("key", "")).strip())})
        return None

    def want(self, have: State | None, upstream: Upstream) -> State:
        ours = {name: ", ".join(grants(text)) for name, text in self.caps.items()}
        if have is None:
            return State(ours)
        held = {name: str(text) for name, text in have.values.items() if text}
        if self.exact:
            held = {name: _common(text, _added(ours, self.spared).get(name, "")) for name, text in held.items()}
        return State({name: text or None for name, text in _added(held, ours).items()})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        caps = [word for name in _ordered(want.values) for word in (name, str(want.values[name]))]
        verb = "get-or-create" if have is None else "caps"
        # what get-or-create prints is the key: it stays on the host, and is read again with the rest
        return (Run(argv=(*self.prefix, "ceph", "auth", verb, self.entity, *caps), keep="nothing"),)

    def notes(self, have: State | None, want: State) -> Iterable[str]:
        if have is not None and "allow r" in grants(str(want.values.get("mon") or "")):
            yield (
                f"{self.entity} keeps mon 'allow r', with which a client can read the config-key store "
                "(CVE-2026-50152); 'ceph: {caps: exact}' takes it away"
            )


def _added(caps: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Both of two users' caps, service by service."""
    return {name: _merged(caps.get(name, ""), more.get(name, "")) for name in dict.fromkeys((*caps, *more))}


def _common(caps: str, allowed: str) -> str:
    """The grants of ``caps`` that stand in ``allowed`` too."""
    return ", ".join(grant for grant in grants(caps) if grant in grants(allowed))


def _ordered(values: Mapping[str, object]) -> list[str]:
    known = [name for name in _SERVICES if values.get(name)]
    return known + sorted(name for name in values if name not in _SERVICES and values[name])
