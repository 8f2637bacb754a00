"""Which Debian mirror this machine itself uses, read from its apt sources: text in, address out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cephdeploy_lab.errors import WrongUseError

_ETC_APT = Path("/etc/apt")
_DEBIAN = frozenset(("bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"))


@dataclass(frozen=True, kw_only=True)
class Source:
    """One archive of one apt source."""

    uri: str
    suite: str
    components: tuple[str, ...]


def mirror_of_machine(etc_apt: Path = _ETC_APT) -> str:
    """Return the address of the Debian archive that this machine installs from."""
    for path in sorted((etc_apt / "sources.list.d").glob("*.sources")):
        if mirror := debian_mirror(list(deb822_sources(path.read_text()))):
            return mirror
    for path in (etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*.list"))):
        if path.exists() and (mirror := debian_mirror(list(one_line_sources(path.read_text())))):
            return mirror
    raise WrongUseError(f"no apt source under {etc_apt} names a Debian archive; give one with --mirror URL")


def checked(mirror: str) -> str:
    """Return a mirror that a person named, unless it can't be one."""
    if not mirror.startswith(("http://", "https://", "file:/")):
        raise WrongUseError(
            f"--mirror {mirror!r} is no address of an archive; it begins with http://, https:// or file:/"
        )
    return mirror


def debian_mirror(sources: Sequence[Source]) -> str | None:
    """Return the first source that is Debian's own archive: not its security part, nor anybody else's."""
    for source in sources:
        if source.suite in _DEBIAN and "main" in source.components:
            return source.uri
    return None


def one_line_sources(text: str) -> Iterator[Source]:
    """Read the `deb [options] URI SUITE COMPONENT...` lines of a sources.list."""
    for line in text.splitlines():
        words = shlex.split(line.replace("[", " [ ").replace("]", " ] "), comments=True)
        if not words or words[0] != "deb":
            continue
        if words[1:2] == ["["] and "]" in words:
            words = ["deb", *words[words.index("]") + 1 :]]
        if len(words) > 3:
            yield Source(uri=words[1], suite=words[2], components=tuple(words[3:]))


def deb822_sources(text: str) -> Iterator[Source]:
    """Read the stanzas of a .sources file; a disabled one counts for nothing."""
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri=uri, suite=suite, components=tuple(fields.get("components", "").split()))


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0].isspace() and name:
            fields[name] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
