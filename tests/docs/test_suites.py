"""The page of the suites says what the lab has and what its tests break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cephdeploy_lab.suites import SUITES
from tests.lab.sabotages import SABOTAGES

PAGE = (Path(__file__).parents[2] / "docs/suites.md").read_text()


def rows(heading: str) -> Iterator[list[str]]:
    """The rows of the table under a heading, without its head."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    for line in table[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_suite_of_the_lab_stands_in_the_matrix() -> None:
    matrix = {row[0]: row[1:] for row in rows("What is tried")}
    assert list(matrix) == list(SUITES)
    for name, suite in SUITES.items():
        assert matrix[name][0].startswith(suite.ceph.split()[0])
        assert suite.openstack.split()[0] in matrix[name][1]


def test_every_sabotage_is_listed_with_who_puts_it_right() -> None:
    listed = {row[0]: row[2] for row in rows("What is broken, and what verify says")}
    assert list(listed) == list(SABOTAGES)
    for what, sabotage in SABOTAGES.items():
        assert ("run" not in listed[what]) == bool(sabotage.undo), what


@pytest.mark.parametrize("what", SABOTAGES)
def test_what_the_page_has_verify_say_is_what_the_test_waits_for(what: str) -> None:
    said = next(row[1] for row in rows("What is broken, and what verify says") if row[0] == what)
    assert re.search(SABOTAGES[what].says, said.strip("`").replace("\\|", "|")), said
