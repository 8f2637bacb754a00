"""The plugins' declarations as one graph: merged where they are of one thing, ordered by what they take.

Pure. An edge comes from, in this order: a reference inside a value; ``after``; the hooks of one plugin
(what it prepares in Ceph, then what it distributes to a host, then what it configures there); rolling
batches. No edge comes from the order in which plugins are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from .errors import GraphError
from .kinds.services import Service
from .resource import Clash, Resource
from .values import Address

__all__ = ["Declaration", "Graph", "Node", "Phase", "batches", "build"]

#: The kind of a node that is no resource: what stands before it ends before what stands after it begins.
BARRIER = "barrier"


class Phase(IntEnum):
    """Which hook declared a resource."""

    PREPARE_CEPH = 1
    DISTRIBUTE_KEYS = 2
    CONFIGURE_SERVICE = 3

    @property
    def hook(self) -> str:
        """The hook's name."""
        return self.name.lower()


@dataclass(frozen=True)
class Declaration:
    """One resource as one plugin declared it in one hook."""

    plugin: str
    phase: Phase
    resource: Resource


@dataclass(frozen=True)
class Node:
    """A resource of the graph, and the plugins that want it."""

    resource: Resource
    plugins: tuple[str, ...]
    phase: Phase


@dataclass(frozen=True)
class Graph:
    """Resources and what each waits for.

    :param before: what must have ended before an address may begin, with why. Barriers are addresses
        too, of the kind ``barrier``, and have no node.
    """

    nodes: Mapping[Address, Node]
    before: Mapping[Address, Mapping[Address, str]]
    watchers: Mapping[Address, tuple[Service, ...]] = field(repr=False, default_factory=dict)

    def order(self) -> Iterator[Address]:
        """Every resource after what it waits for; equals in the order of their addresses.

        :raises CycleError: some wait for each other.
        """
        return iter(self._order)

    @cached_property
    def _order(self) -> Sequence[Address]:
        found: list[Address] = []
        sorter = TopologicalSorter(self.before)
        sorter.prepare()
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            found += (address for address in ready if address in self.nodes)
            sorter.done(*ready)
        return found

    def edges(self) -> Iterator[tuple[Address, Address, str]]:
        """Each edge from producer to consumer with its reason; barriers are seen through."""
        for address in self.nodes:
            for earlier, why in sorted(self.before[address].items()):
                if earlier.kind != BARRIER:
                    yield earlier, address, why
                else:
                    for first in self.before[earlier]:
                        yield first, address, why


def build(
    declarations: Iterable[Declaration],
    *,
    serial: Callable[[str], Sequence[int | str]] = lambda role: ("100%",),
    find_author: Callable[[Address], str | None] = lambda address: None,
) -> Graph:
    """The graph of everything that was declared.

    :param serial: the sizes of a role's rolling batches, as Ansible's ``serial`` has them; the last
        one is repeated.
    :param find_author: names an installed plugin that would declare an address, for the error.
    :raises GraphError: two declarations clash, a producer is missing, or there is a cycle.
    """
    declared = list(declarations)
    nodes = _merged(declared)
    before: dict[Address, dict[Address, str]] = {address: {} for address in nodes}
    _add_references(nodes, before, find_author)
    _add_phases(declared, nodes, before)
    watchers = _add_batches(nodes, before, serial)
    graph = Graph(nodes, before, watchers)
    try:
        graph.order()
    except CycleError as error:
        cycle = " → ".join(_named(address, nodes) for address in error.args[1] if address.kind != BARRIER)
        raise GraphError(f"the declarations wait for each other: {cycle}") from None
    return graph


def _named(address: Address, nodes: Mapping[Address, Node]) -> str:
    node = nodes.get(address)
    return f"{address} ({', '.join(node.plugins)})" if node else str(address)


def _merged(declarations: Sequence[Declaration]) -> dict[Address, Node]:
    nodes: dict[Address, Node] = {}
    declared: dict[Address, list[Declaration]] = {}
    for declaration in declarations:
        address = declaration.resource.address
        known = nodes.get(address)
        earlier = declared.setdefault(address, [])
        if known is None:
            nodes[address] = Node(declaration.resource, (declaration.plugin,), declaration.phase)
            earlier.append(declaration)
            continue
        try:
            resource = _both(known.resource, declaration.resource)
        except Clash as clash:
            raise GraphError(
                f"{address}: {_opponent(earlier, declaration)} and {declaration.plugin} can't both have it: {clash}"
            ) from None
        earlier.append(declaration)
        plugins = tuple(sorted({*known.plugins, declaration.plugin}))
        nodes[address] = Node(resource, plugins, min(known.phase, declaration.phase))
    return nodes


def _both(one: Resource, other: Resource) -> Resource:
    if type(one) is not type(other):
        raise Clash("they are of different classes")
    return one.merged(other)


def _opponent(earlier: Sequence[Declaration], declaration: Declaration) -> str:
    """The plugin whose own declaration a later one clashes with, of those that were merged already."""
    for other in earlier:
        try:
            _both(other.resource, declaration.resource)
        except Clash:
            return other.plugin
    return earlier[0].plugin


def _add_references(
    nodes: Mapping[Address, Node],
    before: dict[Address, dict[Address, str]],
    find_author: Callable[[Address], str | None],
) -> None:
    for address, node in nodes.items():
        wanted = [(ref.address, ref.attribute) for ref in node.resource.takes]
        wanted += [(other, "after") for other in node.resource.after]
        wanted += [(other, "needs") for other in node.resource.needs()]
        for producer, why in wanted:
            if producer not in nodes:
                raise GraphError(_missing(address, node, producer, find_author(producer)))
            before[address][producer] = why


def _missing(address: Address, node: Node, producer: Address, author: str | None) -> str:
    who = " and ".join(node.plugins)
    need = f"{address}, declared by {who}, needs {producer}"
    if author is None:
        return f"{need}, which no installed plugin declares"
    return f"{need}, which {author} declares; include it: --plugins {author},{','.join(node.plugins)}"


def _add_phases(
    declarations: Sequence[Declaration],
    nodes: Mapping[Address, Node],
    before: dict[Address, dict[Address, str]],
) -> None:
    """Barriers: what a plugin prepares in Ceph, then the rest of it; what it distributes to a host, then
    what it configures there. A resource that several hooks declare belongs to the earliest of them."""

    @cache
    def barrier(plugin: str, hook: str, host: str = "") -> Address:
        address = Address(host, BARRIER, f"{plugin} {hook}")
        before[address] = {}
        return address

    prepare, distribute = Phase.PREPARE_CEPH.hook, Phase.DISTRIBUTE_KEYS.hook
    for declaration in declarations:
        address = declaration.resource.address
        phase = nodes[address].phase
        prepared = barrier(declaration.plugin, prepare)
        if phase == Phase.PREPARE_CEPH:
            before[prepared][address] = prepare
            continue
        before[address][prepared] = prepare
        distributed = barrier(declaration.plugin, distribute, address.host)
        if phase == Phase.DISTRIBUTE_KEYS:
            before[distributed][address] = distribute
        else:
            before[address][distributed] = distribute


def batches(hosts: Sequence[str], sizes: Sequence[int | str]) -> list[list[str]]:
    """Hosts in rolling batches: ``[1, "25%"]`` is one, and then a quarter of all at a time."""
    left = list(hosts)
    found = []
    for number in range(len(left)):
        if not left:
            break
        size = sizes[min(number, len(sizes) - 1)]
        count = size if isinstance(size, int) else len(hosts) * int(size.rstrip("%")) // 100
        count = max(1, count)
        found.append(left[:count])
        left = left[count:]
    return found


def _add_batches(
    nodes: Mapping[Address, Node],
    before: dict[Address, dict[Address, str]],
    serial: Callable[[str], Sequence[int | str]],
) -> dict[Address, tuple[Service, ...]]:
    """Edges from one batch's services to the next batch's, and who watches what.

    The next batch's configuration waits too, not its restart alone: a service that crashes meanwhile must
    not come up with a configuration that the first batch has not proved.
    """
    by_role: dict[str, list[Service]] = {}
    watchers: dict[Address, tuple[Service, ...]] = {}
    for _, node in sorted(nodes.items()):
        if isinstance(node.resource, Service):
            by_role.setdefault(node.resource.role, []).append(node.resource)
            for watched in node.resource.restart_on:
                watchers[watched] = (*watchers.get(watched, ()), node.resource)
    for role, services in by_role.items():
        on_host: dict[str, list[Service]] = {}
        for service in services:
            on_host.setdefault(service.host, []).append(service)
        waves = batches(sorted(on_host), serial(role))
        for number, (wave, following) in enumerate(pairwise(waves)):
            barrier = Address("", BARRIER, f"{role} batch {number + 1}")
            before[barrier] = {service.address: "rolling" for host in wave for service in on_host[host]}
            for service in (service for host in following for service in on_host[host]):
                for address in (service.address, *service.restart_on):
                    before[address][barrier] = "rolling"
    return watchers
