"""The page of the fault matrix says what the tests themselves say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .table import FAULTS, NOT_COVERED, PAGE, ROOT

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def made() -> str:
    """The page as the tests would have it now."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.table", "--print"], cwd=ROOT, capture_output=True, text=True, timeout=500
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_page_is_what_the_tests_marks_make_of_it(made: str) -> None:
    assert PAGE.read_text() == made, "make it anew: python -m tests.faults.table"


def test_every_row_has_a_test_or_says_why_not(made: str) -> None:
    assert list(FAULTS) == [f"F{number:02}" for number in range(1, 43)]
    rows = {line[2:5]: line.rsplit("|", 2)[1].strip() for line in made.splitlines() if line.startswith("| F")}
    assert rows.keys() == FAULTS.keys()
    for row, shown in rows.items():
        assert shown.startswith("not covered: ") == (row in NOT_COVERED), row
        assert shown, row
