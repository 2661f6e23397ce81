"""A stream of bytes becomes lines, whole but for those that are too long."""

import io
import time
from typing import BinaryIO

from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.protocol.lines import HEAD, LongLine, split_lines

LAW = settings(derandomize=True, max_examples=100, deadline=None)


@given(st.lists(st.binary(max_size=8).filter(lambda b: b"\n" not in b)), st.data())
@LAW
def test_lines_are_whole_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    """Chunks of any size give the same lines; the last may lack its newline."""
    stream = b"\n".join(lines) + data.draw(st.sampled_from([b"", b"\n"]))
    chunks = []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, 7))
        chunks.append(stream[at : at + size])
        at += size
    got = [line for group in split_lines(iter(chunks)) for line in group]
    expected = stream.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert got == expected


def test_long_line_is_put_together_once() -> None:
    """A line in twice as many chunks takes about twice as long, not four times."""
    chunks = [b"x" * 65_536] * 640
    began = time.perf_counter()
    (line,) = [line for group in split_lines(iter([*chunks, b"\n"]), None, 10**9) for line in group]
    assert time.perf_counter() - began < 5  # it was half a minute
    assert isinstance(line, bytes)
    assert len(line) == 65_536 * 640


@given(st.lists(st.integers(0, 40)), st.integers(1, 30), st.integers(1, 50), st.booleans())
@LAW
def test_long_lines_are_let_go(sizes: list[int], longest: int, chunk: int, kept: bool) -> None:
    """Those over the limit have their beginning, their size and, where wanted, a file."""
    lines = [bytes([65 + n % 26]) * size for n, size in enumerate(sizes)]
    stream = b"".join(line + b"\n" for line in lines)
    chunks = (stream[at : at + chunk] for at in range(0, len(stream), chunk))
    files: list[BinaryIO] = []

    def keep() -> BinaryIO:
        files.append(io.BytesIO())
        return files[-1]

    found = [
        each for group in split_lines(chunks, keep if kept else None, longest) for each in group
    ]
    assert len(found) == len(lines)
    long = [line for line in lines if len(line) > longest]
    for line, got in zip(lines, found, strict=True):
        if isinstance(got, LongLine):
            assert line in long
            assert got.size == len(line)
            assert line.startswith(got.head)
            assert len(got.head) >= min(longest, HEAD)
            if kept:
                assert got.file is not None
                got.file.seek(0)
                assert got.file.read() == line
        # One that came within a chunk need not be let go: it is there already.
        else:
            assert got == line
            assert len(line) <= max(longest, chunk)
    assert len(files) == (
        len([each for each in found if isinstance(each, LongLine)]) if kept else 0
    )


def test_a_line_without_end_takes_no_memory() -> None:
    """Only its beginning is there while it comes."""
    chunks = (b"x" * 65_536 for _ in range(1_000))
    ((line,),) = split_lines(chunks, None, 1_000_000)
    assert isinstance(line, LongLine)
    assert (len(line.head), line.size) == (HEAD, 65_536_000)
