"""Desired against observed: pure, so the same in plan, run and audit."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephdeploy.errors import PreflightError
from cephdeploy.graph import Declaration, Phase, build
from cephdeploy.kinds import CephPool, CephUser, File, IniOptions, Keyring, Service
from cephdeploy.planner import Action, differences, digest, plan, shown
from cephdeploy.resource import Resource, State, Unfit
from cephdeploy.site import Site
from cephdeploy.testing import FakeSite, apply_twice, assert_no_secrets, plugin_of
from cephdeploy.values import UNKNOWN, Fingerprint, Secret


def test_a_thing_that_is_not_there_differs_in_all_that_is_wanted() -> None:
    assert [d.name for d in differences(None, State({"a": "1", "b": None}))] == ["a"]
    (present,) = differences(None, State({}))
    assert (present.name, present.want) == ("state", "present")


def test_what_is_not_wanted_is_not_compared() -> None:
    assert not differences(State({"a": "1", "b": "2"}), State({"a": "1"}))


def test_secrets_are_compared_by_fingerprint_and_the_unknown_always_differs() -> None:
    key = Secret("k")
    assert not differences(State({"a": key.fingerprint}), State({"a": key}))
    assert not differences(State({"a": key}), State({"a": Secret("k")}))
    assert differences(State({"a": key}), State({"a": Secret("other")}))
    assert differences(State({"a": "1"}), State({"a": UNKNOWN}))


def test_a_digest_is_of_all_values_and_unknown_while_one_is() -> None:
    assert digest(State({"a": "1", "b": "2"})) == digest(State({"b": "2", "a": "1"}))
    assert digest(State({"a": Secret("k")})) == digest(State({"a": Fingerprint.of(b"k")}))
    assert digest(State({"a": "1"})) != digest(State({"a": None}))
    assert digest(State({"a": UNKNOWN, "b": "1"})) is UNKNOWN


def test_a_value_is_shown_without_its_secret() -> None:
    assert shown(Secret("k")) == str(Fingerprint.of(b"k"))
    assert shown(UNKNOWN) == "(known after apply)"
    assert (shown(None), shown("a")) == (None, "a")


def demo(site: Site) -> Iterable[Resource]:
    yield CephPool.of(site, "volumes")
    yield CephUser.of(site, "client.cinder", {"mon": "profile rbd", "osd": "profile rbd pool=volumes"})
    for host in site.with_role("cinder-volume"):
        keyring = Keyring.of(site, host, "client.cinder", "cinder-volume")
        options = IniOptions.of(host, "cinder-volume", {"rbd": {"rbd_user": "cinder"}})
        yield from (keyring, options, Service.of(host, "cinder-volume", restart_on=[keyring, options]))


def a_site() -> FakeSite:
    return FakeSite({"ceph1": [], "ctl1": ["cinder-volume"], "ctl2": ["cinder-volume"]})


def test_a_plan_changes_nothing() -> None:
    site = a_site()
    plan = site.deployment_of(demo).plan()
    assert len(plan) == 8
    assert not site.writes and not site.restarts and not site.ceph.pools
    assert not [argv for argv in site.commands if "create" in argv or "get-or-create" in argv]


def test_the_plan_of_an_applied_plan_is_empty_and_holds_no_secret() -> None:
    site = a_site()
    first = apply_twice(site.deployment_of(demo))
    again = site.deployment_of(demo).plan()
    assert (len(again), again.unchanged) == (0, len(first))
    assert_no_secrets(site, first, again, again.graph, again.states)


@given(st.permutations(["a", "b", "c"]), st.data())
def test_a_plan_is_the_same_whatever_the_order_of_the_plugins(names: list[str], data: st.DataObject) -> None:
    def wish(name: str) -> object:
        options = {"DEFAULT": {f"option_{name}": name}}
        return plugin_of(
            name=name,
            roles=["cinder-volume"],
            configure_service=lambda s: [IniOptions.of(s.hosts["ctl1"], "cinder-volume", options)],
        )

    def planned(order: list[str]) -> object:
        site = FakeSite({"ceph1": [], "ctl1": ["cinder-volume"]})
        return site.deployment([(name, wish(name)) for name in order]).plan().changes

    assert planned(names) == planned(["a", "b", "c"])


def test_a_drift_is_one_change_and_the_restart_that_it_needs() -> None:
    site = a_site()
    apply_twice(site.deployment_of(demo))
    conf = site.hosts["ctl2"].files["/etc/cinder/cinder.conf"]
    conf.content = conf.content.replace(b"rbd_user = cinder", b"rbd_user = root")
    plan = apply_twice(site.deployment_of(demo))
    assert [(str(change.address), change.action) for change in plan] == [
        ("ctl2/options:/etc/cinder/cinder.conf", Action.CHANGE),
        ("ctl2/service:cinder-volume.service", Action.RESTART),
    ]
    assert plan.changes[1].because == (plan.changes[0].address,)


def test_a_rotated_key_changes_the_keyrings_and_restarts_what_reads_them() -> None:
    site = a_site()
    apply_twice(site.deployment_of(demo))
    site.ceph.users["client.cinder"].key = site.ceph.users["osd.0"].key
    plan = apply_twice(site.deployment_of(demo))
    assert [(change.address.host, change.address.kind) for change in plan] == [
        ("ctl1", "keyring"),
        ("ctl1", "service"),
        ("ctl2", "keyring"),
        ("ctl2", "service"),
    ]


def test_every_reason_why_a_host_is_not_fit_is_said_at_once() -> None:
    files = [File(host=host, path="/f", content="") for host in "ab"]
    graph = build(Declaration("p", Phase.CONFIGURE_SERVICE, file) for file in files)
    with pytest.raises(PreflightError) as raised:
        plan(graph, {file.address: Unfit("it is not fit") for file in files})
    assert str(raised.value) == "a: it is not fit (p)\nb: it is not fit (p)"


# limits


def test_a_limit_leaves_other_hosts_alone() -> None:
    site = a_site()
    apply_twice(site.deployment_of(demo))
    for name in ("ctl1", "ctl2"):
        site.hosts[name].files["/etc/ceph/ceph.client.cinder.keyring"].mode = 0o644
    deployment = site.deployment_of(demo)
    limited = deployment.plan(limit=["ctl1"])
    assert {change.address.host for change in limited} == {"ctl1"}
    assert deployment.apply(limited).ok
    assert site.hosts["ctl2"].files["/etc/ceph/ceph.client.cinder.keyring"].mode == 0o644


def test_a_limit_that_leaves_out_what_is_needed_by_a_value_is_refused() -> None:
    site = a_site()
    with pytest.raises(PreflightError, match=r"user client.cinder is not there yet, and ctl1/keyring.* needs it"):
        site.deployment_of(demo).plan(limit=["ctl1"])


def test_a_limit_that_leaves_out_what_is_needed_by_a_phase_is_refused() -> None:
    site = a_site()
    plugin = plugin_of(
        roles=["cinder-volume"],
        prepare_ceph=lambda s: [CephPool.of(s, "volumes")],
        configure_service=lambda s: [IniOptions.of(s.hosts["ctl1"], "cinder-volume", {"rbd": {"rbd_pool": "volumes"}})],
    )
    with pytest.raises(PreflightError, match=r"pool volumes is not there yet.*add --limit ceph1"):
        site.deployment([("test", plugin)]).plan(limit=["ctl1"])


# diffs

RABBIT = "transport_url = rabbit://openstack:hunter2@c1:5672,\n    openstack:hunter2@c2:5672//\n"
REDIS = "[coordination]\nbackend_url = redis://:hunter2@10.0.0.1:6379\n"


def diff_of(before: str, after: str) -> list[str]:
    """The lines of the diff that a plan shows of a file."""
    site = a_site()
    site.hosts["ctl1"].put("/etc/x.conf", before)
    (change,) = site.deployment_of(lambda s: [File(host="ctl1", path="/etc/x.conf", content=after)]).plan()
    return change.diff.split("\n")


def test_an_option_over_several_lines_is_hidden_with_all_of_them() -> None:
    assert diff_of(f"{RABBIT}backup = posix\n", f"{RABBIT}backup = ceph\n") == [
        "@@ -1,3 +1,3 @@",
        " transport_url = <hidden>",
        "     <hidden>",
        "-backup = posix",
        "+backup = ceph",
    ]


def test_a_password_in_the_url_of_any_option_is_hidden() -> None:
    assert diff_of(f"debug = 1\n{REDIS}", f"debug = 1\n{REDIS}[ceph]\npool = a\n") == [
        "@@ -2,2 +2,4 @@",
        " [coordination]",
        " backend_url = <hidden>",
        "+[ceph]",
        "+pool = a",
    ]


def test_a_line_whose_option_is_too_far_above_to_be_shown_is_hidden() -> None:
    hosts = "".join(f"  u:hunter2@c{number},\n" for number in range(9))
    shown = diff_of(f"urls = rabbit://u:hunter2@c,\n{hosts}a = 1\n", f"urls = rabbit://u:hunter2@c,\n{hosts}a = 2\n")
    assert shown == ["@@ -9,3 +9,3 @@", "   <hidden>", "   <hidden>", "-a = 1", "+a = 2"]


def test_another_password_is_a_change_that_shows_neither() -> None:
    assert diff_of("password = hunter2\n", "password = hunter3\n") == [
        "@@ -1 +1 @@",
        "-password = <hidden>",
        "+password = <hidden>",
    ]


def test_a_line_that_stays_and_goes_on_with_a_password_on_one_side_is_hidden() -> None:
    assert diff_of("hosts = a,\n  b:hunter2@c\n", "transport_url = a,\n  b:hunter2@c\n") == [
        "@@ -1,2 +1,2 @@",
        "-hosts = a,",
        "+transport_url = <hidden>",
        "   <hidden>",
    ]


def test_a_line_ends_where_the_services_see_its_end() -> None:
    assert diff_of("password = a\x0chunter2\u2028hunter2\r\nb = 1\r", "b = 1\n") == [
        "@@ -1,2 +1 @@",
        "-password = <hidden>",
        " b = 1",
    ]


@given(*[st.lists(st.sampled_from(["a = 1", "b", "", "[c]"]), max_size=12)] * 2)
def test_without_passwords_a_diff_is_what_diff_prints(before: list[str], after: list[str]) -> None:
    texts = ["".join(f"{line}\n" for line in lines) for lines in (before, after)]
    if before != after:
        assert diff_of(*texts) == list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]
