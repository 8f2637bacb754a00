"""The commands that change hosts: each shows its plan, asks, keeps a journal, and says what came of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import __version__
from ..errors import CephdeployError, ExitCode, UsageError
from . import _completion
from . import _options as options
from ._asked import Asked, again
from ._ending import StoppedError, interruptible
from ._hosts import opened
from ._looking import judged, plan_lines, tell_timings, verified
from ._output import Output

if TYPE_CHECKING:
    from ..deployment import Deployment
    from ..engine import Result
    from ..journal import Journal
    from ..planner import Plan
    from ..report.header import Header

__all__ = ["rollback", "run", "unwire"]


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@options.plugins
@options.limit
@options.yes
@options.detailed
@click.option("--no-verify", is_flag=True, help="Leave out the proof by use after the changes.")
@options.timings
@options.common
@click.pass_obj
def run(
    asked: Asked,
    file: Path | None,
    plugins: Sequence[str],
    limit: Sequence[str],
    yes: bool,
    detailed: bool,
    no_verify: bool,
) -> ExitCode:
    """Show the plan, make it true, and prove that it works.

    Safe to run again at any time: what is right already is left alone, and what an earlier run did not
    finish is finished.

    With FILE, a plan that 'cephdeploy plan -o FILE' saved is made true, and nothing else: it is refused if
    what it saw is not there any more.
    """
    if not yes and not _on_terminal():
        raise UsageError(
            "there is no terminal to ask on, and nothing was changed; add --yes to run without being asked, or look "
            f"first: {again('plan', asked.site)}"
        )
    out = Output()
    saved = None
    if file is not None:
        from ..saved_plan import load

        if plugins or limit:
            raise UsageError("a saved plan has its plugins and limit in it; leave --plugins and --limit out")
        saved = load(file)
        plugins, limit = saved.plugins, saved.limit
    with opened(asked, plugins, limit, out, holder=_holder("run")) as (deployment, header):
        with interruptible("nothing was changed"):
            with out.waiting(f"looking at {header.scope}"):
                found = deployment.plan(limit=limit)
            if saved is not None:
                saved.check(found)
        code = _converged(found, deployment, header, out, asked, yes=yes, command="run", verify=not no_verify)
    return ExitCode.CHANGES if detailed and found.changes and code == ExitCode.OK else code


@click.command()
@click.argument("plugins", nargs=-1, required=True, metavar="PLUGIN...")
@options.yes
@options.common
@click.pass_obj
def unwire(asked: Asked, plugins: Sequence[str], yes: bool) -> ExitCode:
    """Take components off Ceph again: what was set for them goes, and nothing that holds data.

    Refused while a pool that only they use holds an image. What another plugin of the site needs too stays.
    """
    out = Output()
    with opened(asked, plugins, (), out, off=True, holder=_holder("unwire")) as (deployment, header):
        with interruptible("nothing was changed"), out.waiting(f"looking at {header.scope}"):
            found = deployment.plan()
        return _converged(found, deployment, header, out, asked, yes=yes, command="unwire", verify=False)


@click.command()
@click.argument("run", shell_complete=_completion.runs)
@click.option(
    "--host", "hosts", multiple=True, metavar="HOST", callback=options.hosts, shell_complete=_completion.hosts,
    help="This host alone; may stand several times.",
)  # fmt: skip
@options.yes
@options.common
@click.pass_obj
def rollback(asked: Asked, run: str, hosts: Sequence[str], yes: bool) -> ExitCode:
    """Take back what a past run changed: show it as a plan, and make it true.

    Files, options, caps, libvirt secrets and restarts go back as a set. Pools, users, packages and data stay.
    """
    from ..journal import recall

    out = Output()
    undone = recall(run)
    if not any(step.sent for step in undone.steps):
        raise UsageError(f"run {undone.run} changed nothing; there is nothing to take back")
    with opened(asked, undone.plugins, hosts, out, undo=undone, holder=_holder("rollback")) as (deployment, header):
        with interruptible("nothing was changed"), out.waiting(f"looking at {header.scope}"):
            found = deployment.plan(limit=hosts)
        return _converged(
            found, deployment, header, out, asked, yes=yes, command=f"rollback {undone.run}", verify=False
        )


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _holder(command: str) -> str:
    """Who holds a lock: told to whoever is refused."""
    import getpass
    import socket
    import time

    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container's user that has no name
        who = f"uid {os.getuid()}"
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return f"{who} on {socket.gethostname()}, 'cephdeploy {command}' (process {os.getpid()}), since {since}"


def _converged(
    found: Plan,
    deployment: Deployment,
    header: Header,
    out: Output,
    asked: Asked,
    *,
    yes: bool,
    command: str,
    verify: bool,
) -> ExitCode:
    """Show a plan, ask, carry it out, and keep the journal of it."""
    with interruptible("nothing was changed"):
        out.show(plan_lines(found, header, out, asked))
        if found.changes and not yes and not _agreed(found):
            raise StoppedError("nothing was changed")
    from ..journal import Journal

    with Journal.begin() as journal:
        code = ExitCode.FAILED
        try:
            journal.write("begin", command=command, who=_holder(command), version=__version__,
                          plugins=list(header.plugins), hosts=list(header.hosts), limit=list(header.limit))  # fmt: skip
            code = _carried_out(found, deployment, header, journal, out, asked, verify=verify)
        except CephdeployError as error:
            code = error.exit_code
            raise
        finally:
            # the hosts are as they are; a full disk here must not say otherwise
            with suppress(CephdeployError):
                journal.write("finish", exit_code=int(code))
    return code


def _agreed(plan: Plan) -> bool:
    """Whether the operator wants what was shown.

    :raises UsageError: there is nobody to ask.
    """
    from ..report.words import count

    if not _on_terminal():
        raise UsageError("nothing was changed: there is no terminal to ask on; add --yes to have these changes made")
    hosts = len({change.address.host for change in plan})
    what = "this change" if len(plan) == 1 else "these changes"
    try:
        return click.confirm(f"\nMake {what} on {count(hosts, 'host')}?")
    except click.Abort:
        click.echo(err=True)  # the terminal's ^C stands on the line of the question
        raise


def _carried_out(
    plan: Plan,
    deployment: Deployment,
    header: Header,
    journal: Journal,
    out: Output,
    asked: Asked,
    *,
    verify: bool,
) -> ExitCode:
    if plan.changes:
        out.say()
        result = _applied(plan, deployment, journal, out)
        from ..report.recap import recap

        out.say()
        hosts = header.limit or tuple(header.hosts)
        out.show(recap(plan, result, hosts, out.paper))
        tell_timings(deployment, out, asked)
        if not result.ok:
            out.say(f"run {journal.run}")
            return result.exit_code
    else:
        tell_timings(deployment, out, asked)
    if not verify:
        out.say(f"done, and not proved (--no-verify). run {journal.run}")
        return ExitCode.OK
    out.say()
    with interruptible("what was to be changed is done; cephdeploy verify proves it"):
        results = verified(deployment, out, header.limit)
    for one in results:
        journal.write("verify", plugin=one.plugin, probe=one.title, ok=one.ok, detail=one.detail)
    return judged(results, out, header, after=f" run {journal.run}")


def _applied(plan: Plan, deployment: Deployment, journal: Journal, out: Output) -> Result:
    from ..progress import Progress

    left = (
        "what was sent to a host may have been done. Run the same command again: it looks at every host and goes "
        f"on from there. run {journal.run}"
    )
    with interruptible(left), Progress(plan, out.console, out.paper, live=out.terminal) as progress:
        return deployment.apply(plan, journal=journal, listener=progress)
