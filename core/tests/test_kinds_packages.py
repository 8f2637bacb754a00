"""Packages: one question, one transaction, the distribution's own names."""

from __future__ import annotations

import pytest

from cephdeploy.distros import Distro
from cephdeploy.errors import PreflightError
from cephdeploy.kinds import Packages
from cephdeploy.planner import Plan
from cephdeploy.requests import Dpkg, Ran
from cephdeploy.testing import FakeSite, apply_twice, plugin_of


def applied(site: FakeSite, *roles: str, **sections: object) -> Plan:
    return apply_twice(site.deployment_of(lambda s: [Packages.of(s, s.hosts["ctl"], *roles)], **sections))


def a_site(distro: str = "debian") -> FakeSite:
    return FakeSite({"ceph1": [], "ctl": ["cinder-volume"]}, distro=distro)


def installs(site: FakeSite) -> list[tuple[str, ...]]:
    return [argv for argv in site.hosts["ctl"].commands if "install" in argv]


@pytest.mark.parametrize(
    ("distro", "command", "package"),
    [
        ("debian", "apt-get", "python3-rbd"),
        ("rocky", "dnf", "python3-rbd"),
        ("centos7", "yum", "python-rbd"),
        ("fedora", "dnf", "python3-rbd"),
    ],
)
def test_what_is_missing_is_installed_by_the_hosts_own_means(distro: str, command: str, package: str) -> None:
    site = a_site(distro)
    plan = applied(site, "rbd-client")
    assert len(plan) == 1
    assert package in site.hosts["ctl"].packages
    assert [argv[0] for argv in installs(site)] == [command]


def test_only_what_is_missing_is_installed() -> None:
    site = a_site()
    site.hosts["ctl"].packages["python3-rbd"] = "1"
    (change,) = applied(site, "rbd-client")
    assert [difference.name for difference in change.differences] == ["ceph-common", "python3-rados"]
    assert installs(site)[0][-3:] == ("--", "ceph-common", "python3-rados")


@pytest.mark.parametrize("distro", ["debian", "rocky"])
def test_what_is_there_is_left_alone(distro: str) -> None:
    site = a_site(distro)
    host = site.hosts["ctl"]
    host.packages.update(dict.fromkeys(host.distro.packages["rbd-client"], "1"))
    assert not applied(site, "rbd-client")
    assert not installs(site)


@pytest.mark.parametrize("distro", ["debian", "rocky"])
def test_the_wishes_of_all_plugins_are_one_transaction(distro: str) -> None:
    site = a_site(distro)

    def wish(role: str) -> object:
        return plugin_of(
            name=role.replace("-", "_"),
            roles=["cinder-volume"],
            configure_service=lambda s: [Packages.of(s, s.hosts["ctl"], role)],
        )

    plan = apply_twice(site.deployment([("one", wish("rbd-client")), ("two", wish("qemu-rbd"))]))
    assert len(plan) == 1 and plan.changes[0].plugins == ("one", "two")
    assert len(installs(site)) == 1


def test_a_site_that_installs_by_itself_is_told_what_is_missing() -> None:
    site = a_site()
    with pytest.raises(PreflightError, match=r"ceph-common, python3-rados, python3-rbd is not installed.*by hand"):
        applied(site, "rbd-client", packages=False)
    host = site.hosts["ctl"]
    host.packages.update(dict.fromkeys(host.distro.packages["rbd-client"], "1"))
    assert not applied(site, "rbd-client")


@pytest.mark.parametrize(("distro", "said"), [("debian", "Unable to locate package"), ("rocky", "Unable to find")])
def test_a_package_that_no_repository_has_fails_with_what_was_said(distro: str, said: str) -> None:
    site = a_site(distro)
    site.hosts["ctl"].available.clear()
    deployment = site.deployment_of(lambda s: [Packages.of(s, s.hosts["ctl"], "rbd-client")])
    (outcome,) = deployment.apply(deployment.plan()).outcomes
    assert outcome.status == "failed" and said in outcome.detail


@pytest.mark.parametrize(
    ("distro", "said"),
    [
        ("rhel", "ctl: rpm does not tell what is installed: error: cannot open Packages database"),
        ("debian", "ctl: /var/lib/dpkg/status does not tell what is installed: /var/lib/dpkg/status: No such file"),
    ],
)
def test_a_record_of_packages_that_fails_is_no_missing_package(distro: str, said: str) -> None:
    site = a_site(distro)
    deployment = site.deployment_of(lambda s: [Packages.of(s, s.hosts["ctl"], "rbd-client")])
    host = site.hosts["ctl"]
    host.programs["rpm"] = lambda argv, stdin, user: (255, "", "error: cannot open Packages database\n")
    gone = Ran(status=1, err=b"/var/lib/dpkg/status: No such file or directory")
    host.interfere.append(lambda request: gone if isinstance(request, Dpkg) else None)
    with pytest.raises(PreflightError, match=said):
        deployment.plan()


def test_a_distribution_that_can_not_tell_what_is_installed_is_none() -> None:
    with pytest.raises(TypeError, match="'plan9' has neither a query nor a record of packages"):
        Distro(name="plan9", install=("install",), packages={}, versions={})
