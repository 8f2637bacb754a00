"""Words for people: how addresses, values and lists of hosts are said. Pure, and of strings alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..planner import shown
from ..redaction import redacted

if TYPE_CHECKING:
    from ..resource import Value
    from ..values import Address

__all__ = [
    "alike",
    "count",
    "label",
    "lines",
    "listed",
    "masked",
    "natural",
    "plain",
    "ranges",
    "short",
    "stored",
    "value",
]

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UUID = re.compile(r"([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
#: Control characters, surrogates, and what turns or hides the text around it.
_UNSEEN = {"Cc", "Cf", "Cs"}


def plain(text: str) -> str:
    """One line that is safe to show: no control character, and nothing that looks like a secret."""
    if text.isascii() and text.isprintable():
        return redacted(text)
    text = _ESCAPE.sub("", text)
    # control characters go first: one in the middle of a key would hide it from the redaction
    kept = (" " if char.isspace() else char for char in text if char.isspace() or not _unseen(char))
    return redacted("".join(kept))


def _unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN


def lines(text: str) -> Iterator[str]:
    """Each line of a text, safe to show."""
    return (plain(line.expandtabs(4)).rstrip() for line in text.split("\n"))


def label(address: Address, *, full: bool = False) -> str:
    """What a resource is called beside its host: a path, a unit, or its kind and name."""
    name = plain(address.name)
    if address.kind == "service":
        return name.removesuffix(".service")
    if address.kind == "packages":
        return "packages"
    if address.kind == "command":
        return name
    if name.startswith("/"):
        return f"{name}/" if address.kind == "directory" else name
    kind = address.kind.removeprefix("no-").removeprefix("former-")  # the sign before it tells what becomes of it
    return f"{kind} {name if full else _UUID.sub(_first, name)}"


def _first(found: re.Match[str]) -> str:
    return f"{found.group(1)}…"


def short(address: Address) -> str:
    """A resource in the middle of a sentence: a file by its last part."""
    said = label(address)
    return said.rstrip("/").rpartition("/")[2] if said.startswith("/") else said


def value(name: str, of: Value) -> str:
    """An attribute's value in one line; ``name`` tells whether it may be a password."""
    if of is None:
        return "(unset)"
    text = str(stored(name, of))
    if text == "":
        return "(empty)"
    if "\n" in text.rstrip("\n"):
        return count(len(text.splitlines()), "line")
    return plain(text)


def stored(name: str, of: Value) -> str | None:
    """An attribute's value as a program may have it: secrets as fingerprints, passwords taken out."""
    text = shown(of)
    return text if text is None or not isinstance(of, str) else _without_password(name, text)


@lru_cache(maxsize=1024)
def _without_password(name: str, text: str) -> str:
    known_by = f"{name} = "
    whole = redacted(known_by + text)
    return whole.removeprefix(known_by) if whole.startswith(known_by) else redacted(text)


@lru_cache(maxsize=256)
def masked(text: str) -> str:
    """A text of many lines without what looks like a secret; the same one comes from many hosts."""
    return redacted(text)


def count(number: int, one: str, more: str = "") -> str:
    """``1 host``, ``2 hosts``, ``5,000 hosts``."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def listed(items: Sequence[str], *, most: int = 4) -> str:
    """``a``, ``a and b``, ``a, b and c``, ``a, b, c and 7 more``."""
    if len(items) > most:
        return f"{', '.join(items[: most - 1])} and {len(items) - most + 1:,} more"
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """A key that sorts compute9 before compute10."""
    return tuple((text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name))


def ranges(names: Iterable[str], *, most: int = 12) -> str:
    """Hosts as the site file writes them: three or more in a row become ``compute[1-20]``.

    :param most: single names and ranges; what is beyond is counted.
    """
    runs: list[list[tuple[str, str, str]]] = []
    for name in names:
        head, number, tail = re.fullmatch(r"(.*?)(\d*)(\D*)", name).groups()  # type: ignore[union-attr]
        last = runs[-1][-1] if runs else ("", "", "")
        follows = number and last[1] and (head, tail, len(number)) == (last[0], last[2], len(last[1]))
        # 9 and 10 differ in length and still follow; 09 and 010 do not
        grows = number and last[1] and (head, tail) == (last[0], last[2]) and "0" not in (number[0], last[1][0])
        if (follows or grows) and int(number) == int(last[1]) + 1:
            runs[-1].append((head, number, tail))
        else:
            runs.append([(head, number, tail)])
    said: list[str] = []
    shown = 0
    for run in runs:
        if len(said) >= most:
            break
        shown += len(run)
        if len(run) > 2:
            head, number, tail = run[0]
            said.append(f"{head}[{number}-{run[-1][1]}]{tail}")
        else:
            said += ["".join(parts) for parts in run]
    rest = sum(map(len, runs)) - shown
    return ", ".join(said) + (f" and {rest:,} more" if rest else "")


#: What differs between hosts that say the same: addresses and fingerprints.
_OWN = re.compile(r"SHA256:[\w+/=]+|\d+(?:\.\d+){3}|(?:[0-9a-f]*:){2,}[0-9a-f:.]*", re.IGNORECASE)


def alike(text: str, host: str) -> str:
    """What a host said, without what is its own: equal for hosts that have the same trouble."""
    return _OWN.sub("*", text.replace(host, "*"))
