"""A file of ours that an operator has put elsewhere and left a link to: what takes it away refuses, whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cephdeploy.deployment import Deployment
from cephdeploy.journal import Journal, Past, recall
from cephdeploy.plugins import Plugins, installed
from cephdeploy.testing import FakeHost, FakeSite

if missing := sorted({"glance"} - {*installed()}):
    pytest.skip(f"needs these plugins installed beside core: {', '.join(missing)}", allow_module_level=True)
KEYRING, MOVED = "/etc/ceph/ceph.client.glance.keyring", "/srv/keys/glance"


def opened(site: FakeSite, *, undo: Past | None = None, off: bool = False) -> Deployment:
    return Deployment.open(
        site.site_settings(["glance"]),
        Plugins(["glance"]),
        reach=lambda settings, name: site.hosts[name],
        undo=undo,
        off=off,
    )


def wired(runs: Path) -> tuple[FakeSite, FakeHost, str]:
    """A site where Glance uses Ceph and its keyring has become a link; its controller, and the run."""
    site = FakeSite({"ceph1": [], "controller1": ["glance-api"]})
    with opened(site) as deployment, Journal.begin(runs) as journal:
        journal.write("begin", plugins=["glance"], hosts=list(site.hosts))
        assert deployment.apply(deployment.plan(), journal=journal).ok
    site.hosts["ceph1"].programs["rbd"] = lambda argv, stdin, user: (0, json.dumps([]), "")
    host = site.hosts["controller1"]
    host.files[MOVED] = host.files.pop(KEYRING)
    host.links[KEYRING] = MOVED
    return site, host, journal.run


def taken(site: FakeSite, *, undo: Past | None = None, off: bool = False) -> str:
    """What came of the keyring when it was to go: empty when all went well."""
    with opened(site, undo=undo, off=off) as deployment:
        result = deployment.apply(deployment.plan())
        wrong = {one.address.name: one.detail for one in result.outcomes if one.status == "failed"}
        assert bool(wrong) != result.ok
        assert set(wrong) <= {KEYRING}
        return wrong.get(KEYRING, "")


@pytest.mark.fault("F11")
@pytest.mark.parametrize("way", ["unwire", "rollback"])
def test_a_keyring_behind_a_link_stays_until_an_operator_has_removed_both(tmp_path: Path, way: str) -> None:
    site, host, run = wired(tmp_path)
    how: dict[str, object] = {"off": True} if way == "unwire" else {"undo": recall(run, tmp_path)}
    before = host.files[MOVED]
    assert f"{KEYRING} is a link to {MOVED}, which others may need" in taken(site, **how)  # type: ignore[arg-type]
    assert (host.files[MOVED], host.links) == (before, {KEYRING: MOVED})

    del host.files[MOVED], host.links[KEYRING]
    assert taken(site, **how) == ""  # type: ignore[arg-type]
    assert KEYRING not in host.files


@pytest.mark.fault("F11")
def test_a_keyring_behind_a_link_is_written_through_it_and_put_back_through_it(tmp_path: Path) -> None:
    site, host, _ = wired(tmp_path)
    host.files[MOVED].content = b"[client.glance]\n\tkey = old\n"
    with opened(site) as deployment, Journal.begin(tmp_path) as journal:
        journal.write("begin", plugins=["glance"], hosts=list(site.hosts))
        assert deployment.apply(deployment.plan(), journal=journal).ok
    assert site.ceph.users["client.glance"].key in host.text(KEYRING)
    assert taken(site, undo=recall(journal.run, tmp_path)) == ""
    assert host.text(KEYRING) == "[client.glance]\n\tkey = old\n"
    assert host.links == {KEYRING: MOVED}
