"""Repositories of packages, and the keys that sign them."""

from __future__ import annotations

import shlex
from pathlib import Path

from pydantic import Field

from .base import Own
from .types import LocalPath, Name, PlainText, Roles

__all__ = ["RepositorySettings", "signing_key"]


class RepositorySettings(Own):
    """One package repository that the hosts are to have."""

    name: Name = Field(description="Names the file of the repository on the hosts.")
    content: PlainText = Field(
        description="What stands in that file: a deb822 paragraph or `deb` lines (Debian, Ubuntu), or a "
        "section of a .repo file (RHEL and its kin)."
    )
    key: LocalPath | None = Field(
        default=None,
        description="The file of the public key that signs the repository, ASCII-armoured. Default: none is installed.",
    )
    roles: Roles = Field(default=(), description="Only hosts with one of these roles have it. Default: all hosts.")


def signing_key(path: Path) -> str:
    """The public key that stands in a file.

    :raises ValueError: it can't be installed on a host; why, and what helps.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no file; name the file of the public key")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"can't read {path}: {error.strerror}; put the public key there, or leave 'key' out") from None
    except UnicodeDecodeError:
        export = f"gpg --no-default-keyring --keyring {shlex.quote(str(path))} --export --armor"
        raise ValueError(f"{path} is not text; name one that is ASCII-armoured, as this makes it: {export}") from None
