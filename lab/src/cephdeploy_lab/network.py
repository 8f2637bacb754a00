"""The lab's bridge, and one network namespace for each host; no packet of it leaves the machine."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cephdeploy_lab.errors import LabError, WrongUseError

BRIDGE = "br-lab"
GATEWAY = ipaddress.IPv4Interface("10.77.0.1/24")
_OWNER = "cephdeploy-lab:"


def owner() -> Path | None:
    """Return the folder of the lab that has the bridge; the bridge itself carries that note."""
    alias = _bridge_alias()
    return Path(alias.removeprefix(_OWNER)) if alias and alias.startswith(_OWNER) else None


def check_free(folder: Path) -> None:
    """Refuse to begin where somebody else has the bridge's name or the lab's addresses."""
    if (alias := _bridge_alias()) is not None:
        if not alias.startswith(_OWNER):
            raise WrongUseError(
                f"this machine has a bridge {BRIDGE} that no lab made; remove it (`ip link delete {BRIDGE}`) first"
            )
        if owner() != folder:
            raise WrongUseError(
                f"the lab in {owner()} is up and has the bridge {BRIDGE}; take it down before another one"
            )
    for link in json.loads(_ip("-j", "-4", "address", "show")):
        for address in link.get("addr_info", ()):
            if link["ifname"] != BRIDGE and ipaddress.IPv4Address(address["local"]) in GATEWAY.network:
                raise WrongUseError(
                    f"{link['ifname']} has {address['local']}, and the lab needs {GATEWAY.network} for itself;"
                    " give that interface another address"
                )


def make_bridge(folder: Path) -> None:
    if owner() == folder:
        return
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("link", "set", BRIDGE, "alias", f"{_OWNER}{folder}")
    _ip("address", "add", str(GATEWAY), "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def remove_bridge(folder: Path) -> None:
    """Remove the bridge, if it is this lab's."""
    if owner() == folder:
        _ip("link", "delete", BRIDGE)


@dataclass(frozen=True)
class Namespace:
    """The network namespace of one host, with one interface on the bridge."""

    host: str

    @property
    def name(self) -> str:
        return f"lab-{self.host}"

    @property
    def path(self) -> Path:
        return Path("/run/netns") / self.name

    @property
    def _link(self) -> str:
        # an interface's name has at most 15 characters
        return f"lab-{self.host}"[:15]

    def make(self, address: str) -> None:
        self.remove()
        inside = ("-n", self.name)
        _ip("netns", "add", self.name)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", self._link, "master", BRIDGE, "up")
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "address", "add", f"{address}/{GATEWAY.network.prefixlen}", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")

    def remove(self) -> None:
        if Path("/sys/class/net", self._link).exists():
            _ip("link", "delete", self._link)
        if self.path.exists():
            _ip("netns", "delete", self.name)


def _bridge_alias() -> str | None:
    """Return what is noted on the bridge, an empty text if nothing is, or None without a bridge."""
    if not Path("/sys/class/net", BRIDGE).exists():
        return None
    return Path("/sys/class/net", BRIDGE, "ifalias").read_text().strip()


def _ip(*words: str) -> str:
    done = subprocess.run(("ip", *words), capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise LabError(f"`ip {' '.join(words)}` failed: {done.stderr.strip() or 'no reason given'}")
    return done.stdout
