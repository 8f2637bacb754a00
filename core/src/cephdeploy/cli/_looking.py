"""The commands that look at the hosts and change nothing: the plan, the proof, the graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode
from . import _options as options
from ._asked import Asked, again
from ._ending import interruptible
from ._hosts import opened
from ._output import Output

if TYPE_CHECKING:
    from ..deployment import Deployment
    from ..planner import Plan
    from ..report.header import Header
    from ..report.paper import Line
    from ..verify import ProbeResult

__all__ = ["graph", "judged", "plan", "plan_lines", "tell_timings", "verified", "verify"]


@click.command()
@options.plugins
@options.limit
@options.form("text", "json")
@click.option(
    "-o", "--out", "file", type=click.Path(path_type=Path), help="Save the plan there, for 'cephdeploy run FILE'."
)
@options.detailed
@options.timings
@options.common
@click.pass_obj
def plan(
    asked: Asked, plugins: Sequence[str], limit: Sequence[str], form: str, file: Path | None, detailed: bool
) -> ExitCode:
    """Look at the hosts and show what a run would change; changes nothing."""
    out = Output()
    if file is not None:
        from ..saved_plan import check_place

        check_place(file)
    with opened(asked, plugins, limit, out) as (deployment, header), interruptible("nothing was changed"):
        with out.waiting(f"looking at {header.scope}"):
            found = deployment.plan(limit=limit)
        if file is not None:
            from ..saved_plan import save

            save(file, found, header)
        if form == "json":
            from ..report.plan_json import plan_json

            out.raw(plan_json(found, header))
        else:
            command = again("run", asked.site, str(file)) if file else _run_command(asked, plugins, limit)
            out.show(plan_lines(found, header, out, asked, command=command))
            tell_timings(deployment, out, asked)
    return ExitCode.CHANGES if detailed and found.changes else ExitCode.OK


def plan_lines(plan: Plan, header: Header, out: Output, asked: Asked, command: str = "") -> list[Line]:
    from ..report.plan_text import plan_text

    return plan_text(plan, header, out.paper, verbose=asked.verbose, command=command)


def _run_command(asked: Asked, plugins: Sequence[str], limit: Sequence[str]) -> str:
    words = [*(["--plugins", ",".join(plugins)] if plugins else []), *(f"--limit={name}" for name in limit)]
    return again("run", asked.site, *words)


def tell_timings(deployment: Deployment, out: Output, asked: Asked) -> None:
    if asked.timings:
        from ..report.timings_text import timings_text

        out.say()
        out.show(timings_text(deployment.timings, len(deployment.hosts), out.paper))


@click.command()
@options.plugins
@options.form("text", "json")
@options.common
@click.pass_obj
def verify(asked: Asked, plugins: Sequence[str], form: str) -> ExitCode:
    """Prove by use that OpenStack works on Ceph; cleans up after itself."""
    out = Output()
    with (
        opened(asked, plugins, (), out) as (deployment, header),
        interruptible("the proofs are not complete"),
    ):
        if form == "json":
            from ..report.verify_json import verify_json

            with out.waiting("proving by use"):
                results = deployment.verify()
            out.raw(verify_json(results, header))
            return ExitCode.OK if all(one.ok for one in results) else ExitCode.FAILED
        out.show(header.lines(out.paper))
        out.say()
        return judged(verified(deployment, out), out, header)


def verified(deployment: Deployment, out: Output, limit: Collection[str] = ()) -> list[ProbeResult]:
    from ..report.recap import probe_line
    from ..report.words import plain

    with out.waiting("proving by use") as waiting:
        return deployment.verify(
            limit=limit,
            listener=lambda one: out.show([probe_line(one, out.paper)]),
            doing=lambda what: waiting(f"proving by use: {plain(what)}"),
        )


def judged(results: Sequence[ProbeResult], out: Output, header: Header, *, after: str = "") -> ExitCode:
    from ..report.words import count

    bad = sum(not one.ok for one in results)
    if bad:
        limit = "" if not header.limit else " --limit left the other hosts as they were; --no-verify leaves this out."
        out.say((f"not proven: {bad} of {count(len(results), 'probe')} failed.", "bold red"), f"{limit}{after}")
        return ExitCode.FAILED
    if not results:
        out.say(f"there is nothing to prove: no plugin of this run has a probe.{after}")
    else:
        out.say(("proven.", "bold green"), f" {count(len(results), 'probe')}.{after}")
    return ExitCode.OK


@click.command()
@options.plugins
@options.form("text", "mermaid", "dot", "json")
@options.common
@click.pass_obj
def graph(asked: Asked, plugins: Sequence[str], form: str) -> None:
    """Show what waits for what, and why; changes nothing."""
    from ..report.graphs import FORMATS

    out = Output()
    with opened(asked, plugins, (), out) as (deployment, _), interruptible("nothing was changed"):
        out.raw(FORMATS[form](deployment.graph))
