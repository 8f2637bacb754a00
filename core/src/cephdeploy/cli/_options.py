"""The options that several commands have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import UsageError
from . import _completion
from ._asked import Asked

__all__ = ["common", "debug", "detailed", "form", "hosts", "limit", "plugins", "site", "timings", "verbose", "yes"]

F = TypeVar("F", bound=Callable[..., Any])


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """An option that may stand before the command or after it."""
    if value not in (None, False):
        setattr(ctx.ensure_object(Asked), str(parameter.name), value)


def site(envvar: str | None = None) -> Callable[[F], F]:
    return click.option(
        "-C",
        "--site",
        type=click.Path(path_type=Path),
        envvar=envvar,
        expose_value=False,
        is_eager=True,
        callback=_remember,
        help="The site file, site.yml by default; or the variable CEPHDEPLOY_SITE.",
    )


verbose = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, is_eager=True, callback=_remember,
    help="Say more: the differences of each file.",
)  # fmt: skip
debug = click.option(
    "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_remember,
    help="Show where in the program an error came from.",
)  # fmt: skip
timings = click.option(
    "--timings", is_flag=True, expose_value=False, callback=_remember,
    help="Say what the time went into.",
)  # fmt: skip


def common(command: F) -> F:
    """The options of every command; for those of other distributions too, whose ``obj`` is then an :class:`Asked`."""
    return site()(verbose(debug(command)))


def _names(ctx: click.Context, parameter: click.Parameter, value: Sequence[str]) -> tuple[str, ...]:
    """Names that may be separated by commas and come in several options, each once.

    :raises UsageError: an option names nothing, which would mean all: a shell's variable that is not set is that.
    """
    found: dict[str, None] = {}
    for text in value:
        some = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
        if not some:
            option = max(parameter.opts, key=len)
            what = "plugin" if option == "--plugins" else "host"
            raise UsageError(f"{option} is empty: name a {what}, or leave it out")
        found |= some
    return tuple(found)


def hosts(ctx: click.Context, parameter: click.Parameter, value: Sequence[str]) -> tuple[str, ...]:
    """Hosts by their names, or by ranges of them as in the site file, each once.

    :raises UsageError: an option names nothing, or a range is none.
    """
    found: dict[str, None] = {}
    for name in _names(ctx, parameter, value):
        if "[" not in name:
            found[name] = None
            continue
        from ..settings import names_of

        try:
            found |= dict.fromkeys(names_of(name))
        except ValueError as error:
            raise UsageError(f"{max(parameter.opts, key=len)} {name}: {error}") from None
    return tuple(found)


plugins = click.option(
    "-p", "--plugins", metavar="NAME,...", multiple=True, callback=_names, shell_complete=_completion.plugins,
    help="The plugins that take part; all that the site file has roles for by default.",
)  # fmt: skip
limit = click.option(
    "--limit",
    metavar="HOST",
    multiple=True,
    callback=hosts,
    shell_complete=_completion.hosts,
    help="Change this host only, or a range such as compute[1-3]; may be repeated.",
)
detailed = click.option(
    "--detailed-exitcode",
    "detailed",
    is_flag=True,
    help="End with 2 when there are changes, and with 0 when none.",
)
yes = click.option("-y", "--yes", is_flag=True, help="Don't ask before the changes are made.")


def form(*forms: str) -> Callable[[F], F]:
    return click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help="How it is shown.",
    )
