"""What was asked for all commands, and how a command is typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Asked", "again"]


@dataclass
class Asked:
    """What was asked for all commands; a click context's ``obj``, for commands of other distributions too."""

    site: Path = Path("site.yml")
    verbose: bool = False
    debug: bool = False
    timings: bool = False


def again(command: str, site: Path, *words: str) -> str:
    """A command as the operator would type it."""
    import shlex

    where = ["-C", str(site)] if site != Asked.site else []
    return shlex.join(["cephdeploy", *where, command, *words])
