"""Past runs as an operator reads them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ExitCode
from .tables import table

if TYPE_CHECKING:
    from ..journal import Past
    from .paper import Line, Paper

__all__ = ["history_lines", "run_lines"]


def history_lines(runs: Sequence[Past], paper: Paper) -> list[Line]:
    """A line for each run."""
    if not runs:
        return [paper.line("no run has been made from here yet")]
    rows = [[one.run, one.command, ", ".join(one.plugins), _steps(one), _end(one)] for one in runs]
    styles = ["" if one.exit_code == ExitCode.OK else "yellow" for one in runs]
    return table(["run", "command", "plugins", "steps", "end"], rows, paper, styles=styles)


def run_lines(run: Past, paper: Paper) -> list[Line]:
    """What one run did, step by step."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.began))
    made = [
        paper.line((f"run {run.run}", "bold"), f"   {run.command}, {when}"),
        paper.line(f"by {run.who or 'unknown'}"),
        paper.line(f"plugins {', '.join(run.plugins)}; hosts {', '.join(run.hosts)}"),
        paper.line(),
    ]
    rows = [
        [step.host, f"{step.kind} {step.name}", step.status or ("unknown" if step.sent else "not begun"), step.detail]
        for step in run.steps
    ]
    made += table(["host", "what", "end", ""], rows, paper) if rows else [paper.line("it found nothing to do")]
    made += [paper.line(), paper.line(_end(run))]
    if any(step.sent for step in run.steps) and not run.command.startswith("rollback"):
        made.append(paper.line(f"take it back: cephdeploy rollback {run.run}"))
    return made


def _steps(run: Past) -> str:
    counts = Counter(step.status or ("unknown" if step.sent else "not begun") for step in run.steps)
    return ", ".join(f"{number} {what}" for what, number in counts.most_common()) or "none"


def _end(run: Past) -> str:
    if run.exit_code is None:
        left = f"; what came of {len(run.unfinished)} steps is unknown" if run.unfinished else ""
        return f"did not come to its end{left}; run again goes on"
    try:
        return {ExitCode.OK: "done", ExitCode.CHANGES: "done"}.get(ExitCode(run.exit_code), f"exit {run.exit_code}")
    except ValueError:
        return f"exit {run.exit_code}"
