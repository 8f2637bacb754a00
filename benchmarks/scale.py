"""How time and memory of a plan grow with the site: load, facts, declarations, graph, observe, plan, report.

The plugins, the graph, the planner and the report are the real ones; the hosts are fakes that cost next to
nothing. Each size is measured in a process of its own, once as a first run that has everything to do and once
with nothing to do.

    python benchmarks/scale.py --hosts 100,1000,5000
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from cephdeploy import baseline, engine, facts, planner, sitefile
from cephdeploy.graph import build
from cephdeploy.hookspecs import hookimpl
from cephdeploy.kinds import Directory, File, Packages
from cephdeploy.plugins import Plugins
from cephdeploy.report.header import Header
from cephdeploy.report.paper import Paper
from cephdeploy.report.plan_json import plan_json
from cephdeploy.report.plan_text import plan_text
from cephdeploy.requests import Answer, Chained, Group, Host, Seen
from cephdeploy.resource import Resource
from cephdeploy.site import Site
from cephdeploy.testing import FakeHost, FakeSite, apply_twice

PLUGINS = ("cinder", "glance", "libvirt", "nova")
STATES = ("first", "no-op")
T = TypeVar("T")


class More:
    """A plugin that gives every compute host 15 further files and directories, so that it has 25 resources."""

    @hookimpl
    def configure_service(self, site: Site) -> Iterator[Resource]:
        for host in site.with_role("nova-compute"):
            packages = Packages.of(site, host, "rbd-client").address
            yield Directory(host=host.name, path="/etc/monitoring", after=(packages,))
            for number in range(7):
                path = f"/etc/monitoring/{number}"
                yield Directory(host=host.name, path=path, after=(packages,))
                yield File(host=host.name, path=f"{path}/check.conf", content=f"[check]\nnumber = {number}\n")


def chosen() -> Plugins:
    """The real plugins and one more."""
    return Plugins(PLUGINS, extra=[("more", More())])


class Line(Host):
    """A host that answers as another one does, at the price of a look into a dictionary.

    What makes hosts differ is put in place: its own name in the answers' files, fresh bytes for each host
    as from a real line.

    :param own: the path of the one file in which each host has a line of its own.
    """

    def __init__(self, name: str, like: FakeHost, answers: dict[Sequence[Group], list[list[Answer]]], own: str) -> None:
        self.name = name
        self._like = like
        self._answers = answers
        self._own = own

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """The answers of the host that this one is like."""
        key = tuple(groups)
        if key not in self._answers:
            self._answers[key] = self._like.exchange(groups)
        return [[self._named(answer) for answer in answers] for answers in self._answers[key]]

    def close(self) -> None:
        """Nothing to let go."""

    def _named(self, answer: Answer) -> Answer:
        if self._own and isinstance(answer, Seen) and answer.content and b"# name of the host" in answer.content:
            return replace(answer, content=self._mine(answer.content))
        if isinstance(answer, Chained):
            return Chained(
                files=tuple((path, self._mine(text) if path == self._own else text) for path, text in answer.files)
            )
        return answer

    def _mine(self, content: bytes) -> bytes:
        return content.replace(b"# name of the host", b"my_ip = " + self.name.encode())


def site_text(count: int) -> str:
    """A site file in which every host stands by itself, as an inventory writes it."""
    lines = ["ceph: {admin: ceph1}", "hosts:", "  ceph1: {address: 10.0.0.1}"]
    lines.append("  controller1: {address: 10.0.0.2, roles: [glance-api, cinder-volume]}")
    for number in range(1, count + 1):
        address = f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        lines.append(f"  compute{number:04}: {{address: {address}, roles: [nova-compute]}}")
    return "\n".join(lines) + "\n"


def hosts(count: int, state: str, conf_lines: int) -> dict[str, FakeHost | Line]:
    """One host of each sort, and lines to as many compute hosts that are like it."""
    roles = {"ceph1": [], "controller1": ["glance-api", "cinder-volume"], "compute0001": ["nova-compute"]}
    small = FakeSite(roles)
    conf = small.hosts["compute0001"].files["/etc/nova/nova.conf"]
    conf.content = conf.content.replace(b"[DEFAULT]\n", b"[DEFAULT]\n# name of the host\n", 1)
    conf.content += b"[unused]\n" + b"".join(b"# A line that says what an option is for.\n" for _ in range(conf_lines))
    if state == "no-op":
        apply_twice(small.deployment(chosen()))
    answers: dict[Sequence[Group], list[list[Answer]]] = {}
    own = "/etc/nova/nova.conf" if conf_lines else ""
    made: dict[str, FakeHost | Line] = {name: small.hosts[name] for name in ("ceph1", "controller1")}
    for number in range(1, count + 1):
        name = f"compute{number:04}"
        made[name] = Line(name, small.hosts["compute0001"], answers, own)
    return made


@dataclass
class Measured:
    """Each phase of one size, in order: CPU seconds, which other work on the machine does not change, and the
    peak of memory until its end, in MiB."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def phase(self, name: str, work: Callable[[], T]) -> T:
        """Do one phase."""
        began = time.process_time()
        done = work()
        self.seconds[name] = time.process_time() - began
        self.peak[name] = _peak()
        return done


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(count: int, state: str, conf_lines: int) -> Measured:
    """Every phase, for one number of compute hosts."""
    plugins = chosen()
    text = site_text(count)
    lines = hosts(count, state, conf_lines)
    gc.collect()
    measured = Measured()
    measured.peak["empty"] = _peak()
    settings = measured.phase("load", lambda: sitefile.load(text, list(plugins.components().values())))
    site = measured.phase("facts", lambda: facts.gather(settings, lines))
    declared = measured.phase("declarations", lambda: [*baseline.declarations(site), *plugins.declarations(site)])
    graph = measured.phase("graph", lambda: build(declared, serial=settings.serial_of))
    declared.clear()
    states = measured.phase("observe", lambda: engine.observe(graph, lines))
    plan = measured.phase("plan", lambda: planner.plan(graph, states))
    header = Header.of(site, plugins.names, path="site.yml")
    shown = measured.phase("text", lambda: "\n".join(line.plain for line in plan_text(plan, header, Paper(width=80))))
    written = measured.phase("json", lambda: plan_json(plan, header))
    measured.sizes = {
        "resources": len(graph.nodes),
        "changes": len(plan),
        "edges": sum(map(len, graph.before.values())),
        "lines": shown.count("\n") + 1,
        "KiB of JSON": len(written) >> 10,
    }
    return measured


def exponent(few: int, many: int, small: float, large: float) -> float:
    """The power of the number of hosts by which a quantity grows."""
    return math.log(large / small) / math.log(many / few)


def table(state: str, found: dict[int, Measured]) -> Iterator[str]:
    """A line for each phase, with a column for each size."""
    counts = sorted(found)
    yield f"{state + ':':14}" + "".join(f"{f'{count} hosts':>24}" for count in counts) + "   exponent"
    for name in [*found[counts[0]].seconds, "all"]:
        totals = [sum(found[c].seconds.values()) if name == "all" else found[c].seconds[name] for c in counts]
        peaks = [found[c].peak["json" if name == "all" else name] - found[c].peak["empty"] for c in counts]
        cells = "".join(f"{seconds:12.3f} s{peak:6.0f} MiB" for seconds, peak in zip(totals, peaks, strict=True))
        grows = f"{exponent(counts[-2], counts[-1], *totals[-2:]):11.2f}" if len(counts) > 1 else ""
        yield f"{name:14}{cells}{grows}"
    for name in found[counts[0]].sizes:
        yield f"{name:14}" + "".join(f"{found[count].sizes[name]:24}" for count in counts)


def main() -> None:
    """Measure what the command line names, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="100,1000,5000", help="numbers of compute hosts")
    parser.add_argument("--states", default=",".join(STATES), help="what the hosts are like")
    parser.add_argument(
        "--conf-lines", type=int, default=0, help="more lines in each nova.conf, which then differs on each host"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        state, count = given.one.split(":")
        print(json.dumps(vars(measure(int(count), state, given.conf_lines))))
        return
    for state in given.states.split(","):
        found = {}
        for count in map(int, given.hosts.split(",")):
            argv = [sys.executable, __file__, "--one", f"{state}:{count}", "--conf-lines", str(given.conf_lines)]
            found[count] = Measured(**json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout))
        print("\n".join(table(state, found)), end="\n\n")


if __name__ == "__main__":
    main()
