"""What a shell offers after TAB. Nothing here fails, asks a host, or imports what would be felt under the finger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ._asked import Asked

if TYPE_CHECKING:
    from pathlib import Path

    import click
    from click.shell_completion import CompletionItem

__all__ = ["hosts", "plugins", "runs"]

#: As many runs as fit on a screen; more of an older one's name has to be typed.
_RUNS = 20


def plugins(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The installed plugins."""
    from importlib.metadata import entry_points

    return _after_comma(incomplete, sorted({point.name for point in entry_points(group="cephdeploy.plugins")}))


def hosts(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The hosts of the site file, ranges as they stand there."""
    return _after_comma(incomplete, list(_named_in(ctx.ensure_object(Asked).site)))


def runs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The past runs, the newest first, each with the command that it was."""
    from click.shell_completion import CompletionItem

    from ..journal import folder

    fitting = [path for path in folder().glob("*.jsonl") if path.stem.startswith(incomplete)]
    newest = sorted(fitting, reverse=True)[:_RUNS]
    return [CompletionItem(path.stem, help=_command(path)) for path in newest]


def _command(path: Path) -> str:
    """What a run was, by its journal's first line; a journal is not read whole, as a large site's is long."""
    import json

    from ..report.words import plain

    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = json.loads(file.readline(1 << 16))
        return plain(first["command"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _after_comma(incomplete: str, names: Sequence[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last) and name not in before.split(",")]


def _named_in(path: Path) -> Iterator[str]:
    """The names under ``hosts`` in a site file that may be half written; it is judged elsewhere."""
    import yaml

    try:
        top = yaml.compose(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError):
        return
    for key, value in top.value if isinstance(top, yaml.MappingNode) else ():
        if key.value == "hosts" and isinstance(value, yaml.MappingNode):
            yield from (name.value for name, _ in value.value if isinstance(name, yaml.ScalarNode))
