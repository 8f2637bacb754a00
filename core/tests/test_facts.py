"""What hosts say of themselves."""

from __future__ import annotations

import pytest

from cephdeploy.errors import PreflightError
from cephdeploy.facts import distro_name
from cephdeploy.requests import Run
from cephdeploy.site import Site
from cephdeploy.testing import FakeSite, plugin_of
from cephdeploy.testing._site import _OS_RELEASE


def opened(fake: FakeSite) -> Site:
    return fake.deployment([("test", plugin_of(roles=["nova-compute"]))]).site


def a_site(**more: object) -> FakeSite:
    return FakeSite({"ceph1": [], "compute1": ["nova-compute"]}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(_OS_RELEASE))
def test_each_distributions_os_release_leads_to_its_driver(name: str) -> None:
    assert distro_name(_OS_RELEASE[name]) == name


def test_a_derivative_is_taken_for_what_it_is_like() -> None:
    assert distro_name('ID=linuxmint\nID_LIKE="ubuntu debian"\n') == "ubuntu"
    assert distro_name("ID=plan9\n") is None


def test_one_round_trip_a_host_tells_all() -> None:
    fake = a_site()
    site = opened(fake)
    assert fake.round_trips == {"ceph1": 1, "compute1": 1}
    assert site.hosts["compute1"].versions == {"nova": "2:26.2.2-1~deb12u3", "libvirt": "9.0.0-4+deb12u2"}
    assert site.hosts["compute1"].address == "10.77.0.12"
    assert (site.ceph.fsid, site.ceph.mon_host) == (fake.ceph.fsid, fake.ceph.mon_host)
    assert (site.ceph.admin, site.ceph.version, site.ceph.prefix) == ("ceph1", "16.2.15", ())


def test_an_admin_host_with_cephadm_alone_is_asked_through_it() -> None:
    fake = a_site(cephadm=True, distro="rocky")
    assert opened(fake).ceph.prefix == ("cephadm", "shell", "--")


def test_nothing_is_asked_of_ceph_elsewhere() -> None:
    fake = a_site()
    opened(fake)
    assert not [argv for argv in fake.hosts["compute1"].commands if "ceph" in argv[0]]


def test_a_host_without_systemd_is_refused() -> None:
    fake = a_site()
    fake.hosts["compute1"].directories.clear()
    with pytest.raises(PreflightError, match="compute1: systemd does not run there"):
        opened(fake)


def test_an_unknown_distribution_is_refused_unless_pinned() -> None:
    fake = a_site()
    fake.hosts["compute1"].put("/etc/os-release", "ID=plan9\n")
    with pytest.raises(PreflightError, match=r"no installed distribution driver fits.*pin one by 'distro'.*debian"):
        opened(fake)
    assert opened(fake.settings(hosts={"compute1": {"distro": "debian"}})).hosts["compute1"].distro.name == "debian"


def test_an_admin_host_without_ceph_is_refused() -> None:
    fake = a_site()
    del fake.hosts["ceph1"].packages["ceph-common"]
    with pytest.raises(PreflightError, match="neither ceph nor cephadm"):
        opened(fake)


def test_a_ceph_that_does_not_work_is_said_with_its_reason() -> None:
    fake = a_site()
    del fake.hosts["ceph1"].files["/etc/ceph/ceph.client.admin.keyring"]
    with pytest.raises(PreflightError, match=r"generate-minimal-conf failed: .*permission denied.*client.admin"):
        opened(fake)


def test_a_package_that_is_missing_has_no_version() -> None:
    fake = a_site(distro="rocky")
    del fake.hosts["compute1"].packages["libvirt-daemon"]
    assert opened(fake).hosts["compute1"].versions == {"nova": "26.2.2"}
    assert any(isinstance(request, Run) for request in fake.hosts["compute1"].log)
