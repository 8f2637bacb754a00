"""Which keys a login is tried with, in an order that wastes no attempt: sshd allows six (MaxAuthTries)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from .hops import Hop
from .refusals import absent_key, encrypted_key, said, unreadable_key

__all__ = ["EncryptedKey", "Identities"]

Key = TypeVar("Key")


class EncryptedKey(Exception):
    """A private key needs a passphrase, and nobody is asked for one."""


class Identities(Generic[Key]):
    """The keys of a hop.

    One that the site file or ssh_config names comes first, by the agent where it holds it; the agent's other keys and
    the usual files follow unless only the named are wanted.

    :param held: what the agent holds, by the public key's bytes.
    :param read: reads a private key from a file; raises OSError, ValueError, or :class:`EncryptedKey`.
    """

    def __init__(self, hop: Hop, held: Mapping[bytes, Key], read: Callable[[Path], Key]) -> None:
        self._hop = hop
        self._held = dict(held)
        self._read = read
        #: How many were given out.
        self.tried = 0
        #: What is wrong with those that can't be.
        self.unusable: list[str] = []

    def __iter__(self) -> Iterator[Key]:
        for key in self._keys():
            self.tried += 1
            yield key

    def _keys(self) -> Iterator[Key]:
        for path in self._hop.keys:
            yield from self._named(path, asked_for=True)
        if self._hop.only:
            return
        yield from list(self._held.values())
        if not self._hop.keys:
            for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
                yield from self._named(Path.home() / ".ssh" / name, asked_for=False)

    def _named(self, path: Path, *, asked_for: bool) -> Iterator[Key]:
        by_agent = self._held.pop(_public(path), None)
        if by_agent is not None:
            yield by_agent
            return
        try:
            key = self._read(path)
        except FileNotFoundError:
            if asked_for:
                self.unusable.append(absent_key(path))
        except EncryptedKey:
            self.unusable.append(encrypted_key(path))
        except (OSError, ValueError) as error:
            self.unusable.append(unreadable_key(path, said(error)))
        else:
            yield key


def _public(path: Path) -> bytes:
    """The public half beside a private key; empty where it does not stand."""
    try:
        return base64.b64decode(path.with_name(path.name + ".pub").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return b""
