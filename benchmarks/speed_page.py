"""docs/speed.md's figures and its chart, made of the published results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import chart, goals, report

__all__ = ["figures", "write"]

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- what follows is made by `make bench` -->", "<!-- end of what is made -->"
MARKS = {True: "met", False: "**not met**", None: "not seen"}


def figures(results: dict[str, Any]) -> str:
    """Everything between the two marks of the page."""
    of = results["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in of["versions"].items())
    parts = [
        f"Measured on {of['date']}: {of['cpus']} processors ({of['cpu']}), Linux {of['kernel']}, {of['sshd']}, "
        f"Python {of['python']}; {versions}. Load before it: {of['load'][0]:g}.",
        "## Goals",
        "| goal | seen | |\n| --- | --- | --- |\n"
        + "\n".join(f"| {goal.what} | {goal.seen} | {MARKS[goal.met]} |" for goal in goals.judged(results)),
        "## All figures",
        "\n".join(f"- {line}" for line in report.LEGEND.splitlines()),
    ]
    for table in report.tables(results):
        parts += [f"### {table.title[:1].upper()}{table.title[1:]}", table.markdown()]
    return "\n\n".join(parts)


def write(results: dict[str, Any]) -> None:
    """Put the results into the documentation."""
    page = DOCS / "speed.md"
    head, _, rest = page.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    page.write_text(f"{head}{BEGIN}\n\n{figures(results)}\n\n{END}{tail}")
    (DOCS / "speed.svg").write_text(chart.drawn(results))
