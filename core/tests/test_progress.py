"""What is seen of a run while it goes on."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from cephdeploy.engine import Finished, Outcome, Started, Status
from cephdeploy.graph import Graph
from cephdeploy.planner import Action, Change, Plan
from cephdeploy.progress import Progress
from cephdeploy.report.paper import Paper
from cephdeploy.values import Address


def log_of(steps: int, *, failing: int | None = None) -> list[str]:
    """The lines of a run of one file on each host, where nothing moves."""
    addresses = [Address(f"c{number:04}", "file", "/etc/x.conf") for number in range(steps)]
    plan = Plan(tuple(Change(one, Action.CREATE, (), ("p",)) for one in addresses), 0, Graph({}, {}), {})
    output = StringIO()
    with Progress(plan, Console(file=output, width=80), Paper(), live=False) as progress:
        for number, address in enumerate(addresses):
            progress(Started(address.host, (address,)))
            status = Status.FAILED if number == failing else Status.CHANGED
            progress(Finished(Outcome(address, status, "no space left" if number == failing else "")))
    return output.getvalue().splitlines()


def test_each_step_of_a_small_run_has_a_line() -> None:
    lines = log_of(1000)
    assert len(lines) == 1000
    assert lines[0].startswith("✓ c0000  /etc/x.conf  created")


def test_a_large_run_says_each_tenth_and_what_fails() -> None:
    lines = log_of(5000, failing=7)
    assert lines[0] == "✗ c0007  /etc/x.conf  failed: no space left"
    assert [line.split(" steps")[0] for line in lines[1:]] == [f"{n:,} of 5,000" for n in range(500, 5001, 500)]
