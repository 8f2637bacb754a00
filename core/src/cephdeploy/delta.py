"""A file's new text as what differs from its old one: what travels when some lines of a long file change."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["delta"]

#: As many lines are looked ahead for a place where both go on alike.
_AHEAD = 64


@lru_cache(maxsize=64)
def delta(old: bytes, new: bytes) -> bytes:
    """What makes ``new`` of ``old``: one line of parts, each a range of ``old`` or a count, and then the counted bytes.

    ``0:512,30,540:9000`` and a newline and 30 bytes: cached, as many hosts have the same file. ``patched`` of the
    payload is the way back.
    """
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    parts: list[tuple[int, int] | bytes] = []
    at = mine = theirs = 0
    while theirs < len(after):
        begin = at
        while mine < len(before) and theirs < len(after) and before[mine] == after[theirs]:
            at += len(before[mine])
            mine, theirs = mine + 1, theirs + 1
        if at > begin:
            parts.append((begin, at))
        if theirs < len(after):
            left, put = _resumed(before, after, mine, theirs)
            parts.append(b"".join(after[theirs : theirs + put]))
            at += sum(map(len, before[mine : mine + left]))
            mine, theirs = mine + left, theirs + put
    header = ",".join(str(len(part)) if isinstance(part, bytes) else f"{part[0]}:{part[1]}" for part in parts)
    return header.encode() + b"\n" + b"".join(part for part in parts if isinstance(part, bytes))


def _resumed(before: list[bytes], after: list[bytes], mine: int, theirs: int) -> tuple[int, int]:
    """How many lines of each are passed until they go on alike for two lines; else all of them."""
    for far in range(1, _AHEAD):
        for put in range(far + 1):
            left = far - put
            ahead = before[mine + left : mine + left + 2]
            if ahead and ahead == after[theirs + put : theirs + put + 2]:
                return left, put
    return len(before) - mine, len(after) - theirs
