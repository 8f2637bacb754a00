"""OpenSSH's client as a program: its command lines, and what it says of its configuration."""

from __future__ import annotations

import math
import os
import pwd
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import HostError
from . import Target
from .hops import Hop, hops
from .refusals import not_followed

__all__ = ["QUESTIONS", "Way", "lay"]

#: Unanswered questions after which a silent line is given up; with the interval before the first, three intervals.
QUESTIONS = 2
#: What holds whatever the operator's configuration says: nobody is asked, no unproven host key is taken by any way
#: round, nothing is forwarded, and nothing but our command runs.
_ALWAYS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "NoHostAuthenticationForLocalhost": "no",
    "VerifyHostKeyDNS": "no",
    "UpdateHostKeys": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "Tunnel": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "EscapeChar": "none",
    "ControlMaster": "no",
    # it says when a login succeeded, and with what; the rest of what it adds is left out where it is read
    "LogLevel": "VERBOSE",
}
#: Seconds for a program that only looks at its configuration; `Match exec` may run what it likes.
_PATIENCE = 30


class Way:
    """How the ``ssh`` program gets to a host.

    :param hops: every sshd that has to be passed, from the first one that we connect to.
    :param shared: the first of them is a connection that the operator holds open already (ControlMaster).
    """

    def __init__(self, target: Target, hops: Sequence[Hop], *, shared: bool) -> None:
        self._target = target
        self.hops = hops
        self.shared = shared

    @property
    def logins(self) -> Sequence[Hop]:
        """Those that we log in to."""
        return self.hops[1:] if self.shared else self.hops

    def argv(self, command: str) -> list[str]:
        """The command line that runs ``command`` on the host."""
        return [*self._ssh(len(self.hops) - 1), "--", self.hops[-1].name, command]

    def _ssh(self, number: int) -> list[str]:
        """ssh with all its options for a hop; the way there is a ``ssh -W`` to the hop before.

        Not by ``-J``: the ssh that it starts for a jump host would have none of our options.
        """
        hop, target = self.hops[number], self._target
        options = dict(_ALWAYS)
        options["ConnectTimeout"] = str(max(math.ceil(target.timeout), 1))
        options["ServerAliveInterval"] = str(target.keepalive)
        options["ServerAliveCountMax"] = str(QUESTIONS)
        if not (self.shared and number == 0):
            options["ControlPath"] = "none"
        if target.known_hosts:
            options["UserKnownHostsFile"] = _quoted(target.known_hosts)
            options["GlobalKnownHostsFile"] = "none"
        if number:
            there = f"[{hop.host}]:{hop.port}"
            through = [*self._ssh(number - 1), "-W", there, "--", self.hops[number - 1].name]
            options["ProxyCommand"] = shlex.join(through).replace("%", "%%")
        elif hop.command is None:
            options["ProxyJump"] = "none"
        words = [f"-o{name}={value}" for name, value in options.items()]
        return ["ssh", *_who(target, hop.user, hop.port), *words]


def lay(target: Target) -> Way:
    """The way to a host.

    :raises HostError: the configuration can't be followed, a jump host is none, or there is no ``ssh``.
    """
    held: set[str] = set()

    def says(name: str, user: str | None, port: int | None) -> Mapping[str, Any]:
        who = _who(target, user, port)
        said = _configuration(who, name)
        if _is_held_open(said, who, name):
            held.add(name)
        return said

    try:
        passed = hops(target, says)
    except FileNotFoundError as error:
        raise HostError(target.name, "there is no ssh program here; install openssh-client") from error
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise HostError(target.name, not_followed(target.config or Path("~/.ssh/config"), error)) from error
    masters = [number for number, hop in enumerate(passed) if hop.name in held]
    return Way(target, passed[masters[-1] if masters else 0 :], shared=bool(masters))


def _who(target: Target, user: str | None = None, port: int | None = None) -> tuple[str, ...]:
    """The options that say which configuration, which key, and who logs in where."""
    words = []
    if target.config and target.config.expanduser() != Path("~/.ssh/config").expanduser():
        config = target.config.expanduser()
        words += ["-F", str(config) if config.is_file() else "none"]
    if target.key:
        words += ["-oIdentitiesOnly=yes", "-i", str(target.key.expanduser())]
    return (*words, *(("-l", user) if user else ()), *(("-p", str(port)) if port else ()))


@cache
def _configuration(who: tuple[str, ...], name: str) -> Mapping[str, Any]:
    """What ``ssh -G`` says: asked once a run for each name.

    :raises ValueError: the configuration does not parse.
    """
    asked = ["ssh", "-T", *who, "-G", "--", name]
    ended = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise ValueError(lines[0].strip())
    home = pwd.getpwuid(os.getuid()).pw_dir  # whatever HOME says
    found: dict[str, Any] = {}
    for line in ended.stdout.splitlines():
        option, _, value = line.partition(" ")
        if option == "identityfile":
            found.setdefault(option, []).append(home + value[1:] if value.startswith("~/") else value)
        else:
            found[option] = value
    return found


def _is_held_open(said: Mapping[str, Any], who: Sequence[str], name: str) -> bool:
    """Whether the operator has a connection open for others to use, made by a configuration that checks host keys."""
    control = said.get("controlpath", "none")
    if said.get("stricthostkeychecking") not in ("true", "ask") or control == "none" or not Path(control).is_socket():
        return False
    asked = ["ssh", *who, "-Ocheck", "--", name]
    return subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE).returncode == 0


def _quoted(path: Path) -> str:
    """A file's name as one word of an option that takes several; ``%`` would begin a token."""
    return '"' + str(path.expanduser()).replace("%", "%%") + '"'
