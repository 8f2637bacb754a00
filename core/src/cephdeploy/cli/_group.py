"""The group of all commands: ours, and those of other distributions, which are imported only when they are used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import PluginError, nearest
from ._asked import Asked
from ._ending import EXIT_CODES, status_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from click.shell_completion import CompletionItem

__all__ = ["GROUP", "Commands"]

#: Subcommands that other distributions bring: a name, and a click command.
GROUP: Final = "cephdeploy.commands"


class Commands(click.Group):
    """The group: commands of its own, and those of other distributions, imported only when they are used."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit with an :class:`ExitCode`; every error becomes a sentence."""
        asked = Asked()
        extra.setdefault("obj", asked)
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        sys.exit(status_of(lambda: super(Commands, self).main(args, prog_name, complete_var, False, **extra), asked))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *sorted(_foreign().keys() - self.commands.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        points = _foreign().get(cmd_name)
        return _imported(points) if points else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in self.commands and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            if name not in known:
                ctx.fail(f"no command '{name}'{nearest(name, known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, command.get_short_help_str(100)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        others = [(name, _told(points)) for name, points in sorted(_foreign().items()) if name not in self.commands]
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(others)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit status"):
            formatter.write_dl([(str(int(code)), text) for code, text in EXIT_CODES.items()])
        super().format_epilog(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # click's own asks each command for its help, and so would import every plugin's
        from click.shell_completion import CompletionItem

        named = [(name, command.get_short_help_str()) for name, command in self.commands.items()]
        named += [(name, _told(points)) for name, points in sorted(_foreign().items()) if name not in self.commands]
        found = [CompletionItem(name, help=text) for name, text in named if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def _foreign() -> dict[str, list[EntryPoint]]:
    """The entry points of other distributions' commands, by name, each once; nothing is imported."""
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        points = found.setdefault(point.name, [])
        # an editable installation may be seen twice
        if all((point.value, _distribution(point)) != (other.value, _distribution(other)) for other in points):
            points.append(point)
    return found


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "?"


def _told(points: Sequence[EntryPoint]) -> str:
    """What a command says of itself, or else its distribution; nothing is imported."""
    names = " and ".join(_distribution(point) for point in points)
    dist = points[0].dist
    summary = dist.metadata["Summary"] if dist is not None and "Summary" in dist.metadata else ""
    text = _documented(points[0]) or summary
    return f"{text} ({names})" if text and len(points) == 1 else f"(from {names})"


def _documented(point: EntryPoint) -> str:
    """The first sentence of a command's docstring, read in its source: an import may cost much, or fail."""
    import ast
    from importlib.machinery import PathFinder
    from importlib.util import find_spec
    from pathlib import Path

    module, _, function = point.value.partition(":")
    names = module.split(".")
    try:
        spec = find_spec(names[0])
        for number in range(1, len(names)):
            # not find_spec, which imports what is above
            spec = spec and PathFinder.find_spec(".".join(names[: number + 1]), spec.submodule_search_locations)
        if spec is None or not spec.origin:
            return ""
        body = ast.parse(Path(spec.origin).read_bytes()).body
    except (ImportError, ValueError, OSError, SyntaxError):
        return ""
    found = [one for one in body if isinstance(one, ast.FunctionDef) and one.name == function.strip()]
    text = ast.get_docstring(found[-1]) if found else None
    return click.Command(None, help=text).get_short_help_str(100).rstrip(".") if text else ""


def _imported(points: Sequence[EntryPoint]) -> click.Command:
    point = points[0]
    if len(points) > 1:
        names = " and ".join(_distribution(one) for one in points)
        raise PluginError(f"two distributions provide the command '{point.name}': {names}; uninstall one of them")
    try:
        command = point.load()
    except Exception as error:
        raise PluginError(f"command '{point.name}' ({_distribution(point)}) does not import: {error}") from error
    if not isinstance(command, click.Command):
        kind = type(command).__name__
        raise PluginError(f"command '{point.name}' ({_distribution(point)}) is no click command but a {kind}")
    return command
