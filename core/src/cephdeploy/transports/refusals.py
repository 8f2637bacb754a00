"""What the operator is told when a host can't be reached: the same sentence, whichever transport finds it out.

Each function gives the part of the sentence that follows the host's name.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from .hops import Hop
from .known_hosts import allowed

__all__ = [
    "NOTHING_LISTENS",
    "NO_LOGIN_ANSWER",
    "absent_key",
    "encrypted_key",
    "fingerprint",
    "no_answer",
    "no_sign_of_life",
    "no_ssh",
    "none_accepted",
    "not_followed",
    "not_let_through",
    "other_key",
    "refused",
    "said",
    "through",
    "too_many_keys",
    "unreachable",
    "unreadable_key",
    "unresolved",
    "wants_more",
]

NOTHING_LISTENS = "nothing listens"
NO_LOGIN_ANSWER = "no answer to the login; look at the host's PAM"
_REACHED_BY = "check its address and that sshd runs"


def through(hop: Hop, way: Sequence[Hop], why: str) -> str:
    """``why``, with the jump host that it is about."""
    return why if hop is way[-1] else f"on the way through {hop.host}: {why}"


def not_followed(config: Path, error: BaseException | str) -> str:
    return f"the ssh configuration {config} can't be followed: {error}"


def unreachable(hop: Hop, why: str, *, before: Hop | None = None) -> str:
    """:param before: the jump host that could not reach it."""
    return f"not reachable at {hop}{f' from {before.host}' if before else ''}: {why}; {_REACHED_BY}"


def no_answer(seconds: float) -> str:
    return f"no answer in {seconds:g} s"


def no_sign_of_life(keepalive: int) -> str:
    """For a line on which three questions were left without an answer."""
    return f"no sign of life for {3 * keepalive} s"


def no_ssh(hop: Hop) -> str:
    """For a line that ended, or brought something else, before the other side said that it speaks ssh."""
    if hop.command:
        return (
            f"not reachable at {hop}: its ProxyCommand brings no answer of an sshd; see what it says: ssh -v {hop.name}"
        )
    return (
        f"not reachable at {hop}: it takes the connection and does not speak ssh; check the port, and whether the sshd "
        "there turns this machine away (MaxStartups, PerSourcePenalties)"
    )


def unresolved(hop: Hop) -> str:
    return f"the name {hop.host} does not resolve; set its address in the site file, or HostName in ssh_config"


def not_let_through(hop: Hop, before: Hop) -> str:
    return f"{before.host} does not let connections through to {hop}; set AllowTcpForwarding yes in its sshd_config"


def fingerprint(blob: bytes) -> str:
    """A public key as ``ssh-keygen -l`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def other_key(hop: Hop, way: Sequence[Hop], kind: str, offered: str) -> str:
    """For a host key that is not the one that is known, or is none that is known.

    :param kind: of the key, such as ``ssh-ed25519``.
    :param offered: its fingerprint.
    """
    keys, revoked = allowed(hop.known_hosts, hop.known_as, hop.port)
    if offered in map(fingerprint, revoked):
        return f"its host key is revoked in known_hosts ({offered}); nothing was sent"
    if not keys:
        return (
            f"host key of {hop} is not known ({offered} offered), and nothing was sent; "
            f"compare it with `ssh-keygen -lf` on the host itself, and add it: {_scan(hop, way)}"
        )
    known = next((key for key in keys if key.type == kind), keys[0])
    name = hop.known_as if hop.port == 22 else f"'[{hop.known_as}]:{hop.port}'"
    file = f" -f {hop.known_hosts[0]}" if hop.known_hosts else ""
    return (
        f"host key of {hop} is not the one in known_hosts ({offered} offered, "
        f"{fingerprint(known.blob)} known), and nothing was sent; somebody may be in between. if the host was "
        f"reinstalled: ssh-keygen -R {name}{file}, then compare and add its new key"
    )


def refused(hop: Hop, why: str) -> str:
    return f"login as {hop.user} refused: {why}"


def absent_key(path: Path) -> str:
    return f"there is no key {path}"


def encrypted_key(path: Path) -> str:
    return f"the key {path} is encrypted, and ssh-agent does not hold it (ssh-add {path})"


def unreadable_key(path: Path, why: str) -> str:
    return f"the key {path} can't be read ({why})"


def none_accepted(unusable: Sequence[str], tried: int | None) -> str:
    """For a host that wants none of our keys.

    :param unusable: what is wrong with keys that could not be offered.
    :param tried: how many were offered, if that is known.
    """
    if tried is None:
        why = "no key that was offered is accepted"
    elif tried < 2:
        why = ("there is no key to offer", "the key that was offered is not accepted")[tried]
    else:
        why = f"none of the {tried} keys that were offered is accepted"
    remedy = "set ssh.key, load the key into ssh-agent, or add it to the login's authorized_keys"
    return "; ".join([*unusable, why, remedy])


def too_many_keys(tried: int | None) -> str:
    after = "too many" if tried is None else tried
    return f"the host hung up after {after} keys (MaxAuthTries); name the right one by ssh.key"


def wants_more(kinds: Sequence[str]) -> str:
    return f"beside the key the host wants {' and '.join(kinds)}; exempt the login from it"


def said(error: BaseException) -> str:
    """An error's words as the middle of a sentence."""
    if isinstance(error, EOFError):
        return "the host closed the connection"
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return text.splitlines()[0].rstrip(".")[:300]


def _scan(hop: Hop, way: Sequence[Hop]) -> str:
    """How the key of a hop comes into known_hosts."""
    file = hop.known_hosts[0] if hop.known_hosts else "~/.ssh/known_hosts"
    before = way[: way.index(hop)]
    if before:
        jump = ",".join(f"{one.user}@{one.host}:{one.port}" for one in before)
        return f"ssh -J {jump} -p {hop.port} -o UserKnownHostsFile={file} {hop.user}@{hop.host} true"
    port = "" if hop.port == 22 else f"-p {hop.port} "
    return f"ssh-keyscan {port}{hop.host} >> {file}"
