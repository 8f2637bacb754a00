"""`make bench`: measure, show, keep, and say which goals were met."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from . import goals, report, speed_page
from .bench import Plan, Sample, Wrong, run
from .contestants import CONTESTANTS, VENV
from .distance import apart

RESULTS = Path(__file__).parent / "results"
#: What the documentation shows.
PUBLISHED = RESULTS / "published.json"
#: Who takes part with that many hosts, unless others are asked for; with fewer, everybody.
FEWER = {200: ("floor", "ours", "ours-asyncssh", "ours-openssh", "pyinfra"), 1000: ("ours", "ours-asyncssh")}
#: Milliseconds of round-trip time, and with how many hosts. So long a one that walls tell the number of round trips.
FAR, FAR_HOSTS, VERY_FAR = 20.0, (1, 10), 200.0
#: Of the table, where there is no terminal to ask.
WIDTH = 132
#: A contestant that took longer than that for its two runs, in seconds, is not measured again.
LONG = 60.0


def plans(sizes: list[int], rtts: list[float], asked: list[str] | None = None) -> Iterator[Plan]:
    """
    :param asked: contestants; None: those that can finish with so many hosts.
    """
    names = asked or list(CONTESTANTS)

    def chosen(hosts: int) -> tuple[str, ...]:
        least = [limit for limit in FEWER if hosts >= limit]
        return tuple(names) if asked or not least else FEWER[max(least)]

    for hosts in sizes:
        yield Plan(hosts, 0, tuple(CONTESTANTS[name] for name in chosen(hosts)))
    for rtt in rtts:
        for hosts in FAR_HOSTS:
            if hosts in sizes and rtt < VERY_FAR:
                yield Plan(hosts, rtt, tuple(CONTESTANTS[name] for name in chosen(hosts)))
        if rtt >= VERY_FAR:
            few = [name for name in names if name == "floor" or name.startswith("ours")]
            yield Plan(1, rtt, tuple(CONTESTANTS[name] for name in few))


def measured(plan: Plan, repeat: int, console: Console) -> Iterator[Sample]:
    """All repetitions of a plan, interleaved."""
    left = list(plan.contestants)
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(apart(plan.rtt)) if plan.rtt else None
        for _ in range(repeat):
            for contestant in list(left):
                took = 0.0
                for sample in run(Plan(plan.hosts, plan.rtt, (contestant,)), console.print, network):
                    took += sample.figures["wall"]
                    yield sample
                if not took or took > LONG:
                    left.remove(contestant)


def machine() -> dict[str, object]:
    """What the figures are of."""
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.split(",")[0]
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    frozen = subprocess.run([VENV / "bin/pip", "freeze"], capture_output=True, text=True).stdout.splitlines()
    versions = dict(line.split("==") for line in frozen if "==" in line)
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpus": os.cpu_count(),
        "cpu": model[0].partition(":")[2].strip() if model else platform.machine(),
        "kernel": platform.release().partition("-")[0],
        "load": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        "sshd": ssh,
        "versions": {name: versions[name] for name in ("ansible-core", "mitogen", "pyinfra") if name in versions}
        | {"fabric": version("fabric"), "paramiko": version("paramiko")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", default="1,10,50,200,1000", help="numbers of hosts")
    parser.add_argument("--rtt", default=f"{FAR:g},{VERY_FAR:g}", help="milliseconds, beside loopback; or none")
    parser.add_argument("--contestants", help="by default all, and of large sizes those that can finish")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--publish", action="store_true", help="the documentation shows this run")
    parser.add_argument("--show", type=Path, help="show a run of before instead, and with --publish publish it")
    wish = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    if wish.show:
        results = json.loads(wish.show.read_text())
    else:
        names = wish.contestants.split(",") if wish.contestants else None
        if unknown := set(names or ()) - set(CONTESTANTS):
            parser.error(f"no contestant {', '.join(sorted(unknown))}; there are: {', '.join(CONTESTANTS)}")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        rtts = [] if wish.rtt == "none" else [float(one) for one in wish.rtt.split(",")]
        results = {"machine": machine(), "samples": []}
        path = RESULTS / f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}.json"
        try:
            for plan in plans([int(one) for one in wish.sizes.split(",")], rtts, names):
                for sample in measured(plan, wish.repeat, console):
                    results["samples"].append(asdict(sample))
                    path.write_text(text_of(results))
        except KeyboardInterrupt:
            sys.exit("\nended by Ctrl-C; every host is gone")
        except (OSError, Wrong) as error:
            sys.exit(f"error: {error}")
        console.print(f"kept as {path}")
    for table in report.tables(results):
        console.print(table.rich())
    console.print(report.LEGEND, end="\n\n")
    for goal in goals.judged(results):
        console.print(goal.line(), soft_wrap=True)
    if wish.publish:
        PUBLISHED.write_text(text_of(results))
        speed_page.write(results)


def text_of(results: dict[str, object]) -> str:
    """As JSON, a sample a line."""
    samples = ",\n  ".join(json.dumps(sample) for sample in results["samples"])  # type: ignore[attr-defined]
    return f'{{"machine": {json.dumps(results["machine"], indent=1)},\n "samples": [\n  {samples}]}}\n'


if __name__ == "__main__":
    main()
