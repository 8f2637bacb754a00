"""Files as they travel: as what differs, and not at all where both ends know them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cephdeploy.contents import Contents, digest_of, packed, unpacked
from cephdeploy.delta import delta
from cephdeploy.payload import batches, files, reading, writing
from cephdeploy.protocol import Batch
from cephdeploy.requests import Chain, Chained, Group, Look, Request, Seen, Write
from cephdeploy.wire import WireError

LINES = st.lists(
    st.sampled_from([b"[DEFAULT]\n", b"# text\n", b"\n", b"a = 1\n", b"b = 2", b"\r", b"\xff\n"]), max_size=40
)
TEXTS = LINES.map(b"".join)


@given(TEXTS | st.binary(), TEXTS | st.binary())
@example(b"", b"")
@example(b"a\n", b"")
@example(b"", b"a\n")
def test_a_difference_makes_the_new_text_of_the_old_one(old: bytes, new: bytes) -> None:
    assert writing.patched(old, delta(old, new)) == new


def test_some_lines_in_a_long_file_travel_alone() -> None:
    old = b"".join(b"# option %d\n#option_%d = 1\n" % (number, number) for number in range(2000))
    new = old.replace(b"#option_500 = 1\n", b"#option_500 = 1\noption_500 = 2\n").replace(b"#option_1999 = 1\n", b"")
    assert writing.patched(old, delta(old, new)) == new
    assert len(delta(old, new)) < 100


@given(st.binary(max_size=4000), st.none() | TEXTS)
def test_a_content_is_unpacked_as_it_was_packed(content: bytes, old: bytes | None) -> None:
    field = packed(content, old)
    there = writing.unpacked(field, "/no/such/file", digest_of(b"").encode())
    assert there == content or field[:1] == b"d"
    if field[:1] != b"d":
        assert unpacked(field) == content


@pytest.mark.parametrize("field", [b"", b"?", b"d0:1"])
def test_what_is_no_content_is_refused(field: bytes) -> None:
    with pytest.raises(WireError):
        unpacked(field)


def test_some_contents_of_a_path_are_remembered_and_the_oldest_let_go() -> None:
    contents = Contents()
    for number in range(9):
        contents.saw("/f", str(number), b"%d" % number)
    contents.saw("/f", "6", b"6")
    assert list(contents.at("/f")) == ["6", "8", "7", "5"]
    assert contents.at("/g") == {}


# a batch and the payload, as one


def carried(contents: Contents, *groups: Group) -> tuple[int, list[list[object]]]:
    """The answers, and the bytes that came up for them."""
    batch = Batch(groups, contents)
    files.TOLD.clear()
    said = {}
    for fields in batch.parcel.frames:
        if fields[0] != b"group":
            status, answer = batches.doer(fields[1])(list(fields[3:]))
            said[fields[0]] = (fields[0], b"%d" % status, *answer)
    return sum(len(field) for answer in said.values() for field in answer), [list(one) for one in batch.answers(said)]


def asked(contents: Contents, *requests: Request) -> tuple[int, list[object]]:
    bytes_, (answers,) = carried(contents, Group(requests=requests))
    return bytes_, answers


root = pytest.mark.skipif(os.geteuid() != 0, reason="the payload runs as root")


def test_a_file_that_one_host_has_shown_does_not_come_from_the_next(tmp_path: Path) -> None:
    path, content, contents = tmp_path / "nova.conf", os.urandom(4000), Contents()
    path.write_bytes(content)
    first, (seen,) = asked(contents, Look(path=str(path), content=True))
    again, (same,) = asked(contents, Look(path=str(path), content=True))
    assert isinstance(seen, Seen) and seen == same and seen.content == content
    assert first > 4000 > 400 > again
    path.write_bytes(b"other")
    _, (other,) = asked(contents, Look(path=str(path), content=True))
    assert isinstance(other, Seen) and other.content == b"other"


def test_one_file_comes_once_in_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, content = tmp_path / "nova.conf", os.urandom(4000)
    path.write_bytes(content)
    monkeypatch.setattr(reading, "shown", lambda unit: {})
    chain = Chain(unit="nova-compute.service", path=str(path), project="nova", default=(str(path),))
    came, (seen, chained) = asked(Contents(), Look(path=str(path), content=True), chain)
    assert isinstance(seen, Seen) and seen.content == content
    assert chained == Chained(files=((str(path), content),))
    assert came < 5000


@root
def test_what_was_written_is_not_sent_back_and_of_a_long_file_goes_what_differs(tmp_path: Path) -> None:
    path, contents = tmp_path / "nova.conf", Contents()
    old = b"".join(b"%d %s\n" % (number, os.urandom(20).hex().encode()) for number in range(1000))
    path.write_bytes(old)
    asked(contents, Look(path=str(path), content=True))
    new = old.replace(b"\n500 ", b"\na = b\n500 ")
    write = Write(path=str(path), content=new, mode=0o640, owner="root", group="root", expect=digest_of(old))
    assert sum(map(len, Batch([Group(requests=(write,))], contents).parcel.frames[1])) < 400
    came, (_, seen) = asked(contents, write, Look(path=str(path), content=True))
    assert isinstance(seen, Seen) and seen.content == new == path.read_bytes()
    assert came < 400


@root
def test_a_difference_to_a_file_that_is_another_by_now_is_refused(tmp_path: Path) -> None:
    path, contents = tmp_path / "f", Contents()
    old = b"a line\n" * 100
    path.write_bytes(old)
    asked(contents, Look(path=str(path), content=True))
    path.write_bytes(b"another hand's\n")
    write = Write(path=str(path), content=old + b"b\n", mode=0o640, owner="root", group="root", expect=digest_of(old))
    _, (refused,) = asked(contents, write)
    assert getattr(refused, "status", 0) == 75
    assert path.read_bytes() == b"another hand's\n"
