"""What the lab hands over, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cephdeploy_lab import state
from cephdeploy_lab.errors import LabError, WrongUseError
from cephdeploy_lab.hosts import HOSTS, KNOWN, chosen, host_named, hosts_of
from cephdeploy_lab.openstack import clouds_document
from cephdeploy_lab.state import HostEntry

_ONE = HostEntry(name="ceph1", address="192.0.2.10", roles=("ceph", "monitor"))


def test_hosts_json_gives_each_host_its_address_and_roles() -> None:
    assert json.loads(state.hosts_document([_ONE])) == {
        "ceph1": {"address": "192.0.2.10", "roles": ["ceph", "monitor"]}
    }


def test_known_hosts_has_each_key_under_name_and_address_and_no_comment() -> None:
    assert state.known_hosts_document([(_ONE, "ssh-ed25519 AAAA root@somewhere\n")]) == (
        "ceph1,192.0.2.10 ssh-ed25519 AAAA\n"
    )


def test_every_host_resolves_all_names_by_its_own_file() -> None:
    text = state.etc_hosts(HOSTS, "192.0.2.1")
    for host in HOSTS:
        assert f"{host.address} {host.name}\n" in text


def test_clouds_yaml_has_an_administrator_and_a_member() -> None:
    clouds = yaml.safe_load(clouds_document("192.0.2.11"))["clouds"]
    assert {name: cloud["auth"]["username"] for name, cloud in clouds.items()} == {"lab": "admin", "lab-member": "demo"}
    assert {cloud["auth"]["auth_url"] for cloud in clouds.values()} == {"http://192.0.2.11:5000/v3"}


def test_no_two_hosts_share_a_name_or_an_address() -> None:
    assert len({host.name for host in KNOWN}) == len({host.address for host in KNOWN}) == len(KNOWN)


def test_other_hosts_than_the_usual_are_chosen_by_name_and_remembered(tmp_path: Path) -> None:
    found = chosen("compute3, ceph1,controller1,ceph1")
    assert [host.name for host in found] == ["ceph1", "controller1", "compute3"]
    folder = state.Folder(tmp_path)
    assert hosts_of(folder) == HOSTS
    state.write(folder.hosts_json, state.hosts_document(found))
    assert hosts_of(folder) == found


def test_a_host_that_is_not_there_is_answered_with_a_near_name() -> None:
    assert host_named("10.77.0.21").name == "compute1"
    with pytest.raises(WrongUseError, match="did you mean controller1"):
        host_named("controler1")


def test_the_environment_may_name_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(state.FOLDER_VARIABLE, str(tmp_path))
    assert state.folder_of("bookworm").path == tmp_path
    monkeypatch.setenv(state.FOLDER_VARIABLE, "relative")
    with pytest.raises(WrongUseError, match="absolute"):
        state.folder_of("bookworm")
    monkeypatch.delenv(state.FOLDER_VARIABLE)
    assert state.folder_of("bookworm").path.name == "bookworm"


def test_too_small_a_disk_is_refused_before_anything_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(state, "NEEDED_MB", 2**40)
    with pytest.raises(WrongUseError, match="MB free"):
        state.check_free_space(state.Folder(tmp_path / "not" / "there"))


def test_a_lock_that_is_held_names_its_holder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(state, "_LOCK", tmp_path / "lock")
    with state.locked(), pytest.raises(LabError, match=r"another `cephdeploy lab` is at work"), state.locked():
        pass
    with state.locked():
        pass


def test_two_bases_can_be_built_at_once_and_one_base_only_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(state, "_BUILDING", tmp_path)
    one, other = state.Folder(tmp_path / "one"), state.Folder(tmp_path / "other")
    with state.building(one), state.building(other):
        pass
    with state.building(one), pytest.raises(LabError, match=r"builds .*one/base"), state.building(one):
        pass


def test_forgetting_the_lab_keeps_a_whole_base_and_not_a_partial_one(tmp_path: Path) -> None:
    folder = state.Folder(tmp_path)
    folder.make()
    for kept in (folder.base, folder.unfinished_base):
        kept.mkdir()
    state.write(folder.key, "private", 0o600)
    assert folder.key.stat().st_mode & 0o777 == 0o600
    folder.forget_lab()
    folder.forget_unfinished_base()
    assert [entry.name for entry in tmp_path.iterdir()] == ["base"]
    folder.forget_base()
    assert not tmp_path.exists()
