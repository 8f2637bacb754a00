"""Wrong use ends with one sentence and status 2, and long commands are followed, bounded and ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from cephdeploy_lab import lab as whole
from cephdeploy_lab import machine
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


@pytest.mark.parametrize("command", [("up",), ("down",), ("status",), ("ssh", "ceph1")])
def test_somebody_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = CliRunner().invoke(lab, command)
    assert result.exit_code == 2
    assert "as root" in result.output


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
