"""The command line: the one place that prints, asks and exits. What it does is in the library.

Nothing but click is imported until a command runs: ``--help``, ``--version`` and completion answer at once.
"""

from __future__ import annotations

import gc
import os

import click

from .. import __version__
from ..errors import ExitCode
from . import _options as options
from ._asked import Asked
from ._changing import rollback, run, unwire
from ._ending import EXIT_CODES
from ._group import GROUP, Commands
from ._here import history, init, plugins, settings, show, validate
from ._looking import graph, plan, verify
from ._options import common

__all__ = ["EXIT_CODES", "GROUP", "Asked", "Commands", "cli", "common", "main"]


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog='Completion: eval "$(_CEPHDEPLOY_COMPLETE=bash_source cephdeploy)"; likewise zsh_source, fish_source.',
)
@options.site("CEPHDEPLOY_SITE")
@options.verbose
@options.debug
@click.version_option(__version__, prog_name="cephdeploy", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> ExitCode | None:
    """Make an existing OpenStack use an existing Ceph, and prove that it does.

    Begin with 'cephdeploy init', then 'plan', which changes nothing, then 'run'.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        return ExitCode.USAGE
    return None


for _command in (init, validate, settings, plugins, plan, run, unwire, history, show, rollback, verify, graph):
    cli.add_command(_command)


def main() -> None:
    """The console script."""
    # pydantic looks for plugins of its own in all that is installed: 5 ms
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # what lives as long as the process need not be looked through again and again, nor at its end: a sixth of a
    # start, 15 % at 5,000 hosts
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)
    try:
        cli.main(prog_name="cephdeploy")
    finally:
        gc.freeze()
