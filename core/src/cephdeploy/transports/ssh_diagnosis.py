"""What the ``ssh`` program says when it fails, as the sentence that the other transports give."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from . import Target, refusals
from .hops import Hop
from .ssh_program import Way

__all__ = ["diagnosed", "hung_up", "is_dropped", "remote_words", "succeeded"]

#: What LogLevel=VERBOSE adds to standard error, and what is of no use to anyone there.
_CHATTER = re.compile(
    rb"(?m)^(Authenticated to .* using |Authenticated using |Transferred: sent |Bytes per second: |"
    rb"Pseudo-terminal will not be|Killed by signal).*\n?"
)
#: The other side hung up before its banner: it was read from, or written to while it was already gone.
_DROPPED = re.compile(
    r"(?:kex|ssh)_exchange_identification: .*(?:closed|reset)|banner exchange: .*: (?:Broken pipe|Connection reset)"
)
_OFFERED = re.compile(r"Server host key: (\S+) (SHA256:\S+)")
_REFUSED_KEY = (
    "Host key verification failed",
    "host key is known for",
    "has changed and you have requested",
    "revoked",
)


def succeeded(said: str, way: Way) -> int:
    """How many of the logins on the way have succeeded."""
    count = 0
    for line in said.splitlines():
        if count < len(way.logins) and line.startswith(f"Authenticated to {way.logins[count].host} ("):
            count += 1
    return count


def is_dropped(said: str) -> bool:
    """Whether the other side hung up before it said what it is."""
    return bool(_DROPPED.search(said)) and not _is_told(said)


def hung_up(said: bytes, keepalive: int) -> str | None:
    """Why a line went, by what ssh said at its end; None: it did not say that it went."""
    text = said.decode(errors="replace")
    if re.search(r"(?m)^Timeout, server .* not responding", text):
        return refusals.no_sign_of_life(keepalive)
    found = re.search(r"(?m)^(?:client_loop: .*|Connection to .* closed by remote host|Connection reset by .*)", text)
    return found[0].strip().rstrip(".") if found else None


def remote_words(said: bytes) -> bytes:
    """Standard error without what ssh itself adds at our wish."""
    return _CHATTER.sub(b"", said.replace(b"\r\n", b"\n"))


def diagnosed(said: str, target: Target, way: Way, offered: Callable[[], str], *, hung: bool) -> str:
    """Why there was no login: the part of the sentence that follows the host's name.

    :param said: what ssh wrote on standard error until it ended.
    :param offered: gives what ssh says in detail of one more attempt, for the fingerprint of a host key.
    :param hung: we have ended it, because nothing came.
    """
    said = said.replace("\r", "")
    passed = succeeded(said, way)
    hop = way.logins[min(passed, len(way.logins) - 1)]
    number = way.hops.index(hop)
    before = way.hops[number - 1] if number else None
    return refusals.through(hop, way.hops, _why(said, target, hop, before, way.hops, offered, hung=hung))


def _why(
    said: str,
    target: Target,
    hop: Hop,
    before: Hop | None,
    way: Sequence[Hop],
    offered: Callable[[], str],
    *,
    hung: bool,
) -> str:
    if any(sign in said for sign in _REFUSED_KEY):
        keys = _OFFERED.findall(offered())
        kind, fingerprint = keys[-1] if keys else ("", "of a key that it did not show")
        return refusals.other_key(hop, way, kind, fingerprint)
    if before and (found := re.search(r"open failed: (.*)", said)):
        if "administratively prohibited" in found[1]:
            return refusals.not_let_through(hop, before)
        return refusals.unreachable(hop, found[1].removeprefix("connect failed: "), before=before)
    if "Could not resolve hostname" in said:
        return refusals.unresolved(hop)
    if "Too many authentication failures" in said:
        return refusals.refused(hop, refusals.too_many_keys(None))
    if found := re.search(r"Permission denied \(([^)]*)\)", said):
        if "with partial success" in said:
            return refusals.refused(hop, refusals.wants_more(found[1].split(",")))
        unusable = _unusable(target, hop)
        tried = len(hop.keys) - len(unusable) if hop.only else None
        return refusals.refused(hop, refusals.none_accepted(unusable, tried))
    if re.search(r"connect to (?:host|address) .*: Connection refused", said):
        return refusals.unreachable(hop, refusals.NOTHING_LISTENS)
    if hung or "timed out" in said:
        return refusals.unreachable(hop, refusals.no_answer(target.timeout))
    never = re.search(r"connect to (?:host|address) .*: (.*)", said)
    if never and "reset" not in never[1]:
        return refusals.unreachable(hop, never[1].strip())
    if never or is_dropped(said) or re.search(r"banner (?:exchange|line).*invalid", said):
        return refusals.no_ssh(hop)
    return refusals.unreachable(hop, _last(said))


def _is_told(said: str) -> bool:
    """Whether something before the drop says why: the drop is then only what a jump host's end looks like."""
    signs = (
        *_REFUSED_KEY,
        "open failed",
        "Could not resolve",
        "Permission denied",
        "Too many auth",
        "Connection refused",
    )
    return any(sign in said for sign in signs)


def _unusable(target: Target, hop: Hop) -> list[str]:
    """What is wrong with the keys that are named for a hop, as OpenSSH's own programs see it."""
    listed = subprocess.run(["ssh-add", "-L"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    held = {line.split()[1] for line in listed.stdout.splitlines() if len(line.split()) > 1}
    found = []
    for path in hop.keys:
        if not path.exists():
            if target.key and path == target.key.expanduser():
                found.append(refusals.absent_key(path))
            continue
        if _public(path) in held:
            continue
        asked = ["ssh-keygen", "-y", "-P", "", "-f", str(path)]
        ended = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if "passphrase" in ended.stderr:
            found.append(refusals.encrypted_key(path))
        elif ended.returncode:
            found.append(refusals.unreadable_key(path, _last(ended.stderr).rpartition(": ")[2]))
    return found


def _public(path: Path) -> str:
    """The public half beside a private key; empty where it does not stand."""
    try:
        return path.with_name(path.name + ".pub").read_text().split()[1]
    except (OSError, ValueError, IndexError):
        return ""


def _last(said: str) -> str:
    """The last line that ssh said of itself, as the middle of a sentence."""
    lines = [line for line in remote_words(said.encode()).decode(errors="replace").splitlines() if line.strip()]
    own = [line for line in lines if "UNKNOWN port" not in line] or lines or ["ssh said nothing"]
    return "".join(letter for letter in own[-1].strip().rstrip(".")[:300] if letter.isprintable())
