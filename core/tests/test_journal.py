"""The record of a run: one line of JSON for each event, private, without secrets."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from cephdeploy.errors import CephdeployError
from cephdeploy.journal import Journal
from cephdeploy.testing import cephx_key
from cephdeploy.values import Secret


def test_each_event_is_a_line_of_json_in_a_file_of_the_owners_alone(tmp_path: Path) -> None:
    with Journal.begin(tmp_path / "runs") as journal:
        journal.write("send", host="a", steps=["a/file:/x"])
        journal.write("end", step="a/file:/x", status="changed")
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["send", "end"]
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_a_line_is_on_disk_before_the_next_thing_happens(tmp_path: Path) -> None:
    with Journal.begin(tmp_path) as journal:
        journal.write("send", host="a")
        assert json.loads(journal.path.read_text())["host"] == "a"


def test_what_looks_like_a_secret_is_cleaned_and_the_line_stays_json(tmp_path: Path) -> None:
    key = cephx_key("x")
    with Journal.begin(tmp_path) as journal:
        journal.write("end", detail=f"key {key}, password = hunter2", more=["passwd: hunter2", {"a": key}])
    text = journal.path.read_text()
    assert key not in text and "hunter2" not in text
    assert json.loads(text)["detail"] == "key <secret>, password = <secret>"


def test_a_secret_itself_is_refused(tmp_path: Path) -> None:
    with Journal.begin(tmp_path) as journal, pytest.raises(TypeError):
        journal.write("end", value=Secret("x"))


def test_two_runs_in_one_second_have_two_journals(tmp_path: Path) -> None:
    with Journal.begin(tmp_path) as one, Journal.begin(tmp_path) as other:
        assert one.path != other.path


def test_a_folder_that_cant_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(CephdeployError, match="can't keep a journal in"):
        Journal.begin(tmp_path / "runs")
