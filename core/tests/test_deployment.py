"""The library: a site opened, planned, applied and verified."""

from __future__ import annotations

import pytest

from cephdeploy.deployment import in_play, target
from cephdeploy.errors import GraphError, HostError, SettingsError, UsageError
from cephdeploy.kinds import CephPool, CephUser, File, Keyring
from cephdeploy.requests import Look
from cephdeploy.testing import FakeSite, apply_twice, plugin_of
from cephdeploy.values import Address
from cephdeploy.verify import Check, ProbeResult, Proof, Workbench

ROLES = ["cinder-volume"]


def a_site() -> FakeSite:
    return FakeSite({"ceph1": [], "ctl1": ROLES, "ctl2": ROLES, "other": ["glance-api"]})


def test_only_hosts_in_play_are_reached() -> None:
    site = a_site()
    with site.deployment([("p", plugin_of(roles=ROLES))]) as deployment:
        assert sorted(deployment.hosts) == ["ceph1", "ctl1", "ctl2"]
    assert site.round_trips["other"] == 0
    assert site.hosts["ctl1"].closed and not site.hosts["other"].closed


def test_a_plugin_whose_roles_are_on_no_host_is_told_so() -> None:
    plugin = plugin_of(roles=["nova-compute"])
    with pytest.raises(SettingsError, match="plugin 'p' has no host: none in the site file has the role nova-compute"):
        a_site().deployment([("p", plugin)])


def test_a_run_without_plugins_is_refused() -> None:
    with pytest.raises(UsageError, match="no plugin is chosen"):
        a_site().deployment([])


def test_every_host_that_cant_be_reached_is_named_and_the_others_are_let_go() -> None:
    site = a_site()
    site.unreachable = {"ctl1": "no route to host", "ctl2": "the host key is another"}
    with pytest.raises(HostError) as raised:
        site.deployment([("p", plugin_of(roles=ROLES))])
    assert str(raised.value) == "ctl1: no route to host\nctl2: the host key is another"
    assert site.hosts["ceph1"].closed


def test_declarations_that_dont_fit_let_every_host_go() -> None:
    site = a_site()
    needy = File(host="ctl1", path="/f", content="", after=(Address("ctl1", "file", "/nowhere"),))
    with pytest.raises(GraphError):
        site.deployment([("p", plugin_of(roles=ROLES, configure_service=lambda s: [needy]))])
    assert all(site.hosts[name].closed for name in ("ceph1", "ctl1", "ctl2"))


def test_a_limit_to_a_host_that_is_not_in_play_is_refused() -> None:
    deployment = a_site().deployment([("p", plugin_of(roles=ROLES))])
    with pytest.raises(UsageError, match="--limit other: no such host in this run; there are: ceph1, ctl1, ctl2"):
        deployment.plan(limit=["other"])


def test_a_host_is_reached_as_the_site_file_says() -> None:
    site = a_site().settings(ssh={"user": "ops", "port": 2222}, hosts={"ctl2": {"user": "root"}})
    settings = site.site_settings([("p", plugin_of(roles=ROLES))])
    one, two = target(settings, "ctl1"), target(settings, "ctl2")
    assert (one.user, one.port, one.address) == ("ops", 2222, "10.77.0.12")
    assert (two.user, two.port) == ("root", 2222)
    assert in_play(settings, {}) == ["ceph1"]


# verify


def proven(site: FakeSite, *probes: Check | Proof, **caps: str) -> list[ProbeResult]:
    def distribute(s):  # type: ignore[no-untyped-def]
        from cephdeploy.kinds import CephConf

        yield CephConf.of(s, s.hosts["ctl1"])
        yield Keyring.of(s, s.hosts["ctl1"], "client.cinder", "cinder-volume")

    def prepare(s):  # type: ignore[no-untyped-def]
        yield from (CephPool.of(s, "volumes"), CephPool.of(s, "images"))
        yield CephUser.of(s, "client.cinder", {"mon": "profile rbd", "osd": "profile rbd pool=volumes", **caps})

    plugin = plugin_of(roles=ROLES, prepare_ceph=prepare, distribute_keys=distribute, verify=lambda s: probes)
    for host in site.hosts.values():
        host.packages["ceph-common"] = "1"
    deployment = site.deployment([("p", plugin)])
    apply_twice(deployment)
    return deployment.verify()


def check(*argv: str, user: str = "cinder", refusal: str = "") -> Check:
    return Check(host="ctl1", title="t", commands=(("rbd", "--id", "cinder", *argv),), user=user, refusal=refusal)


def test_a_check_runs_as_the_account_that_will_use_the_key() -> None:
    (good, bad) = proven(a_site(), check("-p", "volumes", "ls"), check("-p", "volumes", "ls", user="stranger"))
    assert (good.plugin, good.title, good.ok) == ("p", "t (ctl1)", True)
    assert not bad.ok and "there is no user 'stranger' here" in bad.detail


def test_a_key_that_the_account_cant_read_is_no_proof() -> None:
    site = a_site()
    site.hosts["ctl1"].accounts["glance"] = ("glance",)
    (result,) = proven(site, check("-p", "volumes", "ls", user="glance"))
    assert not result.ok and "couldn't connect" in result.detail


def test_a_refusal_that_is_wanted_is_judged_by_its_reason() -> None:
    results = proven(
        a_site(),
        check("-p", "images", "create", "--size", "1", "x", refusal="not permitted"),
        check("-p", "volumes", "ls", refusal="not permitted"),
        check("-p", "nowhere", "ls", refusal="not permitted"),
    )
    assert [(result.ok, result.detail) for result in results] == [
        (True, "refused"),
        (False, "it was let, and must be refused; the caps are too wide"),
        (
            False,
            "it failed, but not as it must: rbd: error opening pool 'nowhere': (2) No such file or directory",
        ),
    ]


def test_a_proof_takes_away_what_it_made_also_when_it_fails() -> None:
    site = a_site()
    undone: list[str] = []

    def prove(bench: Workbench) -> str:
        bench.cleanup(undone.append, "first")
        bench.cleanup(undone.append, "second")
        bench.ceph("rbd", "-p", "volumes", "create", "--size", "1", "probe")
        bench.cleanup(bench.ceph, "rbd", "-p", "volumes", "rm", "probe")
        bench.ceph("rbd", "-p", "nowhere", "ls")
        return "never"

    (result,) = proven(site, Proof(title="t", prove=prove))
    assert not result.ok and "error opening pool 'nowhere'" in result.detail
    assert undone == ["second", "first"] and not site.ceph.pools["volumes"].images


def test_checks_of_a_host_are_one_round_trip() -> None:
    site = a_site()
    plugin = plugin_of(
        roles=ROLES, verify=lambda s: [Check(host="ctl1", title=t, commands=(("test", "-d", "/etc"),)) for t in "abc"]
    )
    deployment = site.deployment([("p", plugin)])
    site.forget()
    assert all(result.ok for result in deployment.verify())
    assert site.round_trips["ctl1"] == 1
    assert not [request for request in site.hosts["ctl1"].log if isinstance(request, Look)]
