"""Wrong use ends with one sentence and status 2, and long commands are followed, bounded and ended."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from cephdeploy_lab import base, hosts, machine, network, state
from cephdeploy_lab import lab as whole
from cephdeploy_lab.base import SCRIPTS
from cephdeploy_lab.cli import lab
from cephdeploy_lab.errors import LabError
from cephdeploy_lab.processes import Processes, tail_of


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "--suite", "bokworm"), "did you mean bookworm"),
        (("down", "--suite", "trixi"), "not one that the lab can build"),
        (("ssh", "controler1"), "did you mean controller1"),
        (("up", "--hosts", "ceph1,controller1,compute01"), "did you mean compute1"),
        (("up", "--hosts", "ceph1,compute1"), "compute1 can't do without controller1"),
        (("base", "--suite", "sit"), "did you mean sid"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_2(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(machine, "check_root", lambda: None)
    result = CliRunner().invoke(lab, words)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "command", [("up",), ("base",), ("down",), ("status",), ("ssh", "ceph1"), ("openstack", "image", "list")]
)
def test_somebody_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = CliRunner().invoke(lab, command)
    assert result.exit_code == 2
    assert "as root" in result.output


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> state.Folder:
    """A lab that is up, as far as its files can tell."""
    monkeypatch.setattr(machine, "check_root", lambda: None)
    monkeypatch.setattr(machine, "check_kernel", lambda: None)
    monkeypatch.setattr(machine, "install_missing_tools", lambda say: None)
    monkeypatch.setattr(network, "check_free", lambda folder: None)
    monkeypatch.setattr(network, "owner", lambda: tmp_path)
    monkeypatch.setattr(state, "_LOCK", tmp_path / "lock")
    monkeypatch.setattr(state, "_BUILDING", tmp_path / "building")
    monkeypatch.setattr(hosts, "supervisor", lambda place: 1)
    monkeypatch.setenv(state.FOLDER_VARIABLE, str(tmp_path))
    folder = state.Folder(tmp_path)
    folder.base.mkdir()
    state.write(folder.base / "manifest.json", '{"suite": "trixie"}')
    state.write(folder.hosts_json, state.hosts_document(hosts.HOSTS))
    state.write(folder.ready, "")
    return folder


def test_up_again_is_content_only_with_the_same_suite_and_the_same_hosts(folder: state.Folder) -> None:
    again = CliRunner().invoke(lab, ["up", "--suite", "trixie"])
    assert again.exit_code == 0
    assert "is up already" in again.output
    other_hosts = CliRunner().invoke(lab, ["up", "--suite", "trixie", "--hosts", "ceph1"])
    assert other_hosts.exit_code == 2
    assert "is up with ceph1, controller1, compute1, compute2" in other_hosts.output
    other_suite = CliRunner().invoke(lab, ["up", "--suite", "sid"])
    assert other_suite.exit_code == 2
    assert "is up with trixie" in other_suite.output


def test_down_with_another_suite_leaves_the_hosts_of_the_one_that_is_up_alone(
    monkeypatch: pytest.MonkeyPatch, folder: state.Folder, tmp_path: Path
) -> None:
    monkeypatch.setattr(network, "owner", lambda: tmp_path / "other")
    monkeypatch.setattr(hosts, "end", lambda place: pytest.fail(f"{place.host.name} was ended"))
    result = CliRunner().invoke(lab, ["down", "--suite", "trixie"])
    assert result.exit_code == 0
    assert f"the lab in {tmp_path / 'other'} stays up" in result.output
    assert not folder.ready.exists()
    assert folder.base.exists()


def test_a_base_is_not_built_anew_under_a_lab_that_runs_on_it(folder: state.Folder) -> None:
    result = CliRunner().invoke(lab, ["base", "--suite", "trixie", "--fresh-base"])
    assert result.exit_code == 2
    assert "take it down" in result.output


def test_a_base_that_is_right_is_left_alone(monkeypatch: pytest.MonkeyPatch, folder: state.Folder) -> None:
    folder.ready.unlink()
    monkeypatch.setattr(network, "owner", lambda: None)
    monkeypatch.setattr(base, "is_current", lambda folder, suite: True)
    result = CliRunner().invoke(lab, ["base", "--suite", "trixie"])
    assert result.exit_code == 0
    assert "is there already" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ("server", "list", "--all-projects", "-f", "json"),
        ("--os-cloud", "lab-member", "image", "create", "two words", "--user", "x"),
    ],
)
def test_the_client_gets_every_word_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, folder: state.Folder, words: tuple[str, ...]
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(os, "execvp", lambda program, words: ran.append(tuple(words)))
    assert CliRunner().invoke(lab, ["openstack", *words]).exit_code == 0
    (command,) = ran
    assert command[0] == "ssh"
    assert f"root@{hosts.CONTROLLER1.address}" in command
    assert shlex.split(command[-1]) == ["OS_CLOUD=lab", "openstack", *words]


def test_the_client_needs_a_controller_that_runs(monkeypatch: pytest.MonkeyPatch, folder: state.Folder) -> None:
    monkeypatch.setattr(hosts, "supervisor", lambda place: None)
    result = CliRunner().invoke(lab, ["openstack", "image", "list"])
    assert result.exit_code == 1
    assert "controller1 does not run" in result.output


def test_status_names_the_suite_and_every_unit_that_does_not_run(
    monkeypatch: pytest.MonkeyPatch, folder: state.Folder
) -> None:
    units = whole.units_of("ssh.service active\ncinder-volume.service inactive\nlibvirtd.socket active\n\n")
    assert units == {"ssh": "active", "cinder-volume": "inactive", "libvirtd.socket": "active"}
    one = whole.HostStatus(
        name="controller1", address="192.0.2.1", roles=(), pid=1, memory_mb=7, units=units, failed_units=()
    )
    monkeypatch.setattr(whole, "status", lambda folder: [one])
    table = CliRunner().invoke(lab, ["status"]).output
    for part in ("2 active", "cinder-volume", "inactive", "7 MB", "trixie: Ceph 18.2", "OpenStack 2025.1"):
        assert part in table
    document = json.loads(CliRunner().invoke(lab, ["status", "-f", "json"]).output)
    assert document["suite"] == "trixie"
    assert document["hosts"][0]["units"]["cinder-volume"] == "inactive"


def test_a_failure_shows_the_end_of_its_log_and_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "ceph1.log"
    log.write_text("the very reason\n")

    def fail(*words: object, **options: object) -> None:
        raise LabError("ceph.sh on ceph1 failed with status 1", log=log)

    monkeypatch.setattr(whole, "up", fail)
    result = CliRunner().invoke(lab, ["up"])
    assert result.exit_code == 1
    for part in ("the very reason", str(log), "cephdeploy lab down", "ceph.sh on ceph1 failed"):
        assert part in result.output


def test_progress_goes_to_the_person_and_everything_to_the_log(tmp_path: Path) -> None:
    said: list[str] = []
    words = ("sh", "-c", "echo noise; echo '== half way'")
    Processes().run(words, what="it", log=tmp_path / "log", say=said.append, timeout=10)
    assert said == ["half way"]
    assert tail_of(tmp_path / "log") == "noise\n== half way"


def test_a_command_that_fails_points_to_its_log(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="it failed with status 3") as raised:
        Processes().run(("sh", "-c", "exit 3"), what="it", log=tmp_path / "log", say=print, timeout=10)
    assert raised.value.log == tmp_path / "log"


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="did not end within 0 s"):
        Processes().run(("sleep", "60"), what="it", log=tmp_path / "log", say=print, timeout=0.2)


def test_stopping_ends_what_runs_and_begins_nothing_more(tmp_path: Path) -> None:
    processes = Processes()
    threading.Timer(0.2, processes.stop).start()
    began = time.monotonic()
    with pytest.raises(LabError, match="interrupted"):
        processes.run(("sleep", "60"), what="it", log=tmp_path / "log", say=print, timeout=60)
    assert time.monotonic() - began < 30
    with pytest.raises(LabError, match="not begun"):
        processes.run(("true",), what="it", log=tmp_path / "log", say=print, timeout=60)


def test_set_options_replaces_adds_and_keeps_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("# on top\n[DEFAULT]\n#a = 0\na = 1\na = 2\n\n[other]\na = kept\n")
    file.chmod(0o640)
    options = "[DEFAULT]\na = 3\nb = x = y\n[new]\nc =\n"
    subprocess.run((sys.executable, str(SCRIPTS / "set-options"), str(file)), input=options, text=True, check=True)
    assert file.read_text() == ("# on top\n[DEFAULT]\na = 3\nb = x = y\n#a = 0\n\n[other]\na = kept\n\n[new]\nc = \n")
    assert file.stat().st_mode & 0o777 == 0o640
