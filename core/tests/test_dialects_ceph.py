"""The ceph dialect: examples, generated files, and ``ceph-conf`` as judge where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cephdeploy.dialects import DIALECTS, Assignment, Dialect, Option, Refused

CEPH: Dialect = DIALECTS["ceph"]
CACHE: Option = ("client", "rbd_cache")

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SETTINGS = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
#: Some seconds by default; thousands of examples with HYPOTHESIS_PROFILE=thorough.
EXAMPLES = settings(SETTINGS, max_examples=4000 if THOROUGH else 150)
#: The same where each example runs a program.
FEW_EXAMPLES = settings(SETTINGS, max_examples=400 if THOROUGH else 12)

needs_ceph_conf = pytest.mark.skipif(
    shutil.which("ceph-conf") is None, reason="ceph-conf is not installed (ceph-common)"
)


def values(text: bytes) -> dict[Option, str]:
    return {option: assignment.value for option, assignment in CEPH.read(text).items()}


# Edits


def test_an_indented_option_below_the_one_that_is_set_survives() -> None:
    text = b"[client]\n\trbd cache = true\n\trbd_cache_size = 1\n\t\tadmin socket = /x\n"
    assert CEPH.edit(text, {CACHE: "false"}) == text.replace(b"true", b"false")


def test_a_comment_behind_the_value_stays() -> None:
    assert CEPH.edit(b"[client]\nrbd cache = true  # ask Eva\n", {CACHE: "false"}) == (
        b"[client]\nrbd cache = false  # ask Eva\n"
    )
    assert CEPH.edit(b"[client]\nrbd cache = ; ask Eva\n", {CACHE: "false"}) == (
        b"[client]\nrbd cache = false ; ask Eva\n"
    )


def test_joined_lines_are_replaced_and_taken_out_together() -> None:
    text = b"[client]\nrbd cache = tr\\\n  ue\nx = 1\n"
    assert CEPH.edit(text, {CACHE: "false"}) == b"[client]\nrbd cache = false\nx = 1\n"
    assert CEPH.edit(text, {CACHE: None}) == b"[client]\nx = 1\n"


def test_of_repeated_sections_and_options_the_last_is_edited() -> None:
    text = b"[client]\nrbd_cache = 1\nrbd cache = 2\n[x]\n[client]\n  rbd\tcache=3\n[y]\n"
    assert CEPH.edit(text, {CACHE: "4"}) == text.replace(b"=3", b"=4")
    assert CEPH.edit(text, {CACHE: None}) == b"[client]\n[x]\n[client]\n[y]\n"


def test_a_new_option_is_indented_like_its_section() -> None:
    text = b"[global]\n\tfsid = 1\n\n[client]\nx = 1\n; end\n"
    changes: dict[Option, str | None] = {("global", "mon host"): "[v2:10.0.0.1:3300/0]", CACHE: "true"}
    assert CEPH.edit(text, changes) == (
        b"[global]\n\tfsid = 1\n\tmon_host = [v2:10.0.0.1:3300/0]\n\n[client]\nx = 1\nrbd_cache = true\n; end\n"
    )


def test_a_new_option_goes_right_after_its_commented_default() -> None:
    text = b"[client]\n\tx = 1\n\t; rbd cache = false\n\n"
    assert CEPH.edit(text, {CACHE: "true"}) == b"[client]\n\tx = 1\n\t; rbd cache = false\n\trbd_cache = true\n\n"


def test_a_new_section_goes_to_the_end_after_one_blank_line() -> None:
    changes: dict[Option, str | None] = {("client.cinder", "keyring"): "/etc/ceph/k"}
    added = b"[client.cinder]\nkeyring = /etc/ceph/k\n"
    assert CEPH.edit(b"[global]\n", changes) == b"[global]\n\n" + added
    assert CEPH.edit(b"[global]\n# end", changes) == b"[global]\n# end\n\n" + added
    assert CEPH.edit(b"[global]\r\n", changes) == b"[global]\r\n\r\n" + added.replace(b"\n", b"\r\n")
    assert CEPH.edit(b"", changes) == added


def test_an_option_that_has_the_value_is_left_alone_however_it_is_written() -> None:
    text = b"[client]\n  rbd cache=' tr\\ue'\t# x\n"
    assert CEPH.edit(text, {CACHE: "true", ("client", "gone"): None}) is text


def test_one_option_in_two_spellings_is_refused() -> None:
    with pytest.raises(Refused, match="two spellings"):
        CEPH.edit(b"[client]\n", {CACHE: "1", ("client", "rbd cache"): "2"})


@pytest.mark.parametrize("value", ["1\n[global]\nx = 2", "1\r", "1\0", "\t1", " 1", "1 ", "é"])
def test_a_value_that_would_not_come_back_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(Refused) as refused:
        CEPH.edit(b"[client]\n", {CACHE: value})
    assert refused.value.line == 0
    assert str(refused.value).startswith("[client] rbd_cache: ")
    assert value.strip() not in str(refused.value).removeprefix("[client] rbd_cache: ")


@pytest.mark.parametrize(
    "option",
    [("client", name) for name in ("", " ", "x=y", "#x", "[x]", "é", "x\\y", "rbd-cache")]
    + [(section, "x") for section in ("", " client", "a]", "a\n", "a#", "é")],
)
def test_a_name_that_ceph_would_not_read_is_refused(option: Option) -> None:
    with pytest.raises(Refused):
        CEPH.edit(b"[client]\n", {option: "1"})


def test_a_byte_that_is_not_utf_8_is_refused_with_its_offset() -> None:
    with pytest.raises(Refused) as refused:
        CEPH.read(b"[client]\n# caf\xe9\n")
    assert (refused.value.line, refused.value.offset) == (2, 14)


# What Ceph reads, and what it refuses


READS = [
    (b"[client]\nx = 1\n", "1", 2),
    (b"# c\n\n[client]\n\t x\t=\t1\t\n", "1", 4),
    (b"[client] ; c\r\n\r\nx = 1\r\n", "1", 3),
    (b"[client]\rx = 1\r", "1", 2),
    (b"[client]\nx = 1\n[a]\n[client]\nx = 2\n", "2", 5),
    (b"[client]\nx = 1\n\\\nx = 2\n", "2", 3),
    (b"[client]\nx =\ny = 1\n", "", 2),
    (b"[client]\nx = # c\n", "", 2),
    (b"[client]\nx = a#c\n", "a", 2),
    (b"[client]\nx = a ; c \\\ny = 1\n", "a", 2),
    (b"[client]\nx = a\\#b\\;c\\\\d\\e\n", "a#b;c\\de", 2),
    (b"[client]\nx = a \\\n  b\n", "a   b", 2),
    (b"[client]\nx = a\\\r\nb\r\n", "ab", 2),
    (b"[client]\nx = a\\\n# c\n", "a", 2),
    (b"[client]\nx = a\\\n\ny = 1\n", "a", 2),
    (b"[client]\nx = a\\\\\ny = 1\n", "a\\", 2),
    (b"[client]\nx = a\\ \n", "a", 2),
    (b'[client]\nx = " a \\"b\\" " # c\n', 'a "b"', 2),
    (b"[client]\nx = 'a \\# \"b'\n", 'a # "b', 2),
    (b'[client]\nx = a "b" c\n', 'a "b" c', 2),
    (b'[client]\nx = \\"a"\n', '"a"', 2),
    (b'[client]\nx = \\\n "a"\n', '"a"', 2),
    (b'[client]\nx = "\xc3\xa9" # \xc3\xa9\n', "é", 2),
    (b"[client]\nx = [v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0] [a=b]\n",
     "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0] [a=b]", 2),
    (b"[client]\nx = 1\n# no line break", "1", 2),
    (b"[cli\\\nent]\\\n\nx = 1\n", "1", 4),
    (b"[client]\nX = 1\n", None, 0),
    (b"[Client]\nx = 1\n", None, 0),
    (b"[ client ]\nx = 1\n", None, 0),
    (b"", None, 0),
]  # fmt: skip

REFUSES = [
    (b"x = 1\n[client]\n", 1, "an option stands before the first section"),
    (b" \n[client]\n", 1, "white space before the first section"),
    (b"[a]\n  [client]\n", 2, "white space before a section"),
    (b"[client] x\n", 1, "something stands behind the name of the section"),
    (b"[]\n", 1, "bad section header"),
    (b"[a # b]\n", 1, "bad section header"),
    (b"[client]\nx\n", 2, "neither a section nor an option with '='"),
    (b"[client]\nx: 1\n", 2, "neither a section nor an option with '='"),
    (b"[client]\n = 1\n", 2, "no name before '='"),
    (b"[client]\nx = 1\ny = 2", 3, "the last line has no line break"),
    (b"[client]", 1, "the last line has no line break"),
    (b"[client]\nx = 1\n  ", 3, "the last line is white space and has no line break"),
    (b'[client]\nx = "a # b"\n', 2, "quotes are not closed, or have a plain # or ; in them"),
    (b"[client]\nx = 'a\\\nb'\n", 2, "quotes are not closed, or have a plain # or ; in them"),
    (b'[client]\nx = "a" b\n', 2, "something stands behind the closing quote"),
    (b"[client]\nx = \xc3\xa9\n", 2, "a non-ASCII character outside a comment or quotes stops Ceph"),
    (b"[client]\n# \xff\n", 2, "byte 11 (0xff) is not UTF-8"),
]


@pytest.mark.parametrize(("text", "value", "line"), READS)
def test_a_value_is_read_as_ceph_reads_it(text: bytes, value: str | None, line: int) -> None:
    expected = None if value is None else Assignment(value, line)
    assert CEPH.read(text).get(("client", "x")) == expected


@pytest.mark.parametrize(("text", "line", "reason"), REFUSES)
def test_a_file_that_ceph_refuses_is_refused_with_its_line(text: bytes, line: int, reason: str) -> None:
    for attempt in (lambda: CEPH.read(text), lambda: CEPH.edit(text, {CACHE: "true"})):
        with pytest.raises(Refused) as refused:
            attempt()
        assert (refused.value.line, refused.value.reason) == (line, reason)


def test_white_space_in_a_name_is_as_good_as_an_underscore_and_a_hyphen_is_not() -> None:
    text = b"[client]\na b  c\td = 1\nrbd-cache = 2\n"
    assert values(text) == {("client", "a_b_c_d"): "1", ("client", "rbd-cache"): "2"}
    assert CEPH.normal(("client", " rbd  cache ")) == CACHE


class RefusalError(Exception):
    """ceph-conf says that the file does not parse."""


def ceph_conf(directory: Path, text: bytes, section: str, name: str) -> str | None:
    """What ``ceph-conf --lookup`` prints; ``None`` if there is no such option."""
    path = directory / "ceph.conf"
    path.write_bytes(text)
    done = subprocess.run(
        ["ceph-conf", "-c", str(path), "-s", section, "--lookup", name],
        capture_output=True,
        text=True,
        check=False,
    )
    if "error reading config file" in done.stderr or "Assertion" in done.stderr:
        raise RefusalError(done.stderr)
    return done.stdout.removesuffix("\n") if done.returncode == 0 else None


@needs_ceph_conf
@pytest.mark.parametrize(("text", "value", "_line"), READS)
def test_ceph_conf_agrees_on_what_is_read(text: bytes, value: str | None, _line: int, tmp_path: Path) -> None:
    assert ceph_conf(tmp_path, text, "client", "x") == value


@needs_ceph_conf
@pytest.mark.parametrize(("text", "_line", "_reason"), REFUSES)
def test_ceph_conf_agrees_on_what_is_refused(text: bytes, _line: int, _reason: str, tmp_path: Path) -> None:
    with pytest.raises(RefusalError):
        ceph_conf(tmp_path, text, "client", "x")


@needs_ceph_conf
def test_ceph_conf_agrees_on_names(tmp_path: Path) -> None:
    text = b"[client]\na b  c\td = 1\nrbd-cache-size = 2\n"
    assert ceph_conf(tmp_path, text, "client", "a_b_c_d") == "1"
    assert ceph_conf(tmp_path, text, "client", "rbd_cache_size") is None


# Generated files


SECTIONS = ("global", "client", "client.cinder", " client ")
NAMES = ("rbd cache", "rbd_cache", "keyring", "mon host", "x")

WORDS = st.lists(
    st.sampled_from(["a", "1", " ", "\t", "\\#", "\\;", "\\\\", "\\n", '"', "'", "[", "]", "=", ":", ",", "%", "x y"]),
    max_size=5,
).map("".join)
COMMENTS = st.sampled_from(["# c", ";", " ; x = 1", "\t# rbd cache = true", "# é", "#\\"])
ENDS = st.sampled_from(["", "", "", " ", "\t", " # c", ";c"])
FILE_EOLS = st.sampled_from(["\n", "\n", "\r\n", "\r"])


@st.composite
def assignments(draw: st.DrawFn) -> str:
    indent = draw(st.sampled_from(["", "", "\t", "  "]))
    separator = draw(st.sampled_from([" = ", "=", " =", "= ", "\t=\t"]))
    value = draw(WORDS.filter(lambda word: not word.strip().startswith(("'", '"'))))
    if draw(st.integers(0, 3)) == 0:
        value = '"' + value.replace('"', "") + '"'
    elif draw(st.integers(0, 3)) == 0:
        # a quote right after the join would open a quoted value
        value = (value.strip() or "v") + "\\\n" + draw(WORDS) + "z"
    return indent + draw(st.sampled_from(NAMES)) + separator + value + draw(ENDS)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(COMMENTS | st.just(""), max_size=2))
    for _ in range(draw(st.integers(0, 4))):
        lines.append(f"[{draw(st.sampled_from(SECTIONS))}]{draw(ENDS)}")
        lines += draw(st.lists(COMMENTS | assignments() | assignments() | st.sampled_from(["", " "]), max_size=5))
    eol = draw(FILE_EOLS)
    return "".join(line + "\n" for line in lines).replace("\n", eol).encode()


OPTIONS = st.tuples(st.sampled_from(("global", "client", "client.new")), st.sampled_from((*NAMES, "new key")))
WANTED = st.text("abc#;\\\"'= []$%/.:,", max_size=6).map(str.strip)


@st.composite
def edits(draw: st.DrawFn) -> tuple[bytes, dict[Option, str | None]]:
    """A file, and changes of which about half are to options that it has."""
    text = draw(files())
    there = sorted(values(text))
    options = OPTIONS | st.sampled_from(there) if there else OPTIONS
    changes = draw(st.dictionaries(options, st.none() | WANTED | WANTED, min_size=1, max_size=3))
    assume(len({CEPH.normal(option) for option in changes}) == len(changes))
    return text, changes


def comments(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.lstrip(b" \t").startswith((b"#", b";"))]


@EXAMPLES
@given(edits())
def test_an_edit_changes_what_was_asked_and_nothing_else(
    edit: tuple[bytes, dict[Option, str | None]],
) -> None:
    text, changes = edit
    wanted = {CEPH.normal(option): value for option, value in changes.items()}
    new = CEPH.edit(text, changes)
    before, after = values(text), values(new)
    assert {option: after.get(option) for option in wanted} == wanted
    for option in wanted:
        before.pop(option, None)
        after.pop(option, None)
    assert after == before
    assert comments(new) == comments(text)
    assert CEPH.edit(new, changes) == new


@EXAMPLES
@given(files())
def test_setting_what_is_effective_already_changes_nothing(text: bytes) -> None:
    assert CEPH.edit(text, dict(values(text))) is text


@needs_ceph_conf
@FEW_EXAMPLES
@given(edit=edits())
def test_ceph_conf_agrees_on_generated_files_and_edits(
    tmp_path: Path, edit: tuple[bytes, dict[Option, str | None]]
) -> None:
    text, changes = edit
    wanted = {CEPH.normal(option): value for option, value in changes.items()}
    new = CEPH.edit(text, changes)
    have = values(new)
    for option, value in {**values(text), **wanted}.items():
        # ceph-conf goes on to [client] and [global], and expands $name
        sections = (option[0], "client", "global")
        expected = next((have[at, option[1]] for at in sections if (at, option[1]) in have), None)
        assert option in have or value is None
        if "$" not in (expected or ""):
            assert ceph_conf(tmp_path, new, *option) == expected
