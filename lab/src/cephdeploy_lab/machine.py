"""What the machine itself must offer before a lab can be built on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from cephdeploy_lab.errors import LabError, WrongUseError

_TOOLS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "mount": "mount",
    "setpriv": "util-linux",
}
_ABOUT_THE_WAY = ("acquire::http", "acquire::https", "acquire::check-", "acquire::retries")
_ABOUT_FILES = ("cainfo", "capath", "sslcert", "sslkey", "proxy-auto-detect")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def check_root() -> None:
    if os.geteuid() != 0:
        raise WrongUseError(
            "the lab makes network namespaces, mounts and containers, so it has to run as root; try sudo"
        )


def check_kernel() -> None:
    """Look for the two file systems that no host can do without."""
    known = Path("/proc/filesystems").read_text().split()
    for name in ("overlay", "cgroup2"):
        # a module that is not loaded yet is not in the list: mounting it would load it
        if name not in known and subprocess.run(("modprobe", name), capture_output=True, check=False).returncode:
            raise WrongUseError(f"this kernel has no {name} file system, which every host of the lab needs")


def install_missing_tools(say: Callable[[str], None]) -> None:
    """Install from the machine's own apt sources what the lab calls and the machine lacks."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"))
    missing = {package for tool, package in _TOOLS.items() if shutil.which(tool, path=path) is None}
    if not _KEYRING.exists() and not _KEYRING.with_suffix(".pgp").exists():
        missing.add("debian-archive-keyring")
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise WrongUseError(f"this machine lacks {', '.join(sorted(missing))} and has no apt-get to install it with")
    say(f"installing on this machine: {' '.join(sorted(missing))}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "-q", "-y", "--no-install-recommends", *sorted(missing))
    for words in (install, ("apt-get", "update", "-q"), install):
        # package lists may be old or absent: only then they are fetched, and the installation tried again
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=900, check=False)
        if words is install and done.returncode == 0:
            return
    raise LabError(f"`{' '.join(install)}` failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")


def apt_settings() -> str:
    """Return how this machine's apt reaches its mirror (proxies, checks of dates), as lines of an apt.conf."""
    dump = subprocess.run(("apt-config", "dump"), capture_output=True, text=True, timeout=60, check=True).stdout
    return kept_apt_settings(dump)


def kept_apt_settings(dump: str) -> str:
    """Keep, of what `apt-config dump` prints, what is about the way to a mirror and not about this machine's files."""
    kept = []
    for line in dump.splitlines():
        name = line.split(" ", 1)[0].lower()
        about_files = any(part in name for part in _ABOUT_FILES)
        if name.startswith(_ABOUT_THE_WAY) and not about_files:
            kept.append(line)
    return "\n".join(kept) + "\n"
