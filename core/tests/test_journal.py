"""The record of a run: one line of JSON for each event, private, without secrets."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from cephdeploy.errors import CephdeployError, UsageError
from cephdeploy.journal import Journal, past, recall
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


def test_what_is_to_be_begun_is_on_disk_and_what_ended_goes_there_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[list[str]] = []
    with Journal.begin(tmp_path) as journal:

        def events() -> list[str]:
            return [json.loads(line)["event"] for line in journal.path.read_text().splitlines()]

        monkeypatch.setattr(os, "fsync", lambda handle: synced.append(events()))
        journal.write("send", host="a")
        journal.extend("end", [{"step": "a/file:/x"}, {"step": "a/file:/y"}])
        assert events() == ["send", "end", "end"]
        journal.write("send", host="b")
    assert synced == [["send"], ["send", "end", "end", "send"]]


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


@pytest.mark.fault("F06")
def test_a_full_disk_in_the_middle_of_a_run_says_that_nothing_more_was_begun(tmp_path: Path) -> None:
    with Journal.begin(tmp_path) as journal:
        journal.write("begin")
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._file)
        os.close(full)
        with pytest.raises(CephdeployError, match="No space left on device; nothing more was begun"):
            journal.write("send", host="a", steps=[])


@pytest.mark.fault("F05")
def test_a_run_that_was_killed_in_the_middle_of_a_line_is_read_up_to_it(tmp_path: Path) -> None:
    step = {"host": "a", "kind": "file", "name": "/x", "action": "create", "attributes": ["content"], "caps": {}}
    with Journal.begin(tmp_path) as journal:
        journal.write("begin", plugins=["glance"], hosts=["a"])
        journal.write("plan", steps=[step])
        journal.write("send", host="a", steps=["a/file:/x"])
        journal.write("end", step="a/file:/x", status="changed", detail="")
    whole = journal.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for end in range(1, len(whole) + 1):
        journal.path.write_bytes(whole[:end])
        written = sum(end >= len(b"".join(lines[: number + 1])) - 1 for number in range(len(lines)))
        found = list(past(tmp_path))
        assert len(found) == (written > 0)
        for run in found:
            assert run.exit_code is None
            assert len(run.steps) == (written > 1)
            assert len(run.unfinished) == (written == 3)


def test_a_run_is_recalled_by_a_beginning_that_fits_only_one(tmp_path: Path) -> None:
    for name in ("20260101-000000-aaaa", "20260101-000000-bbbb"):
        (tmp_path / f"{name}.jsonl").write_text('{"at": 1, "event": "begin"}\n')
    assert recall("20260101-000000-a", tmp_path).run == "20260101-000000-aaaa"
    for name in ("2026", "2027", ""):
        with pytest.raises(UsageError, match="cephdeploy history lists them"):
            recall(name, tmp_path)
