"""Services: a restart is a difference between the configuration that is wanted and the one in use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from ..requests import Answer, Look, MakeDirectory, Ran, Remove, Request, Restart, Run, Seen, Unit, Write
from ..resource import Clash, Resource, State, Unfit, Upstream, Value
from ..values import UNKNOWN, Address, Unknown

if TYPE_CHECKING:
    from ..site import Host

__all__ = ["Service"]

_STAMPS = "/var/lib/cephdeploy/started-with"
_PENDING = "pending"


@dataclass(frozen=True, kw_only=True)
class Service(Resource):
    """A systemd unit that runs, with the configuration that it should have been started with.

    The host keeps a stamp for each unit: a digest of that configuration. Before a watched resource is
    changed the stamp becomes ``pending``, so a run that dies between the change and the restart leaves
    a difference that the next run repairs. A unit that has no stamp is taken over as it runs.

    :param role: the service's name in OpenStack's words, such as ``cinder-volume``: rolling batches are
        made of the hosts that have it.
    :param unit: the systemd unit.
    :param restart_on: resources of the same host whose change needs a restart.
    :param settle: seconds that the service must stay up for after it, to count as healthy.
    :param stop_timeout: seconds for the stop and start (nova-compute of 2026.2 needs 163).
    """

    kind: ClassVar[str] = "service"
    slow: ClassVar[bool] = True
    patient: ClassVar[bool] = True

    role: str
    unit: str
    restart_on: tuple[Address, ...] = ()
    settle: float = 6
    stop_timeout: float = 300
    #: Whether the unit must be started at boot; otherwise that is left as it is (a cluster manager may
    #: start it instead).
    enable: bool = False
    #: Whether no note is left after the restart, so that the next run takes the service over as it runs: what
    #: it runs with now is not what any plugin declares.
    forget: bool = False

    @classmethod
    def of(cls, host: Host, role: str, *, restart_on: Iterable[Resource]) -> Self:
        """The unit that the host's distribution has for ``role``."""
        watched = tuple(sorted({resource.address for resource in restart_on}))
        return cls(host=host.name, role=role, unit=host.distro.unit(role), restart_on=watched)

    @property
    def name(self) -> str:
        return self.unit

    def merged(self, other: Self) -> Self:
        if replace(self, restart_on=(), after=()) != replace(other, restart_on=(), after=()):
            raise Clash("they differ in more than what restarts it")
        return replace(
            self,
            restart_on=tuple(sorted({*self.restart_on, *other.restart_on})),
            after=tuple(dict.fromkeys((*self.after, *other.after))),
        )

    def needs(self) -> Iterable[Address]:
        return self.restart_on

    @property
    def _stamp(self) -> str:
        return f"{_STAMPS}/{self.unit}"

    def probe(self) -> Sequence[Request]:
        return (Unit(name=self.unit), Look(path=self._stamp, content=True))

    def read(self, answers: Sequence[Answer]) -> State | None:
        shown, stamp = answers
        assert isinstance(shown, Ran)
        if shown.status != 0:
            raise Unfit(f"systemd does not answer: {shown.reason}")
        facts = dict(line.split("=", 1) for line in shown.text.splitlines() if "=" in line)
        if facts.get("LoadState") == "not-found":
            return None
        if facts.get("LoadState") != "loaded":
            raise Unfit(f"systemd can't load {self.unit}: {facts.get('LoadState')}; unmask or mend it")
        noted = stamp.content.decode() if isinstance(stamp, Seen) and stamp.content else None
        running = facts.get("ActiveState") == "active" and facts.get("SubState") in ("running", "exited")
        state = "running" if running else f"{facts.get('ActiveState')} ({facts.get('SubState')})"
        values = {"state": state, "configuration": noted}
        if self.enable:
            values["boot"] = "enabled" if facts.get("UnitFileState") == "enabled" else "disabled"
        return State(values)

    def _causes(self, upstream: Upstream) -> tuple[Address, ...]:
        return tuple(address for address in self.restart_on if upstream.changing(address))

    def foreseen(self, have: State | None, upstream: Upstream) -> State | None:
        if have is None or not self._causes(upstream):
            return have
        return replace(have, values={**have.values, "configuration": _PENDING})

    def want(self, have: State | None, upstream: Upstream) -> State:
        causes = self._causes(upstream)
        if have is None and not causes:
            raise Unfit(f"there is no unit {self.unit}; install {self.role}, or take the role from the host")
        parts = [upstream.digest(address) for address in self.restart_on]
        noted = have.values["configuration"] if have is not None else None
        digest: Value = UNKNOWN
        if have is not None and noted != _PENDING:
            # never noted, or noted by a run that had other plugins: it is taken over as it runs
            digest = noted
        elif self.forget:
            digest = None
        elif not any(isinstance(part, Unknown) for part in parts):
            digest = hashlib.sha256("".join(map(str, parts)).encode()).hexdigest()[:16]
        boot = {"boot": "enabled"} if self.enable else {}
        return State({"state": "running", "configuration": digest, **boot}, raw={"causes": causes})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        requests: list[Request] = []
        # of all that is watched and not of what changes now: a run that died may have written it
        if any(address.name.startswith("/etc/systemd/") for address in self.restart_on):
            requests.append(Run(argv=("systemctl", "daemon-reload")))
        if have is None or any(have.values[name] != want.values[name] for name in ("state", "configuration")):
            requests.append(Restart(name=self.unit, settle=self.settle, timeout=self.stop_timeout))
        if self.enable:
            requests.append(Run(argv=("systemctl", "enable", "--quiet", "--", self.unit)))
        if want.values["configuration"]:
            requests += self._note(str(want.values["configuration"]))
        elif have is not None and have.values["configuration"]:
            requests.append(Remove(path=self._stamp))
        return requests

    def pending(self) -> Sequence[Request]:
        """What to send before a watched resource is changed: a restart must survive a crash."""
        return self._note(_PENDING)

    def _note(self, text: str) -> Sequence[Request]:
        return (
            MakeDirectory(path=_STAMPS, mode=0o700, owner="root", group="root"),
            Write(path=self._stamp, content=text.encode(), mode=0o600, owner="root", group="root"),
        )
