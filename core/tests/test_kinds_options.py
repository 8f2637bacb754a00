"""Options in others' files: merged, set without loss, and checked for effect."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephdeploy.errors import GraphError, PreflightError
from cephdeploy.kinds import CephConf, CephUser, IniOptions
from cephdeploy.kinds.options import OptionValue
from cephdeploy.planner import Plan
from cephdeploy.resource import Clash
from cephdeploy.testing import PASSWORD, FakeFile, FakeSite, apply_twice, assert_no_secrets, plugin_of
from cephdeploy.values import Items, Same

Options = Mapping[str, Mapping[str, OptionValue]]
NOVA, COMPUTE = "/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"
RBD: Options = {"libvirt": {"images_type": "rbd", "images_rbd_pool": "vms"}}


@pytest.fixture
def site() -> FakeSite:
    return FakeSite({"ceph1": [], "cmp": ["nova-compute"], "ctl": ["cinder-volume", "cinder-backup"]})


def applied(site: FakeSite, options: Options, host: str = "cmp", role: str = "nova-compute") -> Plan:
    plan = apply_twice(site.deployment_of(lambda s: [IniOptions.of(s.hosts[host], role, options)]))
    assert_no_secrets(site, plan)
    return plan


def read(site: FakeSite, path: str = NOVA, host: str = "cmp") -> dict[tuple[str, str], str]:
    from cephdeploy.dialects import DIALECTS

    found = DIALECTS["oslo"].read(site.hosts[host].files[path].content)
    return {option: assignment.value for option, assignment in found.items()}


def test_options_are_set_and_every_other_line_stays(site: FakeSite) -> None:
    before = site.hosts["cmp"].text(NOVA).splitlines()
    (change,) = applied(site, RBD)
    after = site.hosts["cmp"].text(NOVA).splitlines()
    assert [line for line in after if line not in before] == ["images_rbd_pool = vms", "images_type = rbd"]
    assert [line for line in after if line in before] == before
    first = next(iter(change.differences))
    assert (first.name, first.have, first.want) == ("[libvirt] images_type", None, "rbd")


def test_a_file_keeps_its_owner_and_mode(site: FakeSite) -> None:
    found = site.hosts["cmp"].files[NOVA]
    applied(site, RBD)
    now = site.hosts["cmp"].files[NOVA]
    assert (now.mode, now.owner, now.group) == (found.mode, found.owner, found.group) == (0o640, "nova", "nova")


def test_options_that_are_right_are_left_alone(site: FakeSite) -> None:
    site.hosts["cmp"].files[NOVA].content += b"images_type=rbd\nimages_rbd_pool: vms\n"
    assert not applied(site, RBD)
    assert not site.writes


def test_an_option_can_be_taken_out(site: FakeSite) -> None:
    applied(site, {"DEFAULT": {"debug": None}})
    assert ("DEFAULT", "debug") not in read(site)
    assert not applied(site, {"DEFAULT": {"debug": None}})


def test_items_join_a_list_that_others_fill_too(site: FakeSite) -> None:
    applied(site, {"DEFAULT": {"enabled_backends": Items("rbd")}}, "ctl", "cinder-volume")
    assert read(site, "/etc/cinder/cinder.conf", "ctl")["DEFAULT", "enabled_backends"] == "lvm,rbd"


def test_the_diff_shows_our_lines_and_no_password(site: FakeSite) -> None:
    (change,) = applied(site, {"DEFAULT": {"transport_url_x": "a"}, "keystone_authtoken": {"region_name": "one"}})
    assert "+region_name = one" in change.diff
    assert PASSWORD not in change.diff and "password = <hidden>" in change.diff


def test_a_key_as_a_value_is_set_and_never_shown(site: FakeSite) -> None:
    def declare(s):  # type: ignore[no-untyped-def]
        yield CephUser.of(s, "client.x", {"mon": "profile rbd"})
        yield IniOptions.of(s.hosts["cmp"], "nova-compute", {"x": {"key_of": s.key("client.x")}})

    plan = apply_twice(site.deployment_of(declare))
    assert read(site)["x", "key_of"] == site.ceph.users["client.x"].key
    assert_no_secrets(site, plan, site.deployment_of(declare).plan())
    assert all(change.diff == "" for change in plan)


def test_options_of_two_plugins_merge(site: FakeSite) -> None:
    def wish(options: Options, role: str) -> object:
        return plugin_of(
            name=f"p{len(str(options))}",
            roles=[role],
            configure_service=lambda s: [IniOptions.of(s.hosts["ctl"], role, options)],
        )

    one = wish({"DEFAULT": {"enabled_backends": Items("rbd-1")}, "a": {"x": "1"}}, "cinder-volume")
    two = wish({"DEFAULT": {"enabled_backends": Items("rbd-2")}, "b": {"y": "1"}, "a": {"x": "1"}}, "cinder-backup")
    plan = apply_twice(site.deployment([("one", one), ("two", two)]))
    assert len(plan) == 1 and plan.changes[0].plugins == ("one", "two")
    found = read(site, "/etc/cinder/cinder.conf", "ctl")
    assert found["DEFAULT", "enabled_backends"] == "lvm,rbd-1,rbd-2"
    assert (found["a", "x"], found["b", "y"]) == ("1", "1")


def test_a_clash_names_the_option_both_values_and_both_plugins(site: FakeSite) -> None:
    def wish(**options: OptionValue) -> object:
        section = {"libvirt": options}
        return plugin_of(
            name=f"p{abs(hash(tuple(options)))}",
            roles=["nova-compute"],
            configure_service=lambda s: [IniOptions.of(s.hosts["cmp"], "nova-compute", section)],
        )

    # the first to name the file is none of the two that can't agree
    plugins = [("aa", wish(cpu_mode="host-model")), ("bb", wish(images_type="rbd")), ("cc", wish(images_type="raw"))]
    with pytest.raises(GraphError) as raised:
        site.deployment(plugins)
    assert str(raised.value) == (
        "cmp/options:/etc/nova/nova.conf: bb and cc can't both have it: "
        "[libvirt] images_type is 'rbd' for one and 'raw' for the other"
    )


VALUE = st.sampled_from(["1", "2"]) | st.sets(st.sampled_from("ab"), min_size=1).map(lambda s: Items(*sorted(s)))
OPTIONS = st.dictionaries(
    st.sampled_from(["x", "y"]), st.dictionaries(st.sampled_from(["o", "p"]), VALUE, min_size=1), min_size=1
)


@given(OPTIONS, OPTIONS)
def test_merging_options_is_commutative(one: Options, other: Options) -> None:
    def merged(a: Options, b: Options) -> object:
        try:
            both = IniOptions(host="h", path="/c", options=a).merged(IniOptions(host="h", path="/c", options=b))
        except Clash:
            return "clash"
        return {
            (section, name): set(value.items) if isinstance(value, Items) else value
            for section, part in both.options.items()
            for name, value in part.items()
        }

    assert merged(one, other) == merged(other, one)


# effect


@pytest.mark.fault("F25")
def test_an_option_that_a_later_file_overrules_is_refused_with_the_place(site: FakeSite) -> None:
    site.hosts["cmp"].files[COMPUTE].content += b"images_type = qcow2\n"
    with pytest.raises(PreflightError) as raised:
        applied(site, RBD)
    assert str(raised.value) == (
        "cmp: [libvirt] images_type in /etc/nova/nova.conf has no effect: /etc/nova/nova-compute.conf:5, which "
        "nova-compute.service reads later, sets it to 'qcow2'; take that line out (test)"
    )
    assert not site.writes


def test_a_later_file_with_the_same_value_is_no_harm(site: FakeSite) -> None:
    site.hosts["cmp"].files[COMPUTE].content += b"images_type = rbd\n"
    applied(site, RBD)


def test_the_files_are_those_of_the_running_service(site: FakeSite) -> None:
    host = site.hosts["cmp"]
    host.units["nova-compute.service"].argv = ("nova-compute", "--config-dir", "/srv/nova", "--config-file", NOVA)
    host.put("/srv/nova/z.conf", "[libvirt]\nimages_type = qcow2\n")
    applied(site, RBD)  # read before nova.conf, so it has no say
    host.units["nova-compute.service"].argv = ("nova-compute", "--config-file", NOVA, "--config-dir=/srv/nova")
    with pytest.raises(PreflightError, match=r"/srv/nova/z.conf:2"):
        applied(site, RBD)


def test_without_arguments_oslos_own_places_count() -> None:
    site = FakeSite({"ceph1": [], "cmp": ["nova-compute"]}, distro="rocky")
    site.hosts["cmp"].put("/etc/nova/nova.conf.d/50.conf", "[libvirt]\nimages_type = flat\n")
    with pytest.raises(PreflightError, match=r"/etc/nova/nova.conf.d/50.conf:2"):
        applied(site, RBD)


def test_a_drop_in_beside_the_services_own_files_counts(site: FakeSite) -> None:
    # nova-compute names its files, and no directory: the default one is read, before them
    site.hosts["cmp"].put("/etc/nova/nova.conf.d/50.conf", "[libvirt]\nimages_type = flat\n")
    applied(site, RBD)


def test_a_stopped_service_is_judged_by_the_distributions_files(site: FakeSite) -> None:
    site.hosts["cmp"].units["nova-compute.service"].stop()
    site.hosts["cmp"].files[COMPUTE].content += b"images_type = qcow2\n"
    with pytest.raises(PreflightError, match="has no effect"):
        applied(site, RBD)


def test_a_service_that_does_not_read_the_file_is_said(site: FakeSite) -> None:
    site.hosts["cmp"].units["nova-compute.service"].argv = ("nova-compute", "--config-file", "/srv/nova.conf")
    site.hosts["cmp"].put("/srv/nova.conf", "")
    with pytest.raises(PreflightError, match=r"nova-compute.service does not read /etc/nova/nova.conf, it reads /srv"):
        applied(site, RBD)


def test_a_missing_file_is_said(site: FakeSite) -> None:
    del site.hosts["cmp"].files[NOVA]
    with pytest.raises(PreflightError, match=r"there is no /etc/nova/nova.conf; install the service"):
        applied(site, RBD)


@pytest.mark.fault("F22")
def test_a_file_that_oslo_would_not_read_is_said_with_its_line_and_without_its_text(site: FakeSite) -> None:
    site.hosts["cmp"].put(NOVA, f"[DEFAULT]\n{PASSWORD}\n")
    with pytest.raises(PreflightError, match=r"nova.conf:2: .*; put the file right first") as raised:
        applied(site, RBD)
    assert PASSWORD not in str(raised.value)


@pytest.mark.fault("F15")
def test_an_edit_by_somebody_else_since_the_plan_is_not_lost(site: FakeSite) -> None:
    deployment = site.deployment_of(lambda s: [IniOptions.of(s.hosts["cmp"], "nova-compute", RBD)])
    plan = deployment.plan()
    site.hosts["cmp"].files[NOVA].content += b"# mine\n"
    (outcome,) = deployment.apply(plan).outcomes
    assert "plan again" in outcome.detail
    assert site.hosts["cmp"].text(NOVA).endswith("# mine\n")


# ceph.conf


def conf(site: FakeSite, **sections: Mapping[str, str]) -> Plan:
    return apply_twice(site.deployment_of(lambda s: [CephConf.of(s, s.hosts["cmp"], **sections)]))


def ceph_conf(site: FakeSite) -> FakeFile:
    return site.hosts["cmp"].files["/etc/ceph/ceph.conf"]


def test_a_ceph_conf_is_created_for_all_to_read(site: FakeSite) -> None:
    conf(site)
    assert ceph_conf(site).mode == 0o644
    assert f"fsid = {site.ceph.fsid}\nmon_host = {site.ceph.mon_host}\n" in ceph_conf(site).text


def test_a_ceph_conf_that_is_there_keeps_what_else_is_in_it(site: FakeSite) -> None:
    text = f"# ours\n[global]\n\tfsid = {site.ceph.fsid}\n\tmon host = 10.9.9.9\n[client]\nrbd cache = true ; yes\n"
    site.hosts["cmp"].put("/etc/ceph/ceph.conf", text, 0o644, "nova", "nova")
    conf(site, client={"rbd_concurrent_management_ops": "20"})
    after = ceph_conf(site)
    assert "# ours" in after.text and "rbd cache = true ; yes" in after.text and "10.9.9.9" not in after.text
    assert f"mon host = {site.ceph.mon_host}" in after.text
    assert (after.owner, after.mode) == ("nova", 0o644)


def test_a_ceph_conf_that_is_right_is_left_alone(site: FakeSite) -> None:
    site.hosts["cmp"].put("/etc/ceph/ceph.conf", site.ceph.minimal_conf())
    assert not conf(site)


def test_monitors_that_are_written_otherwise_are_left_as_they_are(site: FakeSite) -> None:
    text = f"[global]\nfsid = {site.ceph.fsid}\nmon_host = 10.77.0.11\n"
    site.hosts["cmp"].put("/etc/ceph/ceph.conf", text)
    assert not conf(site)


def test_a_ceph_conf_that_librados_cant_read_is_opened(site: FakeSite) -> None:
    site.hosts["cmp"].put("/etc/ceph/ceph.conf", site.ceph.minimal_conf(), 0o600)
    (change,) = conf(site)
    assert [(d.name, d.have, d.want) for d in change.differences] == [("mode", "0600", "0644")]


def test_a_ceph_conf_of_another_cluster_is_refused(site: FakeSite) -> None:
    text = "[global]\nfsid = 00000000-1111-2222-3333-444444444444\n"
    site.hosts["cmp"].put("/etc/ceph/ceph.conf", text)
    with pytest.raises(PreflightError, match=r"is of another cluster \(fsid 00000000-1111.*ceph.cluster"):
        conf(site)
    assert ceph_conf(site).text == text


def test_a_cluster_of_another_name_has_a_file_of_its_own(site: FakeSite) -> None:
    site.hosts["cmp"].put("/etc/ceph/ceph.conf", "[global]\nfsid = 00000000-1111-2222-3333-444444444444\n")
    site.settings(ceph={"cluster": "second"})
    conf(site)
    assert site.ceph.fsid in site.hosts["cmp"].text("/etc/ceph/second.conf")


# the values of other options


def test_a_services_own_credentials_serve_it_in_a_further_section_and_are_not_shown() -> None:
    site = FakeSite({"ceph1": [], "ctl1": ["cinder-volume"]})
    host = site.hosts["ctl1"]
    text = "[keystone_authtoken]\nusername = cinder\npassword = very secret\n[glance]\nusername = theirs\n"
    host.put("/etc/cinder/cinder.conf", text)
    wanted = {name: Same("keystone_authtoken", name, secret=name == "password") for name in ("username", "password")}
    deployment = site.deployment_of(
        lambda s: [IniOptions.of(s.hosts["ctl1"], "cinder-volume", {"glance": {**wanted, "auth_url": Same("x", "y")}})]
    )
    plan = apply_twice(deployment)
    (change,) = plan
    assert [one.name for one in change.differences] == ["[glance] password"]
    assert "very secret" not in repr(plan) + change.diff
    assert host.text("/etc/cinder/cinder.conf").endswith("[glance]\nusername = theirs\npassword = very secret\n")
