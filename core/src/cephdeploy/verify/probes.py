"""What a plugin may declare as a probe, and how one ended. Data: nothing runs here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .evidence import why_no_refusal, why_no_use

if TYPE_CHECKING:
    from ..site import Host, Site
    from .workbench import Workbench

__all__ = ["Check", "Probe", "ProbeResult", "Proof"]

#: How ceph's and rbd's commands say that a key lacks the right; a pool that is not there is as safe.
_REFUSED = r"not permitted|ermission denied|No such file|does not exist"


@dataclass(frozen=True, kw_only=True)
class Check:
    """Commands on one host that must succeed in turn, or must fail in a certain way.

    :param user: the account to run as, such as ``cinder``: a key that only root can read is no proof.
    :param refusal: a regular expression that what the failing command says must match; empty: the
        commands must succeed.
    :param explain: looks for the cause after it failed; returns a sentence, or nothing if it found none.
    """

    host: str
    title: str
    commands: tuple[tuple[str, ...], ...]
    user: str = ""
    refusal: str = ""
    timeout: float = 60
    explain: Callable[[Workbench], str] | None = None

    @classmethod
    def uses_pool(cls, site: Site, host: Host, user: str, pool: str, service: str) -> Self:
        """The service's account, with its own keyring, can put an object into a pool and take it away."""
        return cls(
            host=host.name,
            title=f"{service} can use pool {pool} as client.{user}",
            commands=_put_and_remove(site, host, user, pool),
            user=host.distro.account(service).user,
            # dead monitors never answer: what is to be known then is in ceph.conf
            timeout=20,
            explain=lambda bench: why_no_use(bench, host, user, pool, service),
        )

    @classmethod
    def refused_by_pool(cls, site: Site, host: Host, user: str, pool: str, service: str) -> Self:
        """The service's key can't write to a pool that is not its own."""
        return cls(
            host=host.name,
            title=f"{service} can't write to pool {pool} as client.{user}",
            commands=_put_and_remove(site, host, user, pool)[:1],
            user=host.distro.account(service).user,
            refusal=_REFUSED,
            timeout=20,
            explain=lambda bench: why_no_use(bench, host, user, "", service) or why_no_refusal(bench, user),
        )


def _put_and_remove(site: Site, host: Host, user: str, pool: str) -> tuple[tuple[str, ...], ...]:
    rados = ("rados", "--conf", site.ceph.conf, "--id", user, "--pool", pool)
    name = f"cephdeploy-check-{host.name}"
    return ((*rados, "put", name, "/etc/hostname"), (*rados, "rm", name))


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Work that is done through OpenStack's APIs.

    :param prove: does it; returns what it saw, in a few words. Raises :class:`ProofError`.
    :param quick: it only looks and makes nothing; comes before those that make things.
    :param uses: the roles that must work for it. If a check or a quick proof about one of their hosts
        failed, this one is left out: it would fail for the same reason, minutes later.
    :param pools: where in Ceph that lies which it makes; nothing of it may be left there.
    """

    title: str
    prove: Callable[[Workbench], str]
    #: The host that it is about; empty when it is about the whole.
    host: str = ""
    quick: bool = False
    uses: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()


Probe = Check | Proof


@dataclass(frozen=True)
class ProbeResult:
    """How a probe ended."""

    plugin: str
    title: str
    ok: bool
    detail: str
    seconds: float
