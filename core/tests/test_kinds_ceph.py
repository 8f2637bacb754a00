"""Pools and users of Ceph: made, widened, left alone; never narrowed, never shown."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephdeploy.errors import PreflightError, SettingsError
from cephdeploy.kinds import CephPool, CephUser
from cephdeploy.kinds.ceph import grants
from cephdeploy.planner import Action, Plan
from cephdeploy.requests import Ran, Run
from cephdeploy.resource import Clash
from cephdeploy.testing import FakeSite, apply_twice, assert_no_secrets, plugin_of

CAPS = {"mon": "profile rbd", "osd": "profile rbd pool=volumes, profile rbd-read-only pool=images"}
#: What the how-to's of peers hand out.
LEGACY = {
    "mon": "allow r",
    "osd": "allow class-read object_prefix rbd_children, allow rwx pool=volumes, allow rwx pool=vms, "
    "allow rx pool=images",
}


@pytest.fixture
def site() -> FakeSite:
    return FakeSite({"ceph1": []})


def applied(site: FakeSite, *names: str, **sections: object) -> Plan:
    return apply_twice(site.deployment_of(lambda s: [CephPool.of(s, name) for name in names], **sections))


def user(site: FakeSite, caps: Mapping[str, str] = CAPS, entity: str = "client.cinder", **sections: object) -> Plan:
    plan = apply_twice(site.deployment_of(lambda s: [CephUser.of(s, entity, caps)], **sections))
    assert_no_secrets(site, plan)
    return plan


# pools


def test_a_pool_that_is_missing_is_created_for_rbd_with_the_autoscaler(site: FakeSite) -> None:
    plan = applied(site, "volumes")
    assert [change.action for change in plan] == [Action.CREATE]
    assert site.ceph.pools["volumes"].applications == ["rbd"]
    assert site.ceph.pools["volumes"].autoscale == "on"


def test_a_pool_is_created_as_the_site_file_says(site: FakeSite) -> None:
    applied(site, "volumes", pools={"volumes": {"pg_num": 64}})
    assert (site.ceph.pools["volumes"].pg_num, site.ceph.pools["volumes"].autoscale) == (64, "off")


def test_a_pool_that_a_plugin_wants_is_never_the_one_of_another_purpose(site: FakeSite) -> None:
    with pytest.raises(SettingsError, match=r"^pools 'fast' and 'images' are both called 'fast' in Ceph"):
        applied(site, "images", "fast", pools={"images": {"name": "fast"}})
    assert site.ceph.pools == {}


def test_a_bulk_pool_is_created_where_ceph_knows_bulk(site: FakeSite) -> None:
    site.ceph.version = "18.2.4"
    applied(site, "volumes", pools={"volumes": {"bulk": True}})
    assert site.ceph.pools["volumes"].bulk


@pytest.mark.fault("F37")
def test_a_pool_that_is_there_keeps_its_size_and_placement_groups(site: FakeSite) -> None:
    site.ceph.add_pool("volumes", "rbd", pg_num=8, size=2)
    plan = applied(site, "volumes", pools={"volumes": {"pg_num": 256}})
    assert not plan and plan.unchanged == 1
    assert (site.ceph.pools["volumes"].pg_num, site.ceph.pools["volumes"].size) == (8, 2)


def test_a_pool_without_an_application_gets_rbds_and_keeps_the_rest(site: FakeSite) -> None:
    site.ceph.add_pool("volumes", pg_num=8, size=2)
    plan = applied(site, "volumes")
    (change,) = plan
    assert [(d.name, d.have, d.want) for d in change.differences] == [("application", None, "rbd")]
    assert (site.ceph.pools["volumes"].pg_num, site.ceph.pools["volumes"].size) == (8, 2)


@pytest.mark.fault("F37")
def test_a_pool_of_another_application_is_refused_and_untouched(site: FakeSite) -> None:
    site.ceph.add_pool("volumes", "cephfs")
    with pytest.raises(PreflightError, match=r"ceph1: the pool belongs to the application cephfs.*\(test\)"):
        applied(site, "volumes")
    assert site.ceph.pools["volumes"].applications == ["cephfs"]


def test_a_pool_with_rbd_beside_another_application_will_do(site: FakeSite) -> None:
    site.ceph.add_pool("volumes", "rbd", "rgw")
    assert not applied(site, "volumes")


def test_every_pool_is_looked_at_by_one_command(site: FakeSite) -> None:
    deployment = site.deployment_of(lambda s: [CephPool.of(s, name) for name in ("a", "b", "c")])
    site.forget()
    deployment.plan()
    assert site.commands == [("ceph", "osd", "pool", "ls", "detail", "-f", "json")]


def test_a_cluster_without_an_answer_is_named(site: FakeSite) -> None:
    deployment = site.deployment_of(lambda s: [CephPool.of(s, "volumes")])
    site.hosts["ceph1"].programs["ceph"] = lambda argv, stdin, user: (1, "", "no active mon\n")
    with pytest.raises(PreflightError, match="ceph osd pool ls detail failed: no active mon"):
        deployment.plan()


# users


def test_a_user_that_is_missing_is_created_with_its_caps(site: FakeSite) -> None:
    plan = user(site)
    assert [change.action for change in plan] == [Action.CREATE]
    assert site.ceph.users["client.cinder"].caps == CAPS


def test_a_user_with_the_same_caps_in_another_order_is_left_alone(site: FakeSite) -> None:
    caps = {"osd": "profile rbd-read-only pool=images,  profile rbd pool=volumes", "mon": "profile rbd"}
    site.ceph.add_user("client.cinder", caps)
    assert not user(site)
    assert site.ceph.users["client.cinder"].caps == caps


@pytest.mark.fault("F36")
def test_caps_are_widened_and_the_key_stays(site: FakeSite) -> None:
    key = site.ceph.add_user("client.cinder", {"mon": "profile rbd", "osd": "profile rbd pool=volumes"}).key
    plan = user(site)
    (change,) = plan
    assert [difference.name for difference in change.differences] == ["osd"]
    assert site.ceph.users["client.cinder"].caps == CAPS
    assert site.ceph.users["client.cinder"].key == key


@pytest.mark.fault("F36")
def test_legacy_caps_of_a_how_to_are_kept_beside_ours(site: FakeSite) -> None:
    site.ceph.add_user("client.cinder", LEGACY)
    (change,) = user(site)
    held = site.ceph.users["client.cinder"].caps
    for service, text in LEGACY.items():
        assert set(grants(text)) | set(grants(CAPS[service])) == set(grants(held[service]))
    assert "CVE-2026-50152" in change.notes[0] and "caps: exact" in change.notes[0]


def test_a_service_that_we_ask_nothing_of_keeps_its_caps(site: FakeSite) -> None:
    site.ceph.add_user("client.cinder", {**CAPS, "mgr": "profile rbd", "mds": "allow r"})
    assert not user(site)


def test_a_write_of_all_caps_holds_those_of_other_services(site: FakeSite) -> None:
    site.ceph.add_user("client.cinder", {"mgr": "profile rbd", "mon": "profile rbd"})
    user(site)
    assert site.ceph.users["client.cinder"].caps == {"mgr": "profile rbd", **CAPS}


def test_exact_takes_away_what_was_not_asked_for(site: FakeSite) -> None:
    site.ceph.add_user("client.cinder", {**LEGACY, "mgr": "allow *"})
    (change,) = user(site, ceph={"caps": "exact"})
    assert site.ceph.users["client.cinder"].caps == CAPS
    assert [(d.name, d.want) for d in change.differences if d.name == "mgr"] == [("mgr", None)]
    assert not change.notes


def test_exact_leaves_equal_caps_as_they_are_written(site: FakeSite) -> None:
    site.ceph.add_user("client.cinder", {"mon": "profile rbd", "osd": ",".join(reversed(grants(CAPS["osd"])))})
    assert not user(site, ceph={"caps": "exact"})


def test_the_wishes_of_two_plugins_for_one_user_add_up(site: FakeSite) -> None:
    def wish(pool: str) -> object:
        caps = {"mon": "profile rbd", "osd": f"profile rbd pool={pool}"}
        return plugin_of(name=pool, prepare_ceph=lambda s: [CephUser.of(s, "client.cinder", caps)])

    plan = apply_twice(site.deployment([("vms", wish("vms")), ("volumes", wish("volumes"))]))
    assert plan.changes[0].plugins == ("vms", "volumes")
    assert site.ceph.users["client.cinder"].caps["osd"] == "profile rbd pool=vms, profile rbd pool=volumes"


def test_exact_and_not_exact_dont_go_together() -> None:
    one = CephUser(host="a", entity="client.x", caps=CAPS)
    with pytest.raises(Clash):
        one.merged(CephUser(host="a", entity="client.x", caps=CAPS, exact=True))


GRANT = st.sampled_from(["profile rbd pool=a", "profile rbd pool=b", "allow r", "allow rwx pool=c"])
CAPS_OF = st.dictionaries(st.sampled_from(["mon", "osd", "mgr"]), st.lists(GRANT, min_size=1).map(", ".join))


@given(CAPS_OF, CAPS_OF)
def test_merging_caps_is_commutative(one: dict[str, str], other: dict[str, str]) -> None:
    def made(caps: dict[str, str]) -> CephUser:
        return CephUser(host="a", entity="client.x", caps=caps)

    def meant(found: CephUser) -> dict[str, set[str]]:
        return {service: set(grants(text)) for service, text in found.caps.items()}

    assert meant(made(one).merged(made(other))) == meant(made(other).merged(made(one)))


@given(have=CAPS_OF.filter(bool), ours=CAPS_OF.filter(bool))
def test_widening_never_takes_a_grant_away_and_ends(have: dict[str, str], ours: dict[str, str]) -> None:
    site = FakeSite({"ceph1": []})
    site.ceph.add_user("client.x", have)
    user(site, ours, "client.x")
    held = site.ceph.users["client.x"].caps
    for caps in (have, ours):
        for service, text in caps.items():
            assert set(grants(text)) <= set(grants(held[service]))


def test_no_key_but_the_asked_for_leaves_the_host(site: FakeSite) -> None:
    site.ceph.add_user("client.cinder", CAPS)
    deployment = site.deployment_of(lambda s: [CephUser.of(s, "client.cinder", CAPS)])
    said: list[bytes] = []
    exchange = site.hosts["ceph1"].exchange

    def listening(groups):  # type: ignore[no-untyped-def]
        answers = exchange(groups)
        said.extend(answer.out for given in answers for answer in given if isinstance(answer, Ran))
        return answers

    site.hosts["ceph1"].exchange = listening  # type: ignore[method-assign]
    deployment.plan()
    text = b"".join(said).decode()
    assert site.ceph.users["client.cinder"].key in text
    assert site.ceph.users["client.admin"].key not in text


def test_the_key_that_get_or_create_prints_stays_on_the_host(site: FakeSite) -> None:
    user(site)
    (made,) = [r for r in site.hosts["ceph1"].log if isinstance(r, Run) and "get-or-create" in r.argv]
    assert made.keep == "nothing"


def test_all_goes_through_cephadm_where_there_is_no_ceph() -> None:
    site = FakeSite({"ceph1": []}, cephadm=True)
    apply_twice(site.deployment_of(lambda s: [CephPool.of(s, "volumes"), CephUser.of(s, "client.cinder", CAPS)]))
    assert site.ceph.users["client.cinder"].caps == CAPS
    assert {argv[0] for argv in site.commands} - {"rpm"} == {"ceph", "cephadm"}


def test_caps_that_ceph_refuses_fail_with_what_it_said(site: FakeSite) -> None:
    deployment = site.deployment_of(lambda s: [CephUser.of(s, "client.cinder", {"mon": "nonsense"})])
    (outcome,) = deployment.apply(deployment.plan()).outcomes
    assert outcome.status == "failed"
    assert "ceph auth get-or-create client.cinder: Error EINVAL" in outcome.detail
