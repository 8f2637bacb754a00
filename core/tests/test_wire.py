"""The frames: whatever the line does to them, what comes out is what went in, or an error."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cephdeploy.frames import CHUNK, HEADER_LIMIT, NOISE_LIMIT, FrameReader, lengths_of
from cephdeploy.wire import WireError, bundle, encode, received

NONCE = b"0123456789abcdef"
frames = st.lists(st.lists(st.binary(max_size=300), max_size=6), max_size=6)
#: Noise that does not hold the nonce; its pieces may stand next to it.
noise = st.one_of(
    st.binary(max_size=80),
    st.integers(0, len(NONCE)).map(lambda count: NONCE[:count]),
    st.sampled_from([b"Last login: today\r\n", NONCE + b"\n", NONCE[:8] + b" 1\n", b"0" * 70]),
).filter(lambda data: NONCE + b" " not in data)


def chunks(data: bytes, sizes: list[int]) -> Callable[[int], bytes]:
    """A line that hands ``data`` over in pieces of ``sizes``, then whole."""
    left = bytearray(data)
    widths = iter(sizes)

    def read(count: int) -> bytes:
        width = min(count, next(widths, count))
        piece = bytes(left[:width])
        del left[:width]
        return piece

    return read


def all_of(reader: FrameReader) -> list[list[bytes]]:
    found = []
    while (fields := reader.frame()) is not None:
        found.append(fields)
    return found


@given(frames, st.lists(st.integers(1, 40), max_size=60))
@example([[b"", NONCE + b" 3\nabc"], []], [1] * 60)
def test_frames_come_out_as_they_went_in_however_the_line_cuts_them(sent: list[list[bytes]], sizes: list[int]) -> None:
    line = b"".join(encode(NONCE, fields) for fields in sent)
    assert all_of(FrameReader(NONCE, chunks(line, sizes))) == sent


@given(st.lists(frames, max_size=3))
@example([[]])
def test_a_host_takes_each_bundle_as_it_was_sent(sent: list[list[list[bytes]]]) -> None:
    line = io.BytesIO(b"".join(bundle(NONCE, [encode(NONCE, fields) for fields in batch]) for batch in sent))
    assert [received(NONCE, line) for _ in sent] == sent
    assert received(NONCE, line) is None


@given(frames, st.integers(min_value=1))
def test_a_host_takes_nothing_of_a_bundle_that_was_cut(sent: list[list[bytes]], cut: int) -> None:
    whole = bundle(NONCE, [encode(NONCE, fields) for fields in sent])
    line = io.BytesIO(whole[: -1 - cut % (len(whole) - 1)])
    with pytest.raises(WireError):
        received(NONCE, line)


@given(frames, st.lists(noise, min_size=7, max_size=7), st.lists(st.integers(1, 40), max_size=60))
def test_noise_before_and_between_frames_is_skipped(
    sent: list[list[bytes]], between: list[bytes], sizes: list[int]
) -> None:
    line = bytearray()
    for fields, before in zip(sent, between, strict=False):
        line += before + encode(NONCE, fields)
    line += between[-1]
    # a piece of noise must not become a nonce with the frame after it
    assert all_of(FrameReader(NONCE, chunks(bytes(line), sizes))) == sent


@given(st.lists(st.one_of(st.binary(max_size=60), st.just(NONCE + b" "), st.just(b"3,4\n"), noise)))
@example([NONCE + b" ", b"9" * 11 + b"\n"])
@example([NONCE + b" -1\n"])
@example([NONCE + b" 1,,1\nab"])
def test_any_bytes_give_frames_or_the_end_or_a_wire_error(pieces: list[bytes]) -> None:
    reader = FrameReader(NONCE, chunks(b"".join(pieces), []), limit=1 << 20)
    try:
        for fields in all_of(reader):
            assert all(type(field) is bytes for field in fields)
    except WireError as error:
        assert "\n" not in str(error)


@given(frames.filter(bool), st.integers(1, 2000))
def test_a_stream_that_ends_inside_a_frame_is_an_error(sent: list[list[bytes]], short: int) -> None:
    last = encode(NONCE, sent[-1])
    kept = last[: -min(short, len(last) - len(NONCE) - 1)]
    if kept == last:
        return
    with pytest.raises(WireError):
        all_of(FrameReader(NONCE, chunks(kept, [])))


def test_a_huge_announced_length_is_refused_before_any_memory_is_taken() -> None:
    reader = FrameReader(NONCE, chunks(NONCE + b" 99999999999\nabc", []), limit=1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match=r"99999999999 bytes is over the limit of 1048576"):
            reader.frame()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_many_lengths_that_are_too_much_together_are_refused() -> None:
    reader = FrameReader(NONCE, chunks(NONCE + b" 600,600\n", []), limit=1000)
    with pytest.raises(WireError, match="over the limit"):
        reader.frame()


def test_a_header_without_an_end_is_refused_and_not_collected_for_ever() -> None:
    endless = FrameReader(NONCE, iter_of(NONCE + b" ", b"1," * (CHUNK // 2)))
    with pytest.raises(WireError, match="does not end"):
        endless.frame()
    assert len(endless.buffer) <= HEADER_LIMIT + 2 * CHUNK


@given(st.lists(st.one_of(frames, st.lists(st.binary(max_size=300), max_size=6))), st.lists(st.integers(1, 40)))
def test_bundles_and_single_frames_come_out_in_their_order(sent: list[Any], sizes: list[int]) -> None:
    """Here a list of lists is a bundle, and a list of byte strings a frame."""
    line, expected = b"", []
    for one in sent:
        if all(isinstance(part, bytes) for part in one):
            line += encode(NONCE, one)
            expected.append(one)
        else:
            line += b"noise" + bundle(NONCE, [encode(NONCE, fields) for fields in one])
            expected += one
    assert all_of(FrameReader(NONCE, chunks(line, sizes))) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no zlib", "is none"),
        (zlib.compress(b"x" * 99)[:-6], "is cut off"),
        (zlib.compress(bytes(1 << 21)), "over the limit"),
        (zlib.compress(bundle(NONCE, [encode(NONCE, [b"inner"])])), "header is none"),
        (zlib.compress(encode(NONCE, [b"short"])[:-1]), "ends inside one"),
        (zlib.compress(encode(NONCE, [b"a"]) + b"noise" + encode(NONCE, [b"b"])), "something else than frames"),
        (zlib.compress(NONCE + b" " + b"1," * HEADER_LIMIT), "something else than frames"),
    ],
)
def test_a_bundle_that_is_none_or_too_large_or_holds_another_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        all_of(FrameReader(NONCE, chunks(b"%b z%d\n%b" % (NONCE, len(data), data), []), limit=1 << 20))


def test_a_reader_whose_line_is_hungry_goes_on_where_it_was() -> None:
    class HungryError(Exception):
        pass

    line = encode(NONCE, [b"a"]) + bundle(NONCE, [encode(NONCE, [b"b", b"c"]), encode(NONCE, [])])
    came: list[bytes] = []

    def read(count: int) -> bytes:
        if not came:
            raise HungryError
        return came.pop()

    reader, found = FrameReader(NONCE, read), []
    for at in range(len(line)):
        came.append(line[at : at + 1])
        with contextlib.suppress(HungryError):
            while (fields := reader.frame()) is not None:
                found.append(fields)
    assert found == [[b"a"], [b"b", b"c"], []]


def test_endless_noise_takes_no_endless_memory_and_its_end_is_kept() -> None:
    pieces = iter([b"x" * CHUNK] * 200 + [b"No such shell\n"])
    reader = FrameReader(NONCE, lambda count: next(pieces, b""))
    assert reader.frame() is None
    assert len(reader.noise) == NOISE_LIMIT
    assert reader.noise.endswith(b"No such shell\n")


@pytest.mark.parametrize("header", [b" ", b"1, 2", b"+1", b"1_0", b"0x1", b"1,", b"\xb2", b"1" * 12])
def test_a_header_holds_plain_numbers_only(header: bytes) -> None:
    with pytest.raises(WireError):
        lengths_of(header)


def iter_of(first: bytes, then: bytes) -> Callable[[int], bytes]:
    """A line that never ends: ``first`` once, and ``then`` for ever."""
    said = [first]
    return lambda count: said.pop() if said else then
