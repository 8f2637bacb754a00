"""A plan as text and as JSON: folding, columns, secrets, signs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cephdeploy.distros.debian import debian
from cephdeploy.graph import Declaration, Graph, Phase, build
from cephdeploy.kinds import Command, File, IniOptions, Keyring, LibvirtSecret, Packages, Service
from cephdeploy.planner import Action, Change, Difference, Plan
from cephdeploy.planner import plan as planned
from cephdeploy.report.header import Header
from cephdeploy.report.paper import Paper
from cephdeploy.report.plan_json import plan_json
from cephdeploy.report.plan_text import plan_text
from cephdeploy.report.words import label, listed, plain, ranges, value
from cephdeploy.requests import Seen
from cephdeploy.resource import Resource, State, Unfit
from cephdeploy.values import UNKNOWN, Address, Fingerprint, Secret

KEY = "AQBzz0xjAAAAABAAm2y0nN0yX0p5kFZkq3yq2w=="
HEADER = Header(
    path="site.yml",
    hosts={"c1": ("nova-compute",), "c2": ("nova-compute",)},
    ceph="16.2.15",
    releases={"cinder": "zed", "nova": "zed"},
    plugins=("nova",),
    seconds=0.42,
)


def nova_conf(host: str, text: bytes = b"[libvirt]\nimages_type = qcow2\n") -> tuple[Resource, State | None]:
    conf = IniOptions(host=host, path="/etc/nova/nova.conf", options={"libvirt": {"images_type": "rbd"}})
    return conf, conf.read([Seen(type="file", mode=0o640, owner="root", group="nova", digest="d", content=text)])


def compute(host: str, text: bytes = b"[libvirt]\nimages_type = qcow2\n") -> list[tuple[Resource, State | None]]:
    conf, state = nova_conf(host, text)
    service = Service(host=host, role="nova-compute", unit="nova-compute.service", restart_on=(conf.address,))
    return [(conf, state), (service, State({"state": "running", "configuration": None}))]


def plan_of(*found: tuple[Resource, State | None], serial: Sequence[int | str] = ("100%",)) -> Plan:
    declared = [Declaration("nova", Phase.CONFIGURE_SERVICE, resource) for resource, _ in found]
    states: Mapping[Address, State | Unfit | None] = {resource.address: state for resource, state in found}
    return planned(build(declared, serial=lambda role: serial), states)


def by_hand(*changes: Change) -> Plan:
    return Plan(changes, 3, Graph({}, {}), {})


def changed(name: str, have: str | None, want: str | None, *, host: str = "c1", **more: object) -> Change:
    address = Address(host, "options", "/etc/x.conf")
    return Change(address, Action.CHANGE, (Difference(name, have, want),), ("nova",), **more)  # type: ignore[arg-type]


def text_of(plan: Plan, paper: Paper = Paper(), *, verbose: bool = False, header: Header = HEADER) -> str:  # noqa: B008
    return "\n".join(line.plain for line in plan_text(plan, header, paper, verbose=verbose))


def test_a_plan_is_told_host_by_host_with_what_it_will_do_and_why() -> None:
    assert text_of(plan_of(*compute("c1"))).splitlines() == [
        "2 hosts reached in 0.4 s · Ceph 16.2.15, OpenStack zed",
        "plugins nova",
        "",
        "c1",
        "  ~ /etc/nova/nova.conf  [libvirt] images_type   qcow2 → rbd",
        "  ↻ nova-compute         restart, because nova.conf changes",
        "",
        "Plan: 1 to change, 1 restart.",
    ]


def test_hosts_with_equal_changes_are_shown_once() -> None:
    text = text_of(plan_of(*compute("c1"), *compute("c2")))
    assert f"{'c1, c2':25}the same on both" in text
    assert text.count("nova.conf  [libvirt]") == 1
    assert text.endswith("Plan: 2 to change, 2 restarts.")


def test_a_thousand_equal_hosts_take_no_more_lines_than_ten() -> None:
    ten, thousand = (
        text_of(plan_of(*(one for n in range(count) for one in compute(f"c{n:03}")), serial=(1, "25%")), Paper(80))
        for count in (10, 1000)
    )
    assert "c[000-999]" in thousand
    assert "the same on all 1,000" in thousand
    assert "in batches of 1, 250, 250, 250, 249 hosts" in thousand
    assert thousand.endswith("Plan: 1,000 to change, 1,000 restarts.")
    assert thousand.count("\n") == ten.count("\n")


def test_equal_hosts_without_a_range_are_named_in_lines_of_the_terminals_width_and_then_counted() -> None:
    found = [one for n in range(0, 200, 2) for one in compute(f"compute{n:03}")]
    text = text_of(plan_of(*found), Paper(80))
    assert "compute000, compute002, compute004" in text
    assert "compute022 and 88 more" in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())


def test_many_batches_are_counted() -> None:
    found = [one for n in range(20) for one in compute(f"c{n}")]
    assert "in 10 batches of at most 2 hosts" in text_of(plan_of(*found, serial=(2,)))


def test_hosts_are_folded_although_a_batch_changes_the_order_of_their_steps() -> None:
    found = [*compute("c1"), *compute("c2"), *compute("c3")]
    found += [(Command(host=f"c{n}", title="a", argv=("a",), unless=("b",)), None) for n in (1, 2, 3)]
    text = text_of(plan_of(*found, serial=(1,)))
    assert "c[1-3]" in text
    assert "the same on all 3" in text
    assert "one host at a time" in text


def test_hosts_that_differ_in_a_value_are_shown_apart() -> None:
    text = text_of(plan_of(*compute("c1"), *compute("c2", b"[libvirt]\nimages_type = raw\n")))
    assert "the same" not in text
    assert "qcow2 → rbd" in text
    assert "raw → rbd" in text


def test_uneven_batches_are_told_by_their_sizes() -> None:
    found = [pair for number in range(1, 5) for pair in compute(f"c{number}")]
    assert "in batches of 1, 2, 1 hosts" in text_of(plan_of(*found, serial=(1, 2)))


def test_a_note_of_one_host_names_it_in_a_folded_block() -> None:
    one = changed("a", "1", "2", notes=("3 guests keep local disks",))
    two = changed("a", "1", "2", host="c2")
    assert "note: c1: 3 guests keep local disks" in text_of(by_hand(one, two))


def test_a_note_of_all_hosts_is_said_once_and_bare() -> None:
    changes = [changed("a", "1", "2", host=host, notes=("mind the gap",)) for host in ("c1", "c2")]
    text = text_of(by_hand(*changes))
    assert text.count("note: mind the gap") == 1


def test_secrets_are_fingerprints_and_the_unknown_says_so() -> None:
    keyring = Keyring(host="c1", path="/etc/ceph/k", content=Secret(KEY), owner="cinder", group="cinder", mode=0o640)
    secret = LibvirtSecret(host="c1", uuid="673ba932-ece6-5a9c-9eb1-0382afcb0f17", usage="client.x", value=UNKNOWN)
    plan = plan_of((keyring, None), (secret, None))
    text = text_of(plan)
    assert f"+ /etc/ceph/k       cinder:cinder 0640   key <secret {Secret(KEY).fingerprint.digest[:8]}>" in text
    assert "+ secret 673ba932…  for client.x, value (known after apply)" in text
    assert KEY not in text + plan_json(plan, HEADER)
    assert "secret 673ba932-ece6-5a9c-9eb1-0382afcb0f17" in text_of(plan, verbose=True)


def test_a_password_in_a_foreign_value_is_neither_shown_nor_stored() -> None:
    plan = by_hand(changed("[ceph] rbd_password", "hunter2", "rabbit://nova:s3cret@mq"))
    for shown in (text_of(plan), plan_json(plan, HEADER)):
        assert "hunter2" not in shown
        assert "s3cret" not in shown


def test_control_characters_and_markup_of_a_host_reach_no_terminal() -> None:
    text = text_of(by_hand(changed("a", "\x1b[31mred\x1b[0m\x07\u202e", "[bold]x[/bold]\nInjected: line")))
    assert "red → 2 lines" in text
    assert not any(char in text for char in "\x1b\x07\u202e")
    assert "[bold]x[/bold]" in text_of(by_hand(changed("a", "y", "[bold]x[/bold]")))


def test_a_key_with_control_characters_inside_is_still_redacted() -> None:
    assert plain(f"key = {KEY[:20]}\x00\x1b[0m{KEY[20:]}") == "key = <secret>"


def test_unset_and_empty_are_told_apart() -> None:
    text = text_of(by_hand(changed("a", None, "")))
    assert "(unset) → (empty)" in text


def test_a_service_that_is_down_is_started_and_the_reason_said() -> None:
    down = Service(host="c1", role="x", unit="x.service")
    text = text_of(plan_of((down, State({"state": "failed (failed)", "configuration": "0"}))))
    assert "start, because it is failed (failed)" in text


def test_a_restart_that_an_earlier_run_left_is_told_as_such() -> None:
    pending = Service(host="c1", role="x", unit="x.service")
    text = text_of(plan_of((pending, State({"state": "running", "configuration": "pending"}))))
    assert "did not come to restart it" in text


def test_packages_and_commands_say_what_will_be_done() -> None:
    packages = Packages(host="c1", packages=("a", "b"), query=("q",), install=("i",))
    command = Command(host="c1", title="volume type ceph", argv=("openstack", "create"), unless=("x",))
    text = text_of(plan_of((packages, State({"a": "installed", "b": None})), (command, None)))
    assert "~ packages          install b" in text
    assert "▶ volume type ceph  openstack create" in text
    assert "1 to change, 1 to run." in text


def test_verbose_adds_the_diff_with_passwords_hidden() -> None:
    plan = plan_of(nova_conf("c1", b"[DEFAULT]\ntransport_url = rabbit://a:pw@h\n[libvirt]\nimages_type = qcow2\n"))
    assert "+images_type = rbd" not in text_of(plan)
    text = text_of(plan, verbose=True)
    assert "+images_type = rbd" in text
    assert "transport_url = <hidden>" in text
    assert "rabbit" not in text


def test_no_form_of_a_plan_shows_a_password_that_stands_beside_a_change() -> None:
    rabbit = b"transport_url = rabbit://a:hunter2@h,\n  a:hunter2@i//\n"
    redis = b"[coordination]\nbackend_url = redis://:hunter2@h\n"
    plan = plan_of(nova_conf("c1", b"[DEFAULT]\n" + rabbit + redis))
    for shown in (text_of(plan, verbose=True), plan_json(plan, HEADER)):
        assert "backend_url = <hidden>" in shown and "images_type = rbd" in shown
        assert "hunter2" not in shown
    plan = plan_of(nova_conf("c1", b"[DEFAULT]\n" + rabbit + b"[libvirt]\nimages_type = qcow2\n"))
    for shown in (text_of(plan, verbose=True), plan_json(plan, HEADER)):
        assert "<hidden>" in shown and "hunter2" not in shown


def test_verbose_folds_equal_diffs_of_two_hosts() -> None:
    assert "the same on both" in text_of(plan_of(*compute("c1"), *compute("c2")), verbose=True)


def test_an_empty_plan_says_that_nothing_is_to_do() -> None:
    empty = Plan((), 21, Graph({}, {}), {})
    assert text_of(empty).endswith("Nothing to do: 21 resources on 2 hosts are as they should be.")


def test_no_line_is_wider_than_the_terminal_where_words_allow_it() -> None:
    long = changed("[ceph] volume_driver", None, "cinder.volume.drivers.rbd.RBDDriver", notes=("word " * 40,))
    plan = by_hand(long, changed("osd", "profile rbd " * 8, "profile rbd " * 12, host="c2"))
    for width in (72, 80, 110):
        body = text_of(plan, Paper(width)).splitlines()[2:]
        assert all(len(line) <= width for line in body)


def test_nothing_is_wrapped_for_a_pipe() -> None:
    text = text_of(by_hand(changed("osd", "profile rbd " * 30, "x")))
    assert f"{'profile rbd ' * 30}".strip() + " → x" in text.replace("  →", " →")


def test_signs_become_ascii_where_the_output_has_no_others() -> None:
    paper = Paper.of("ascii")
    text = text_of(plan_of(*compute("c1")), paper)
    assert text.isascii()
    assert "qcow2 -> rbd" in text
    assert "@ nova-compute" in text
    assert not Paper.of("utf-8", terminal="linux").signs
    assert Paper.of("utf-8").signs


def test_releases_that_differ_are_told_by_project() -> None:
    mixed = Header(path="s", hosts={}, ceph="18.2.1", releases={"cinder": "2023.1", "nova": "zed"}, plugins=())
    assert mixed.versions == "Ceph 18.2.1, cinder 2023.1, nova zed"


def test_json_is_versioned_and_has_every_part_of_a_change() -> None:
    document = json.loads(plan_json(plan_of(*compute("c1")), HEADER))
    assert document["format"] == 1
    assert document["counts"] == {"create": 0, "change": 1, "remove": 0, "run": 0, "restart": 1, "unchanged": 0}
    assert document["versions"]["openstack"] == {"cinder": "zed", "nova": "zed"}
    conf, service = document["changes"]
    assert conf["address"] == "c1/options:/etc/nova/nova.conf"
    assert (conf["host"], conf["kind"], conf["name"]) == ("c1", "options", "/etc/nova/nova.conf")
    assert conf["differences"] == [{"name": "[libvirt] images_type", "have": "qcow2", "want": "rbd"}]
    assert "+images_type = rbd" in conf["diff"]
    assert service["action"] == "restart"
    assert service["because"] == ["c1/options:/etc/nova/nova.conf"]


def test_json_of_the_same_plan_is_the_same_text() -> None:
    again = Header(**{**HEADER.__dict__, "seconds": 9.9})
    assert plan_json(plan_of(*compute("c1")), HEADER) == plan_json(plan_of(*compute("c1")), again)


def test_a_changed_file_shows_fingerprints_of_its_content() -> None:
    file = File(host="c1", path="/etc/f", content=Secret("new"))
    state = State({"content": Fingerprint("ab" * 32), "owner": "root:root", "mode": "0600"}, raw={"digest": "x"})
    text = text_of(plan_of((file, state)))
    assert "<secret abababab> → <secret" in text
    assert "mode      0600 → 0644" in text


def test_labels_ranges_and_lists() -> None:
    assert label(Address("h", "directory", "/etc/ceph")) == "/etc/ceph/"
    assert label(Address("h", "service", f"{debian.unit('nova-compute')}")) == "nova-compute"
    assert label(Address("h", "pool", "volumes")) == "pool volumes"
    assert ranges(["c8", "c9", "c10", "x", "r1n1", "r1n2"]) == "c[8-10], x, r1n1, r1n2"
    assert ranges(["c01", "c02", "c03", "c4"]) == "c[01-03], c4"
    assert ranges([]) == ""


def test_hosts_beyond_the_most_that_are_named_are_counted() -> None:
    names = ["a1", "a2", "a3", "b1", "c1", "d1", "d2", "d3"]
    assert ranges(names, most=3) == "a[1-3], b1, c1 and 3 more"
    assert ranges(names, most=4) == "a[1-3], b1, c1, d[1-3]"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert value("x", UNKNOWN) == "(known after apply)"
