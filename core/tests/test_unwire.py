"""Taking components off Ceph: ours goes, data and what others need stays."""

from __future__ import annotations

import json

import pytest

from cephdeploy.deployment import Deployment
from cephdeploy.errors import PreflightError
from cephdeploy.plugins import Plugins, installed
from cephdeploy.testing import FakeSite

ALL = ["glance", "cinder", "cinder_backup", "nova", "libvirt"]
if missing := sorted({*ALL} - {*installed()}):
    pytest.skip(f"needs these plugins installed beside core: {', '.join(missing)}", allow_module_level=True)
HOSTS = {
    "ceph1": [],
    "controller1": ["glance-api", "cinder-volume", "cinder-backup"],
    "compute1": ["nova-compute"],
}


def wired() -> FakeSite:
    """A site where everything uses Ceph."""
    site = FakeSite(HOSTS)
    with site.deployment(ALL) as deployment:
        assert deployment.apply(deployment.plan()).ok
    holding(site)
    return site


def holding(site: FakeSite, **images: list[str]) -> None:
    """Say what ``rbd ls`` finds in each pool."""

    def rbd(argv: tuple[str, ...], stdin: bytes, user: str) -> tuple[int, bytes, bytes]:
        pool = argv[2] if argv[1] == "ls" else argv[4]
        return 0, json.dumps(images.get(pool, []) if argv[1] == "ls" else []).encode(), b""

    site.hosts["ceph1"].programs["rbd"] = rbd


def off(site: FakeSite, *plugins: str) -> Deployment:
    """The deployment that takes plugins off Ceph."""
    return Deployment.open(
        site.site_settings(ALL), Plugins(plugins), reach=lambda settings, name: site.hosts[name], off=True
    )


def test_nova_goes_back_to_local_disks_and_the_rest_stays_as_it_is() -> None:
    site = wired()
    others = {path: file.content for path, file in site.hosts["controller1"].files.items()}
    with off(site, "nova") as deployment:
        assert deployment.apply(deployment.plan()).ok
        assert not deployment.plan().changes
    text = site.hosts["compute1"].text("/etc/nova/nova.conf")
    assert "images_type = rbd" not in text and "rbd_secret_uuid" not in text
    left = [path for path in site.hosts["compute1"].files if path.startswith("/etc/ceph/")]
    assert left == ["/etc/ceph/ceph.conf"]
    assert site.hosts["compute1"].secrets  # libvirt's plugin, and cinder's, still want it
    assert {path: file.content for path, file in site.hosts["controller1"].files.items()} == others
    assert "vms" in site.ceph.pools and "client.cinder" in site.ceph.users


def test_nothing_is_done_while_data_lives_there() -> None:
    site = wired()
    holding(site, vms=["a_disk", "b_disk"])
    with off(site, "nova") as deployment, pytest.raises(PreflightError, match="pool vms holds 2 images"):
        deployment.plan()


def test_glance_goes_back_to_its_file_store() -> None:
    site = wired()
    with off(site, "glance") as deployment:
        assert deployment.apply(deployment.plan()).ok
    text = site.hosts["controller1"].text("/etc/glance/glance-api.conf")
    assert "enabled_backends = file:file" in text
    assert "default_backend = file" in text
    assert "rbd_store_pool" not in text


def test_what_an_operator_has_changed_since_stays() -> None:
    site = wired()
    host = site.hosts["compute1"]
    host.put(
        "/etc/nova/nova.conf",
        host.text("/etc/nova/nova.conf").replace("hw_disk_discard = unmap", "hw_disk_discard = ignore"),
    )
    with off(site, "nova") as deployment:
        assert deployment.apply(deployment.plan()).ok
    assert "hw_disk_discard = ignore" in host.text("/etc/nova/nova.conf")


@pytest.mark.parametrize("auth_url", ["http://theirs:5000", "http://controller1:5000"])
def test_credentials_of_an_operators_own_stay_whole(auth_url: str) -> None:
    site = FakeSite(HOSTS, release="flamingo")
    host = site.hosts["controller1"]
    own = {"auth_type": "v3password", "auth_url": auth_url, "username": "svc-glance", "password": "Theirs1"}
    section = "[glance]\n" + "".join(f"{name} = {value}\n" for name, value in own.items())
    host.put("/etc/cinder/cinder.conf", f"{host.text('/etc/cinder/cinder.conf')}\n{section}")
    with site.deployment(ALL) as deployment:
        assert deployment.apply(deployment.plan()).ok
    holding(site)
    with off(site, "cinder") as deployment:
        assert deployment.apply(deployment.plan()).ok
    text = host.text("/etc/cinder/cinder.conf")
    assert all(f"{name} = {value}\n" in text.partition("[glance]")[2] for name, value in own.items())


def test_credentials_that_were_copied_go_away_again() -> None:
    site = FakeSite(HOSTS, release="flamingo")
    host = site.hosts["controller1"]
    with site.deployment(ALL) as deployment:
        assert deployment.apply(deployment.plan()).ok
    assert "username = " in host.text("/etc/cinder/cinder.conf").partition("[glance]")[2]
    holding(site)
    with off(site, "cinder") as deployment:
        assert deployment.apply(deployment.plan()).ok
    assert "username = " not in host.text("/etc/cinder/cinder.conf").partition("[glance]")[2].partition("\n[")[0]


def test_a_service_that_would_have_nothing_left_is_not_broken() -> None:
    site = wired()
    host = site.hosts["controller1"]
    host.put("/etc/cinder/cinder.conf", host.text("/etc/cinder/cinder.conf").replace("lvm,ceph", "ceph"))
    with (
        off(site, "cinder") as deployment,
        pytest.raises(PreflightError, match=r"enabled_backends in .* would be empty"),
    ):
        deployment.plan()
