"""The graph in four forms: for a page (mermaid), for Graphviz (dot), for programs (json), for reading (text)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from ..graph import Graph, Phase
from ..values import Address
from .plan_json import FORMAT, address_of
from .words import count, label, plain

__all__ = ["FORMATS", "graph_dot", "graph_json", "graph_mermaid", "graph_text"]

#: Reasons that come from the order of things and not from a value that is handed on.
_LOOSE = {"rolling", *(phase.hook for phase in Phase)}


def graph_text(graph: Graph) -> str:
    """The steps with numbers, by phase and host, each with what it waits for and why."""
    numbers = _numbered(graph)
    waits = _waits(graph, numbers)
    hosts = max((len(address.host) for address in numbers), default=0)
    names = min(46, max((len(label(address)) for address in numbers), default=0))
    owners = min(24, max((len(", ".join(graph.nodes[address].plugins)) for address in numbers), default=0))
    digits = len(str(len(numbers)))
    made: list[str] = []
    phase = None
    for address, number in numbers.items():
        node = graph.nodes[address]
        if node.phase != phase:
            made += [*([""] if made else []), node.phase.hook]
            phase = node.phase
        step = f"  {number:{digits}}  {address.host:{hosts}}  {label(address):{names}}"
        line = f"{step}  {', '.join(node.plugins):{owners}}   {waits.get(address, '')}"
        made.append(line.rstrip())
    made += ["", f"{count(len(numbers), 'step')} on {count(len({a.host for a in numbers}), 'host')}"]
    return "\n".join(made)


def _numbered(graph: Graph) -> dict[Address, int]:
    """Each address with its number: by phase, then host, then in an order that works."""
    place = {address: number for number, address in enumerate(graph.order())}
    ordered = sorted(place, key=lambda address: (graph.nodes[address].phase, address.host, place[address]))
    return {address: number for number, address in enumerate(ordered, 1)}


def _waits(graph: Graph, numbers: Mapping[Address, int]) -> dict[Address, str]:
    by_reason: dict[Address, dict[str, list[int]]] = {}
    for first, then, why in _reduced(graph):
        by_reason.setdefault(then, {}).setdefault(why, []).append(numbers[first])
    return {
        then: "after " + "; ".join(f"{_runs(sorted(found))} ({_reason(why, then)})" for why, found in reasons.items())
        for then, reasons in by_reason.items()
    }


def _runs(numbers: list[int]) -> str:
    """``1, 2, 4`` or ``1-5, 9``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _reason(why: str, then: Address) -> str:
    if why == "needs" and then.kind == "service":
        return "whose change restarts it"
    if why in {phase.hook for phase in Phase}:
        return why
    return {
        "after": "as declared",
        "needs": "needed",
        "rolling": "the batch before",
    }.get(why, f"takes its {plain(why)}")


def _reduced(graph: Graph) -> Iterator[tuple[Address, Address, str]]:
    """The edges without those of mere order that follow from others: a diagram of all is a black square."""
    order = list(graph.order())
    bit = {address: 1 << number for number, address in enumerate(order)}
    before: dict[Address, dict[Address, str]] = {address: {} for address in order}
    for first, then, why in graph.edges():
        known = before[then].get(first)
        if known is None or known in _LOOSE:
            before[then][first] = why
    behind: dict[Address, int] = {}
    for then in order:
        earlier = before[then]
        behind[then] = 0
        for first in earlier:
            behind[then] |= behind[first] | bit[first]
        for first, why in earlier.items():
            if why in _LOOSE and any(behind[other] & bit[first] for other in earlier if other != first):
                continue
            yield first, then, why


def graph_json(graph: Graph) -> str:
    """Every node and every edge, none left out."""
    numbers = _numbered(graph)
    nodes = [
        {
            **address_of(address),
            "phase": node.phase.hook,
            "plugins": list(node.plugins),
            "number": numbers[address],
        }
        for address, node in ((address, graph.nodes[address]) for address in numbers)
    ]
    edges = [{"from": str(a), "to": str(b), "why": why} for a, b, why in sorted(graph.edges())]
    return json.dumps({"format": FORMAT, "nodes": nodes, "edges": edges}, indent=2)


def graph_mermaid(graph: Graph) -> str:
    """A flowchart for a page that knows mermaid."""
    numbers = _numbered(graph)
    made = ["flowchart LR"]
    for place, (host, addresses) in enumerate(_by_host(numbers).items(), 1):
        made.append(f'  subgraph host{place}["{_mermaid(host)}"]')
        made += [f'    n{numbers[address]}["{_mermaid(label(address))}"]' for address in addresses]
        made.append("  end")
    made += [f'  n{numbers[a]} -->|"{_mermaid(plain(why))}"| n{numbers[b]}' for a, b, why in _reduced(graph)]
    return "\n".join(made)


def _mermaid(text: str) -> str:
    """Mermaid knows no backslash: what is special to it is written by its number."""
    return re.sub(r"[^\w ./:,@+()=…-]", lambda found: f"#{ord(found.group())};", text)


def graph_dot(graph: Graph) -> str:
    """A digraph for Graphviz."""
    numbers = _numbered(graph)
    made = ["digraph cephdeploy {", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    for place, (host, addresses) in enumerate(_by_host(numbers).items(), 1):
        made.append(f"  subgraph cluster_{place} {{")
        made.append(f"    label={_dot(host)};")
        made += [f"    n{numbers[address]} [label={_dot(label(address))}];" for address in addresses]
        made.append("  }")
    made += [f"  n{numbers[a]} -> n{numbers[b]} [label={_dot(plain(why))}];" for a, b, why in _reduced(graph)]
    made.append("}")
    return "\n".join(made)


def _dot(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _by_host(numbers: Mapping[Address, int]) -> dict[str, list[Address]]:
    found: dict[str, list[Address]] = {}
    for address in numbers:
        found.setdefault(address.host, []).append(address)
    return found


#: Each form by its name on the command line.
FORMATS: Mapping[str, Callable[[Graph], str]] = {
    "text": graph_text,
    "mermaid": graph_mermaid,
    "dot": graph_dot,
    "json": graph_json,
}
