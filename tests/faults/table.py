"""The page of the fault matrix, made of the tests' own marks: ``python -m tests.faults.table`` writes it anew."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

__all__ = ["FAULTS", "NOT_COVERED", "PAGE", "collected", "page"]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/faults.md"

#: Each row: what goes wrong, and what is done about it.
FAULTS = {
    "F01": (
        "the host key is unknown",
        "that host is refused before anything is sent, with the key's fingerprint and the line that adds it",
    ),
    "F02": ("the host key has changed", "refused, with both fingerprints; no option turns that off"),
    "F03": (
        "the line goes while a file is written",
        "the file is the old one to the last byte; what lies beside it is removed at the next write",
    ),
    "F04": (
        "the line goes after a command began",
        "the step is recorded as unknown; the next run looks, and repeats nothing blindly",
    ),
    "F05": (
        "the run is killed between any two steps",
        "a journal written ahead, synced; the next run reaches the same end as if nothing had happened",
    ),
    "F06": (
        "the disk is full where cephdeploy runs",
        "it stops before the next change, and names the journal; what was sent is in it",
    ),
    "F07": ("the disk is full on a host", "the old file stays, nothing lies beside it, the free bytes are told"),
    "F08": ("a host's file system is read-only", "the old file stays; the way to look is told"),
    "F09": ("a file is immutable", "the old file stays; what takes the attribute away is told"),
    "F10": ("a file is a bind mount of its own", "refused and explained; it is never written in place"),
    "F11": (
        "a configuration file is a symbolic link",
        "the link stays, and what it leads to is written; to remove it is refused, as others may need it",
    ),
    "F12": ("a link leads nowhere, or is not root's", "refused, with the chain of links"),
    "F13": ("a file has an owner, a mode, an ACL, attributes", "all are those of the old file; nothing gets wider"),
    "F14": (
        "a file has an SELinux label",
        "the new file has it too: it is written in the same folder, and every attribute is copied",
    ),
    "F15": (
        "a file is changed by another hand after the plan",
        "compared by digest where it is written; the step, or a saved plan, is refused as stale (exit 7)",
    ),
    "F16": (
        "two operators run at once",
        "the second is refused (exit 5) and told who, from where, since when; it changes nothing",
    ),
    "F17": (
        "the holder of the lock dies, or its line does",
        "the lock is the kernel's and ends with the session: there is no stale one",
    ),
    "F18": ("clocks differ", "no clock is compared with another: the plan and the result are the same"),
    "F19": ("a key stands twice in a file", "all lines stay; the last one counts, and is the one that is edited"),
    "F20": ("a section stands twice", "the value is set where the service's own parser takes it from"),
    "F21": ("values go on over several lines", "the whole option is replaced, and no other"),
    "F22": ("a file that the service itself would refuse", "refused, with the line"),
    "F23": ("bytes that are not UTF-8", "refused, with their place; the file stays as it is"),
    "F24": ("CRLF, or no end of line at the end", "the file keeps its style"),
    "F25": ("another file overrules the option", "found by the service's own arguments, and named with its line"),
    "F26": ("the default stands there as a comment", "the comment stays; the option comes after it"),
    "F27": ("sudo wants a password or a terminal", "told apart, with what helps; nobody waits"),
    "F28": ("sudo would count a wrong password", "no password is ever given: there is no wrong one"),
    "F29": ("a login script prints noise", "answers are framed between nonces; noise is skipped"),
    "F30": ("the host speaks another language", "commands run in the C locale, and answer in JSON"),
    "F31": ("a hundred megabytes of output", "cut to its tail, on the host; memory is bounded"),
    "F32": ("a command hangs", "ended on the host at its deadline, with all that it started"),
    "F33": (
        "a service does not come up with its new configuration",
        "its configuration is put back at once, it is started again, and its last words are told",
    ),
    "F34": (
        "a failure on the third of several hosts",
        "batches, one host first: what comes after a failure is left untouched",
    ),
    "F35": (
        "the run dies between a change and its restart",
        "the host itself notes the restart before the change; the next run makes it, and no other",
    ),
    "F36": (
        "the cephx user is there with other caps",
        "shown; ours are added; none is taken away unasked; its key stays",
    ),
    "F37": (
        "the pool is there with another size or application",
        "taken as it is; one of another application stops the run; none is ever deleted or resized",
    ),
    "F38": (
        "the libvirt secret's UUID or usage is taken",
        "found before any change, with both UUIDs and both ways out",
    ),
    "F39": ("a key arrives garbled in libvirt", "libvirt says that it is set; it is read back, compared, and fails"),
    "F40": (
        "a bad site file",
        "every fault at once, with file, line, column and key, before a host is reached; never a traceback",
    ),
    "F41": (
        "Ctrl-C once, and twice",
        "once: what is under way is finished and the way on is told (exit 130); twice: at once",
    ),
    "F42": ("a saved plan of another version", "refused (exit 7), with the command that makes it anew"),
}

#: Rows without a test, each with the reason.
NOT_COVERED: dict[str, str] = {}

_HEAD = """\
# When something goes wrong

Forty-two things that go wrong, what cephdeploy does about each, and the tests that show it. The tests name their rows
themselves (`@pytest.mark.fault("F05")`), and this page is made of those marks: `python -m tests.faults.table`. A test
compares the two. `make test` runs them all; `pytest -m fault` runs these alone.

Tests below `tests/ssh` and `tests/faults` run against real sshds in namespaces of their own, and need root; those
below `tests/lab` against a real Ceph and a real OpenStack. In `tests/faults` the hosts have stubs for `ceph`, `virsh`,
`systemctl` and the like, and everything else is real. A run there is killed at each record of its journal, and its
line cut or its processes killed at each batch; `CEPHDEPLOY_TEST_EVERY_POINT=1` tries every way at every point.

"""

_TAIL = """
Not shown by a test: SELinux in enforcing mode (F14). The label of a file is compared before and after on a real file
system; no test machine enforces a policy.
"""


class _Ear:
    """Hears what pytest collects."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = defaultdict(set)
        self.errors: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for mark in item.iter_markers("fault"):
                path = item.path.relative_to(ROOT).as_posix()
                name = getattr(item, "originalname", item.name)
                self.found[str(mark.args[0])].add(f"{path}::{name}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(report.longreprtext)


def collected() -> dict[str, set[str]]:
    """Each row's tests, by collection of the whole suite in this process."""
    ear = _Ear()
    with contextlib.redirect_stdout(io.StringIO()):
        status = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT)], [ear])
    if ear.errors or status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit("\n".join(["the tests can't be collected:", *ear.errors]))
    return ear.found


def page(found: dict[str, set[str]]) -> str:
    """The page, from each row's tests."""
    lines = ["| row | what goes wrong | what is done | shown by |", "|---|---|---|---|"]
    for row, (fault, done) in FAULTS.items():
        shown = "; ".join(_told(test) for test in sorted(found.get(row, ())))
        lines.append(f"| {row} | {fault} | {done} | {shown or f'not covered: {NOT_COVERED[row]}'} |")
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


def _told(test: str) -> str:
    path, _, name = test.partition("::")
    words = re.sub(r"^test_(f\d\d_)?", "", name).replace("_", " ")
    return f"{words} (`{path}`)"


if __name__ == "__main__":
    text = page(collected())
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text)
