"""The graph in its four forms."""

from __future__ import annotations

import json

from cephdeploy.graph import Declaration, Graph, Phase, build
from cephdeploy.kinds import CephPool, CephUser, Command, Keyring, Service
from cephdeploy.report.graphs import graph_dot, graph_json, graph_mermaid, graph_text
from cephdeploy.values import Text


def a_graph(title: str = "go") -> Graph:
    pool = CephPool(host="ceph1", pool="vms")
    user = CephUser(host="ceph1", entity="client.nova", caps={"mon": "profile rbd"})
    content = Text("key = {key}", {"key": user["key"]})
    keyring = Keyring(host="c1", path="/etc/ceph/k", content=content)
    command = Command(host="c1", title=title, argv=("true",), unless=("false",))
    service = Service(host="c1", role="nova-compute", unit="nova-compute.service", restart_on=(keyring.address,))
    return build(
        [
            Declaration("nova", Phase.PREPARE_CEPH, pool),
            Declaration("nova", Phase.PREPARE_CEPH, user),
            Declaration("nova", Phase.DISTRIBUTE_KEYS, keyring),
            Declaration("nova", Phase.CONFIGURE_SERVICE, command),
            Declaration("nova", Phase.CONFIGURE_SERVICE, service),
        ]
    )


def test_text_numbers_the_steps_and_says_why_each_waits() -> None:
    assert graph_text(a_graph()).splitlines() == [
        "prepare_ceph",
        "  1  ceph1  pool vms          nova",
        "  2  ceph1  user client.nova  nova",
        "",
        "distribute_keys",
        "  3  c1     /etc/ceph/k       nova   after 1 (prepare_ceph); 2 (takes its key)",
        "",
        "configure_service",
        "  4  c1     go                nova   after 3 (distribute_keys)",
        "  5  c1     nova-compute      nova   after 3 (whose change restarts it)",
        "",
        "5 steps on 2 hosts",
    ]


def test_a_diagram_leaves_out_order_that_follows_from_other_edges() -> None:
    text = graph_mermaid(a_graph())
    assert '  n3 -->|"needs"| n5' in text
    assert "n1 -->" in text
    assert "| n5" not in text.replace('n3 -->|"needs"| n5', "")


def test_json_leaves_nothing_out() -> None:
    document = json.loads(graph_json(a_graph()))
    assert document["format"] == 1
    assert [node["number"] for node in document["nodes"]] == [1, 2, 3, 4, 5]
    edge = {"from": "ceph1/user:client.nova", "to": "c1/keyring:/etc/ceph/k", "why": "key"}
    assert edge in document["edges"]
    assert {
        "from": "ceph1/pool:vms",
        "to": "c1/service:nova-compute.service",
        "why": "prepare_ceph",
    } in document["edges"]


def test_names_that_are_special_to_a_form_are_escaped_in_it() -> None:
    graph = a_graph('say "hi" <b>; \\ #1 `x`')
    assert r'[label="say \"hi\" <b>; \\ #1 `x`"]' in graph_dot(graph)
    assert '["say #34;hi#34; #60;b#62;#59; #92; #35;1 #96;x#96;"]' in graph_mermaid(graph)


def test_an_empty_graph_is_drawn() -> None:
    empty = build([])
    assert graph_mermaid(empty) == "flowchart LR"
    assert graph_text(empty).strip() == "0 steps on 0 hosts"
    assert json.loads(graph_json(empty))["nodes"] == []
