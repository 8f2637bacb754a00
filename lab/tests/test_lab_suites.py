"""The table of suites, and what a base is known by."""

from __future__ import annotations

import dataclasses

import pytest

from cephdeploy_lab.base import digest_of
from cephdeploy_lab.errors import WrongUseError
from cephdeploy_lab.suites import DEFAULT, SUITES, suite_named


def test_an_unknown_suite_is_answered_with_a_near_name() -> None:
    with pytest.raises(WrongUseError, match="did you mean bookworm"):
        suite_named("bokworm")


def test_a_suite_like_no_other_is_answered_with_all_there_are() -> None:
    with pytest.raises(WrongUseError, match="the lab knows bookworm"):
        suite_named("xyz")


def test_the_default_is_in_the_table() -> None:
    assert suite_named(DEFAULT).name == DEFAULT


def test_what_a_suite_needs_is_told_to_the_scripts_as_an_empty_word_or_none() -> None:
    assert set(SUITES["bookworm"].environment.values()) == {""}
    assert set(SUITES["sid"].environment.values()) == {"yes"}
    assert SUITES["bookworm"].environment.keys() == SUITES["sid"].environment.keys()


@pytest.mark.parametrize("name", SUITES)
def test_no_package_is_listed_twice_and_what_a_role_lacks_was_installed_first(name: str) -> None:
    suite = SUITES[name]
    assert len(set(suite.packages)) == len(suite.packages)
    # ceph-base comes with the daemons, unasked
    for packages in suite.absent.values():
        assert set(packages) - {"ceph-base"} <= set(suite.packages)


def test_another_package_another_suite_or_another_script_is_another_base() -> None:
    suite = SUITES[DEFAULT]
    digests = {
        digest_of(suite, "script"),
        digest_of(suite, "another script"),
        digest_of(dataclasses.replace(suite, packages=(*suite.packages, "hello")), "script"),
        digest_of(dataclasses.replace(suite, name="other"), "script"),
        digest_of(dataclasses.replace(suite, absent={}), "script"),
    }
    assert len(digests) == 5
    assert digest_of(suite, "script") == digest_of(dataclasses.replace(suite), "script")
