"""Errors of many hosts."""

from __future__ import annotations

from cephdeploy.report.faults import folded


def test_hosts_with_the_same_trouble_are_named_behind_the_first_that_has_it() -> None:
    text = "\n".join(
        [
            "ceph1: python3 is 3.4; install 3.6 or newer",
            *(f"c{n:03}: not reachable at 10.0.{n >> 8}.{n & 255} port 22: timed out" for n in range(700)),
        ]
    )
    assert list(folded(text)) == [
        "ceph1: python3 is 3.4; install 3.6 or newer",
        "c000: not reachable at 10.0.0.0 port 22: timed out",
        "  likewise 699 more hosts: c[001-699]",
    ]


def test_names_addresses_and_fingerprints_are_each_hosts_own() -> None:
    said = "{0}: host key of {0}.lan at fd00::{1} is not known (SHA256:{1}+/ab= offered); ssh-keyscan {0}"
    assert len(list(folded("\n".join(said.format(f"c{n}", n) for n in range(1, 5))))) == 2


def test_two_hosts_stand_apart_and_so_do_other_causes_and_other_resources() -> None:
    for lines in (
        ["a: why", "b: why"],
        ["a: one", "b: two", "c: three"],
        ["a/file:/1: why (nova)", "a/file:/2: why (nova)", "b/file:/1: why (nova)"],
        ["what is said of no host", "what is said of no host", "what is said of no host"],
    ):
        assert list(folded("\n".join(lines))) == lines
