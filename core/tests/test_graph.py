"""Declarations as one graph: merged, ordered by what they take, in rolling batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephdeploy.errors import GraphError
from cephdeploy.graph import BARRIER, Declaration, Graph, Phase, batches, build
from cephdeploy.kinds import CephPool, CephUser, Directory, File, Service
from cephdeploy.resource import Resource
from cephdeploy.values import Address, Ref, Text

POOL = CephPool(host="ceph1", pool="volumes")
USER = CephUser(host="ceph1", entity="client.x", caps={"mon": "profile rbd"})


def a_file(host: str = "a", path: str = "/f", content: str | Ref | Text = "", **more: object) -> File:
    return File(host=host, path=path, content=content, **more)  # type: ignore[arg-type]


def declared(*given: tuple[str, Phase, Resource], **more: object) -> Graph:
    return build([Declaration(*one) for one in given], **more)  # type: ignore[arg-type]


def order(graph: Graph) -> list[str]:
    return [f"{address.host}{address.name}" for address in graph.order()]


def edges(graph: Graph) -> dict[tuple[str, str], str]:
    return {(str(first), str(then)): why for first, then, why in graph.edges()}


def test_a_reference_is_an_edge_with_its_attribute_as_the_reason() -> None:
    keyring = a_file(content=Text("{k}", {"k": USER["key"]}))
    graph = declared(("p", Phase.CONFIGURE_SERVICE, keyring), ("p", Phase.CONFIGURE_SERVICE, USER))
    assert edges(graph) == {("ceph1/user:client.x", "a/file:/f"): "key"}
    assert list(graph.order()) == [USER.address, keyring.address]


def test_after_is_an_edge() -> None:
    first, then = a_file(path="/z"), a_file(path="/a", after=(a_file(path="/z").address,))
    graph = declared(("p", Phase.CONFIGURE_SERVICE, then), ("p", Phase.CONFIGURE_SERVICE, first))
    assert order(graph) == ["a/z", "a/a"]
    assert edges(graph) == {("a/file:/z", "a/file:/a"): "after"}


def test_a_service_comes_after_what_it_watches() -> None:
    conf = a_file(path="/z")
    service = Service(host="a", role="r", unit="a.service", restart_on=(conf.address,))
    graph = declared(("p", Phase.CONFIGURE_SERVICE, service), ("p", Phase.CONFIGURE_SERVICE, conf))
    assert edges(graph) == {("a/file:/z", "a/service:a.service"): "needs"}
    assert graph.watchers == {conf.address: (service,)}


def test_a_plugin_prepares_then_distributes_then_configures_on_each_host() -> None:
    graph = declared(
        ("p", Phase.CONFIGURE_SERVICE, a_file("a", "/1")),
        ("p", Phase.CONFIGURE_SERVICE, a_file("b", "/1")),
        ("p", Phase.DISTRIBUTE_KEYS, a_file("a", "/2")),
        ("p", Phase.DISTRIBUTE_KEYS, a_file("b", "/2")),
        ("p", Phase.PREPARE_CEPH, POOL),
    )
    assert edges(graph) == {
        **{("ceph1/pool:volumes", f"{host}/file:/{number}"): "prepare_ceph" for host in "ab" for number in "12"},
        **{(f"{host}/file:/2", f"{host}/file:/1"): "distribute_keys" for host in "ab"},
    }


def test_one_plugins_trouble_is_not_anothers() -> None:
    graph = declared(("p", Phase.PREPARE_CEPH, POOL), ("q", Phase.CONFIGURE_SERVICE, a_file()))
    assert edges(graph) == {}


def test_what_several_hooks_declare_belongs_to_the_earliest() -> None:
    graph = declared(
        ("p", Phase.CONFIGURE_SERVICE, a_file()),
        ("q", Phase.DISTRIBUTE_KEYS, a_file()),
        ("q", Phase.CONFIGURE_SERVICE, a_file(path="/g")),
    )
    assert graph.nodes[a_file().address].phase == Phase.DISTRIBUTE_KEYS
    assert graph.nodes[a_file().address].plugins == ("p", "q")
    assert edges(graph) == {("a/file:/f", "a/file:/g"): "distribute_keys"}


def test_equals_come_in_the_order_of_their_addresses_whatever_was_declared_first() -> None:
    files = [("p", Phase.CONFIGURE_SERVICE, a_file(host, f"/{path}")) for host, path in ("a1", "a2", "b1")]
    assert {tuple(order(declared(*given))) for given in permutations(files)} == {("a/1", "a/2", "b/1")}


def test_a_cycle_is_named_with_its_plugins() -> None:
    one, two = a_file(path="/1"), a_file(path="/2")
    with pytest.raises(GraphError) as raised:
        declared(
            ("p", Phase.CONFIGURE_SERVICE, a_file(path="/1", after=(two.address,))),
            ("q", Phase.CONFIGURE_SERVICE, a_file(path="/2", after=(one.address,))),
        )
    assert "the declarations wait for each other: " in str(raised.value)
    assert "a/file:/1 (p)" in str(raised.value) and "a/file:/2 (q)" in str(raised.value)
    assert BARRIER not in str(raised.value)


def test_a_cycle_through_a_phase_is_found() -> None:
    pool = CephPool(host="ceph1", pool="x", after=(a_file().address,))
    with pytest.raises(GraphError, match="wait for each other"):
        declared(("p", Phase.PREPARE_CEPH, pool), ("p", Phase.CONFIGURE_SERVICE, a_file()))


def test_a_clash_names_both_plugins_and_the_thing() -> None:
    with pytest.raises(GraphError, match=r"^a/file:/f: one and two can't both have it: they differ$"):
        declared(("one", Phase.CONFIGURE_SERVICE, a_file()), ("two", Phase.CONFIGURE_SERVICE, a_file(content="x")))


def test_one_address_of_two_classes_is_a_clash() -> None:
    class Other(File):
        """Of the same kind."""

    other = Other(host="a", path="/f", content="")
    with pytest.raises(GraphError, match="they are of different classes"):
        declared(("one", Phase.CONFIGURE_SERVICE, a_file()), ("two", Phase.CONFIGURE_SERVICE, other))


def test_a_missing_producer_is_named_with_the_plugin_that_would_declare_it() -> None:
    keyring = a_file(content=USER["key"])

    def author(address: Address) -> str | None:
        return "cinder" if address == USER.address else None

    with pytest.raises(GraphError) as raised:
        declared(("libvirt", Phase.DISTRIBUTE_KEYS, keyring), find_author=author)
    assert str(raised.value) == (
        "a/file:/f, declared by libvirt, needs ceph1/user:client.x, which cinder declares; "
        "include it: --plugins cinder,libvirt"
    )
    with pytest.raises(GraphError, match=r"needs ceph1/user:client.x, which no installed plugin declares"):
        declared(("libvirt", Phase.DISTRIBUTE_KEYS, keyring))


# rolling batches

SIZES = st.lists(st.integers(1, 5) | st.integers(1, 100).map(lambda n: f"{n}%"), min_size=1, max_size=4)


@given(st.integers(0, 50), SIZES)
def test_batches_hold_every_host_once_in_order_and_none_is_empty(count: int, sizes: list[int | str]) -> None:
    hosts = [f"h{number:02}" for number in range(count)]
    found = batches(hosts, sizes)
    assert [host for batch in found for host in batch] == hosts
    assert all(found)
    for batch, size in zip(found[:-1], sizes, strict=False):
        most = size if isinstance(size, int) else max(1, count * int(size.rstrip("%")) // 100)
        assert len(batch) == most


@given(st.integers(1, 50), SIZES)
def test_the_last_size_repeats(count: int, sizes: list[int | str]) -> None:
    found = batches([str(n) for n in range(count)], sizes)
    assert len({len(batch) for batch in found[len(sizes) - 1 : -1]}) <= 1


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [([1, "25%"], [1, 2, 2, 2, 1]), ([3], [3, 3, 2]), (["100%"], [8]), (["1%"], [1] * 8), ([20], [8])],
)
def test_sizes_are_as_ansibles_serial_has_them(sizes: list[int | str], lengths: list[int]) -> None:
    assert [len(batch) for batch in batches(list("abcdefgh"), sizes)] == lengths


def rolling(hosts: str, sizes: list[int | str], roles: Callable[[str], list[str]] = lambda host: ["r"]) -> Graph:
    given: list[tuple[str, Phase, Resource]] = []
    for host in hosts:
        given.append(("p", Phase.CONFIGURE_SERVICE, a_file(host)))
        for role in roles(host):
            service = Service(host=host, role=role, unit=f"{role}{host}", restart_on=(a_file(host).address,))
            given.append(("p", Phase.CONFIGURE_SERVICE, service))
    return declared(*given, serial=lambda role: sizes)


def test_the_next_batchs_files_wait_for_this_batchs_services() -> None:
    assert order(rolling("abc", [1])) == ["a/f", "ara", "b/f", "brb", "c/f", "crc"]
    found = edges(rolling("ab", [1]))
    assert found["a/service:ra", "b/file:/f"] == found["a/service:ra", "b/service:rb"] == "rolling"


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("xyz"), min_size=1), min_size=1),
    SIZES,
)
def test_roles_that_share_hosts_never_make_a_cycle(hosts: Mapping[str, set[str]], sizes: list[int | str]) -> None:
    graph = rolling("".join(hosts), sizes, lambda host: sorted(hosts[host]))
    assert len(list(graph.order())) == len(graph.nodes)


def test_two_units_of_one_role_on_one_host_are_both_waited_for() -> None:
    given = [
        ("p", Phase.CONFIGURE_SERVICE, Service(host=host, role="api", unit=unit))
        for host in "ab"
        for unit in ("one", "two")
    ]
    found = edges(declared(*given, serial=lambda role: [1]))
    assert len(found) == 4


# merging


def test_a_graph_is_the_same_whatever_the_order_of_the_plugins() -> None:
    declarations = [
        Declaration("a", Phase.DISTRIBUTE_KEYS, a_file()),
        Declaration("b", Phase.CONFIGURE_SERVICE, a_file()),
        Declaration("b", Phase.PREPARE_CEPH, POOL),
        Declaration("c", Phase.CONFIGURE_SERVICE, Directory(host="a", path="/d")),
        Declaration("c", Phase.PREPARE_CEPH, POOL),
    ]
    graphs = [build(given) for given in permutations(declarations)]
    assert all(graph == graphs[0] for graph in graphs)


# large sites


def cloud(hosts: int) -> Graph:
    """A pool and a user for all hosts; a keyring, a file and a service on each, in four batches."""
    given: list[tuple[str, Phase, Resource]] = [("p", Phase.PREPARE_CEPH, POOL), ("p", Phase.PREPARE_CEPH, USER)]
    for number in range(hosts):
        keyring = a_file(f"h{number}", "/key", Text("{k}", {"k": USER["key"]}))
        conf = a_file(f"h{number}", "/conf")
        watched = (keyring.address, conf.address)
        service = Service(host=f"h{number}", role="r", unit="r.service", restart_on=watched)
        given.append(("p", Phase.DISTRIBUTE_KEYS, keyring))
        given += [("p", Phase.CONFIGURE_SERVICE, one) for one in (conf, service)]
    return declared(*given, serial=lambda role: ["25%"])


@pytest.mark.parametrize("hosts", [4, 40, 400])
def test_a_graph_has_as_many_edges_on_each_host_of_a_large_site_as_on_a_small_one(hosts: int) -> None:
    # to the preparation 3, to the user 1, to and from the distribution 3, to what is watched 2; three batches'
    # services are waited for, and three batches' resources wait
    each = 3 + 1 + 3 + 2 + 0.75 * (1 + 3)
    assert sum(map(len, cloud(hosts).before.values())) == 2 + each * hosts
