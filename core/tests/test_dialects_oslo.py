"""The oslo dialect: the fault matrix by example, and oslo.config's own parser as judge of generated files."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_config.iniparser import BaseParser

import cephdeploy.dialects
from cephdeploy.dialects import DIALECTS, Assignment, Dialect, Option, Refused

OSLO: Dialect = DIALECTS["oslo"]
IMAGES_TYPE: Option = ("libvirt", "images_type")

#: Some seconds by default; thousands of examples with HYPOTHESIS_PROFILE=thorough.
EXAMPLES = settings(
    max_examples=4000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def values(text: bytes) -> dict[Option, str]:
    return {option: assignment.value for option, assignment in OSLO.read(text).items()}


# F19 to F26 of the fault matrix


@pytest.mark.fault("F19")
def test_f19_of_duplicate_keys_the_last_is_set_and_the_others_stay() -> None:
    text = b"[pci]\nalias = one\nalias = two\nother = x\n"
    assert OSLO.edit(text, {("pci", "alias"): "new"}) == b"[pci]\nalias = one\nalias = new\nother = x\n"


@pytest.mark.fault("F19")
def test_f19_duplicates_of_other_keys_stay() -> None:
    text = b"[pci]\nalias = one\nalias = two\n"
    assert OSLO.edit(text, {("pci", "x"): "1"}) == text + b"x = 1\n"


@pytest.mark.fault("F20")
def test_f20_of_repeated_sections_the_one_with_the_last_assignment_is_edited() -> None:
    text = b"[libvirt]\nimages_type = raw\n[x]\n[libvirt]\nimages_type = qcow2\n[y]\n"
    assert OSLO.edit(text, {IMAGES_TYPE: "rbd"}) == text.replace(b"qcow2", b"rbd")


@pytest.mark.fault("F20")
def test_f20_sections_that_differ_in_case_are_one_section() -> None:
    text = b"[Libvirt]\nimages_type = raw\n"
    assert OSLO.edit(text, {IMAGES_TYPE: "rbd"}) == b"[Libvirt]\nimages_type = rbd\n"


@pytest.mark.fault("F21")
def test_f21_continuation_lines_go_with_their_option() -> None:
    text = b"[a]\nlong = one,\n  two,\n\t# three\nnext = x\n"
    assert OSLO.edit(text, {("a", "long"): "four"}) == b"[a]\nlong = four\nnext = x\n"
    assert OSLO.edit(text, {("a", "long"): None}) == b"[a]\nnext = x\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"# c\n\nkey = x\n[a]\n", 3, "an option stands before the first section"),
        (b"\xef\xbb\xbf[a]\nkey = x\n", 1, "begins with a byte order mark"),
        (b"[a]\nkey = x\nalone\n", 3, "no ':' or '=' found in assignment"),
        (b"[a]\n= x\n", 2, "key cannot be empty"),
        (b"  [a]\nkey = x\n", 1, "unexpected continuation line"),
        (b"[a]\nkey = x\n\n  indented = y\n", 4, "unexpected continuation line"),
        (b"[a] # c\nkey = x\n", 1, "invalid section (must end with ])"),
        (b"[a]\r\n[]\r\n", 2, "empty section name"),
    ],
)
@pytest.mark.fault("F22")
def test_f22_a_file_that_oslo_config_refuses_is_refused_with_its_line(text: bytes, line: int, reason: str) -> None:
    for attempt in (lambda: OSLO.read(text), lambda: OSLO.edit(text, {IMAGES_TYPE: "rbd"})):
        with pytest.raises(Refused) as refused:
            attempt()
        assert (refused.value.line, refused.value.reason) == (line, reason)


@pytest.mark.fault("F22")
def test_f22_a_refusal_does_not_repeat_the_line() -> None:
    with pytest.raises(Refused) as refused:
        OSLO.read(b"[a]\nthe password is geheim\n")
    assert "geheim" not in str(refused.value)


@pytest.mark.fault("F23")
def test_f23_a_byte_that_is_not_utf_8_is_refused_with_its_offset() -> None:
    with pytest.raises(Refused) as refused:
        OSLO.read(b"[a]\r\n# caf\xe9\r\nkey = x\r\n")
    assert (refused.value.line, refused.value.offset) == (2, 10)
    assert refused.value.reason == "byte 10 (0xe9) is not UTF-8"


@pytest.mark.fault("F24")
def test_f24_crlf_is_kept() -> None:
    assert OSLO.edit(b"[a]\r\nx = 1\r\n", {("a", "y"): "2"}) == b"[a]\r\nx = 1\r\ny = 2\r\n"


@pytest.mark.fault("F24")
def test_f24_a_missing_final_newline_stays_missing() -> None:
    assert OSLO.edit(b"[a]\r\nx = 1", {("a", "x"): "2"}) == b"[a]\r\nx = 2"
    assert OSLO.edit(b"[a]\r\nx = 1", {("a", "y"): "2"}) == b"[a]\r\nx = 1\r\ny = 2"
    assert OSLO.edit(b"[a]\nx = 1", {("b", "y"): "2"}) == b"[a]\nx = 1\n\n[b]\ny = 2"
    assert OSLO.edit(b"[a]\nx = 1", {("a", "x"): None, ("a", "y"): "2"}) == b"[a]\ny = 2"


@pytest.mark.fault("F25")
def test_f25_read_tells_the_line_that_wins() -> None:
    text = b"[libvirt]\nimages_type = raw\n\n[libvirt]\nimages_type = rbd\n"
    assert OSLO.read(text) == {IMAGES_TYPE: Assignment("rbd", 5)}


@pytest.mark.fault("F26")
def test_f26_a_new_option_goes_right_after_its_commented_default() -> None:
    text = b"[libvirt]\na = 1\n\n# help\n#images_type = default\n\n#other = 1\n"
    after = text.replace(b"default\n", b"default\nimages_type = rbd\n")
    assert OSLO.edit(text, {IMAGES_TYPE: "rbd"}) == after


@pytest.mark.fault("F26")
def test_f26_a_default_is_told_from_a_sentence_about_the_option() -> None:
    text = b"[libvirt]\n#images_type = default\n\n# images_type = lvm needs more\n#other = 1\n"
    after = text.replace(b"default\n", b"default\nimages_type = rbd\n")
    assert OSLO.edit(text, {IMAGES_TYPE: "rbd"}) == after
    assert OSLO.edit(b"[libvirt]\n# images_type = x\n\n", {IMAGES_TYPE: "rbd"}) == (
        b"[libvirt]\n# images_type = x\nimages_type = rbd\n\n"
    )


@pytest.mark.fault("F26")
def test_f26_the_commented_default_of_another_section_does_not_count() -> None:
    text = b"[x]\n#images_type = default\n[libvirt]\n"
    assert OSLO.edit(text, {IMAGES_TYPE: "rbd"}) == text + b"images_type = rbd\n"


# Places and styles


def test_a_new_option_goes_after_the_last_live_one_of_its_section() -> None:
    text = b"[a]\nx = 1\n  2\n\n# about b\n[b]\n"
    assert OSLO.edit(text, {("a", "y"): "3"}) == b"[a]\nx = 1\n  2\ny = 3\n\n# about b\n[b]\n"


def test_a_new_option_of_a_section_without_any_goes_right_after_the_header() -> None:
    assert OSLO.edit(b"[a]\n\n#\n# From nova\n", {("a", "y"): "3"}) == b"[a]\ny = 3\n\n#\n# From nova\n"


def test_a_new_section_goes_to_the_end_after_one_blank_line() -> None:
    changes = {("ceph-1", "x"): "1", ("a", "z"): "3", ("ceph-1", "y"): "2"}
    assert OSLO.edit(b"[a]\n", changes) == b"[a]\nz = 3\n\n[ceph-1]\nx = 1\ny = 2\n"
    assert OSLO.edit(b"[a]\n\n", {("b", "x"): "1"}) == b"[a]\n\n[b]\nx = 1\n"
    assert OSLO.edit(b"", {("b", "x"): "1"}) == b"[b]\nx = 1\n"


def test_the_style_of_an_assignment_stays() -> None:
    text = b"[a]\nv=1\nw: 1\nx   =   1  \ny =\nz=\n"
    changes: dict[Option, str | None] = {("a", name): "2" for name in "vwxyz"}
    assert OSLO.edit(text, changes) == b"[a]\nv=2\nw: 2\nx   =   2  \ny = 2\nz=2\n"


def test_an_option_that_has_the_value_is_left_alone_however_it_is_written() -> None:
    text = b"[a]\nx='1'\ny :\t 2 \nz = one\n  two\n"
    assert OSLO.edit(text, {("a", "x"): "1", ("a", "y"): "2", ("a", "z"): "one\ntwo"}) is text


def test_taking_out_an_option_takes_all_its_assignments_and_leaves_its_comments() -> None:
    text = b"[a]\n#x = 0\nx = 1\ny = 1\n[b]\nx = 5\n[a]\nx: 2\n  3"
    assert OSLO.edit(text, {("a", "x"): None}) == b"[a]\n#x = 0\ny = 1\n[b]\nx = 5\n[a]\n"
    assert OSLO.edit(text, {("a", "z"): None}) is text


@pytest.mark.parametrize("value", ["", " x ", "'x'", '"', '"x', "$a %b # c ; d", "é\u00a0", "a = b: c", "[a]"])
def test_a_value_is_written_so_that_it_is_read_back(value: str) -> None:
    text = OSLO.edit(b"[a]\nx = 1\n", {("a", "x"): value, ("a", "y"): value})
    assert values(text) == {("a", "x"): value, ("a", "y"): value}


@pytest.mark.parametrize("value", ["x\n[b]\ny = 1", "x\r", "x\0", "x\ty", "\x1b[0m", "\u2028", "\x85", "\ud800"])
def test_a_value_with_a_control_character_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(Refused) as refused:
        OSLO.edit(b"[a]\n", {("a", "x"): value})
    assert str(refused.value) == "[a] x: the value has a line break or a control character in it"
    assert refused.value.line == 0


@pytest.mark.parametrize(
    "option",
    [
        *(("a", name) for name in ("", "x y", "x=y", "#x", "x\ny", "é", "[x]", "rbd-user")),
        *((section, "x") for section in ("", "a]", "a\n[b]", " a", "a ", "Default")),
    ],
)
def test_a_name_that_oslo_config_would_not_read_is_refused(option: Option) -> None:
    with pytest.raises(Refused):
        OSLO.edit(b"[a]\n", {option: "1"})


def test_a_name_with_a_hyphen_is_refused_with_the_right_one() -> None:
    with pytest.raises(Refused, match="the option is rbd_user"):
        OSLO.edit(b"[a]\n", {("a", "rbd-user"): "cinder"})


def test_an_odd_name_that_is_there_already_is_set_and_taken_out() -> None:
    text = b"[ a ]\nrbd-user = 1\n"
    assert OSLO.edit(text, {(" a ", "rbd-user"): "2"}) == b"[ a ]\nrbd-user = 2\n"
    assert OSLO.edit(text, {(" a ", "rbd-user"): None}) == b"[ a ]\n"
    assert OSLO.edit(b"[ a ]\n", {(" a ", "rbd-user"): None}) == b"[ a ]\n"


def test_one_option_in_two_spellings_is_refused() -> None:
    with pytest.raises(Refused, match="two spellings"):
        OSLO.edit(b"[a]\n", {("a", "x"): "1", ("A", "x"): "2"})


def test_only_a_line_feed_and_a_carriage_return_break_lines() -> None:
    text = "[a]\rx = 1\x0b2\u20283\r#x\r".encode()
    assert OSLO.read(text) == {("a", "x"): Assignment("1\x0b2\u20283", 2)}
    assert OSLO.edit(text, {("a", "y"): "1"}) == "[a]\rx = 1\x0b2\u20283\ry = 1\r#x\r".encode()


def test_importing_the_dialects_imports_no_parser() -> None:
    code = "import sys, cephdeploy.dialects; print(*(n for n in sys.modules if n.startswith('oslo')))"
    where = {**os.environ, "PYTHONPATH": str(Path(cephdeploy.dialects.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=where)
    assert done.stdout.strip() == ""


def test_there_are_two_dialects() -> None:
    assert sorted(DIALECTS) == ["ceph", "oslo"]
    assert len(DIALECTS) == 2
    with pytest.raises(KeyError):
        DIALECTS["yaml"]


def test_a_file_of_13000_lines_is_read_and_edited_in_150_ms() -> None:
    lines = ["[DEFAULT]", ""]
    for n in range(2150):
        lines += [f"[section{n}]", ""] if n % 100 == 0 else []
        lines += [f"# Option {n}, a = b (string value)", "# More.", "# And more: c", f"#option_{n} = {n}", ""]
        lines += [f"live_{n} = x"]
    text = "\n".join(lines).encode()
    changes: dict[Option, str | None] = {(f"section{n * 100}", f"option_{n * 100}"): "x" for n in range(20)}
    took = []
    for _ in range(5):
        start = time.process_time()
        OSLO.read(text)
        OSLO.edit(text, changes)
        took.append(time.process_time() - start)
    assert len(lines) > 12_900
    assert min(took) < 0.150


# Real oslo.config


def service(path: Path) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(path)], project="nova")
    return conf


def test_oslo_config_itself_reads_what_was_written(tmp_path: Path) -> None:
    text = (
        b"[DEFAULT]\r\nenabled_backends = lvm\r\n[Libvirt]\r\n#images_type = default\r\n"
        b"[pci]\r\nalias = 1\r\nalias = 2\r\n"
        b"[DEFAULT]\r\nmy_ip = 10.0.0.1\r\nenabled_backends : lvm,\r\n  nfs"
    )
    changes: dict[Option, str | None] = {
        ("DEFAULT", "enabled_backends"): "lvm,nfs,RBD-1",
        IMAGES_TYPE: "rbd",
        ("RBD-1", "rbd_pool"): "$my_ip-$$x",
        ("RBD-1", "quoted"): " 'x' ",
    }
    (tmp_path / "nova.conf").write_bytes(OSLO.edit(text, changes))
    conf = service(tmp_path / "nova.conf")
    conf.register_opts([cfg.ListOpt("enabled_backends"), cfg.StrOpt("my_ip")])
    conf.register_opts([cfg.StrOpt("images_type", choices=["rbd", "default"])], "libvirt")
    conf.register_opts([cfg.MultiStrOpt("alias")], "pci")
    conf.register_opts([cfg.StrOpt("rbd_pool"), cfg.StrOpt("quoted")], "RBD-1")
    assert conf.enabled_backends == ["lvm", "nfs", "RBD-1"]
    assert conf.libvirt.images_type == "rbd"
    assert conf.pci.alias == ["1", "2"]
    assert conf["RBD-1"].rbd_pool == "10.0.0.1-$x"
    assert conf["RBD-1"].quoted == " 'x' "


def test_oslo_config_reads_no_option_with_a_hyphen_and_no_lower_case_default(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("[a]\nrbd-user = 1\nRBD_USER = 2\n[default]\nx = 1\n")
    conf = service(tmp_path / "a.conf")
    conf.register_opts([cfg.StrOpt("rbd-user")], "a")
    conf.register_opts([cfg.StrOpt("x")])
    assert (conf.a.rbd_user, conf.x) == (None, None)


# Generated files, judged by oslo.config's own parser


@dataclass
class Judge(BaseParser):
    """What oslo.config sees, by another way than the dialect's: the lines come from Python's text files."""

    values: dict[Option, list[str]] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    #: The line that each assignment begins on, from 0, by a count of lines seen.
    owner: dict[int, Option] = field(default_factory=dict)
    section: str = ""

    @classmethod
    def of(cls, text: bytes) -> Judge:
        judge = cls()
        judge.parse([*io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"), "\n"])
        return judge

    def new_section(self, section: str) -> None:
        self.section = section if section == "DEFAULT" else section.lower()

    def assignment(self, key: str, value: list[str]) -> None:
        self.values.setdefault((self.section, key), []).append("\n".join(value))
        for index in range(self.lineno - 1 - len(value), self.lineno - 1):
            self.owner[index] = (self.section, key)

    def comment(self, comment: str) -> None:
        self.comments.append(comment)


SECTIONS = ("DEFAULT", "libvirt", "LibVirt", "rbd-1", "glance_store")
NAMES = ("images_type", "rbd_user", "alias", "My_Key", "my_key")

#: What stands in values: everything that some ini library takes for something else.
WORDS = st.lists(
    st.sampled_from(["a", "rbd", "1", " ", "  ", "%", "%(x)s", "$x", "$$", "#", " # ", ";", " ; ", "'", '"', "="])
    | st.sampled_from([":", ",", "[", "]", "[libvirt]", "é", "đĩa", "\\", "\u00a0", "\u3000", "{x}", "images_type"]),
    max_size=5,
).map("".join)
SEPARATORS = st.sampled_from([" = ", "=", ": ", ":", " : ", "   =   ", " =", "= ", " =\t", "\t= "])
INDENTS = st.sampled_from([" ", "  ", "\t", " \t    "])
BLANKS = st.sampled_from(["", "", " ", "\t", "   "])


@st.composite
def comment(draw: st.DrawFn) -> list[str]:
    mark = draw(st.sampled_from(["#", "# ", ";", "; ", "##", "#\t"]))
    name = draw(st.sampled_from((*NAMES, "")))
    return [mark + name + draw(st.sampled_from([" = ", "=", " ", ""])) + draw(WORDS)]


@st.composite
def assignment(draw: st.DrawFn) -> list[str]:
    value = draw(WORDS | WORDS.map(lambda word: f'"{word}"') | WORDS.map(lambda word: f"'{word}'"))
    more = draw(st.lists(WORDS.filter(str.strip), max_size=2)) if draw(st.integers(0, 3)) == 0 else []
    line = draw(st.sampled_from(NAMES)) + draw(SEPARATORS) + value + draw(st.sampled_from(["", "", " ", "\t"]))
    return [line, *(draw(INDENTS) + word for word in more)]


@st.composite
def block(draw: st.DrawFn) -> list[str]:
    header = f"[{draw(st.sampled_from(SECTIONS))}]" + draw(st.sampled_from(["", "", " "]))
    items = draw(st.lists(comment() | assignment() | assignment() | BLANKS.map(lambda line: [line]), max_size=6))
    return [header, *(line for item in items for line in item)]


@dataclass(frozen=True)
class File:
    text: bytes
    eol: str


@st.composite
def files(draw: st.DrawFn) -> File:
    head = draw(st.lists(comment() | BLANKS.map(lambda line: [line]), max_size=2))
    blocks = draw(st.lists(block(), max_size=5))
    lines = [line for item in (*head, *blocks) for line in item]
    eol = draw(st.sampled_from(["\n", "\r\n", "\n", "\r"]))
    end = draw(st.sampled_from([eol, ""])) if lines else ""
    return File((eol.join(lines) + end).encode(), eol)


OPTIONS = st.tuples(st.sampled_from((*SECTIONS, "new")), st.sampled_from((*NAMES, "new_key")))


@st.composite
def edits(draw: st.DrawFn) -> tuple[File, dict[Option, str | None]]:
    """A file, and changes of which about half are to options that it has."""
    file = draw(files())
    there = sorted(Judge.of(file.text).values)
    options = OPTIONS | st.sampled_from(there) if there else OPTIONS
    changes = draw(st.dictionaries(options, st.none() | WORDS | WORDS, min_size=1, max_size=4))
    assume(len({OSLO.normal(option) for option in changes}) == len(changes))
    return file, changes


def lines_of(text: bytes) -> list[str]:
    return [line.rstrip("\n") for line in io.TextIOWrapper(io.BytesIO(text), encoding="utf-8")]


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(line in rest for line in part)


@EXAMPLES
@given(files())
def test_generated_files_are_read_as_oslo_config_reads_them(file: File) -> None:
    assert values(file.text) == {option: found[-1] for option, found in Judge.of(file.text).values.items()}


@EXAMPLES
@given(edits())
def test_an_edit_changes_what_was_asked_and_nothing_else(edit: tuple[File, dict[Option, str | None]]) -> None:
    file, changes = edit
    wanted = {OSLO.normal(option): value for option, value in changes.items()}
    before = Judge.of(file.text)
    text = OSLO.edit(file.text, changes)
    after = Judge.of(text)

    for option, value in wanted.items():
        assert after.values.get(option, [None])[-1] == value
    kept = {option: found for option, found in before.values.items() if option not in wanted}
    assert {option: found for option, found in after.values.items() if option not in wanted} == kept
    for option in wanted.keys() & before.values.keys():
        assert after.values.get(option, [])[:-1] in ([], before.values[option][:-1])

    assert Counter(after.comments) == Counter(before.comments)
    others = [line for n, line in enumerate(lines_of(file.text)) if before.owner.get(n) not in wanted]
    assert is_subsequence(others, lines_of(text))

    if file.eol.encode() in file.text:
        assert set(re.findall(b"\r\n|\r|\n", text)) <= {file.eol.encode()}
    if file.text and None not in wanted.values():
        assert text.endswith((b"\r", b"\n")) == file.text.endswith((b"\r", b"\n"))
    assert OSLO.edit(text, changes) == text


@EXAMPLES
@given(files())
def test_setting_what_is_effective_already_changes_nothing(file: File) -> None:
    assert OSLO.edit(file.text, dict(values(file.text))) is file.text


@EXAMPLES
@given(st.binary(max_size=60) | st.text(alphabet="[]a=: #;'\"\n\r\t\ufeffé", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_just_as_oslo_config_does(text: bytes) -> None:
    try:
        judged = Judge.of(text)
        accepted = all(section for section, _ in judged.values)
    except Exception:
        accepted = False
    try:
        OSLO.edit(text, {("new", "key"): "value"})
    except Refused:
        assert not accepted
    else:
        assert accepted
