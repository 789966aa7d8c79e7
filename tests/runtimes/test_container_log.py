from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recover.runtimes.container_log import LONGEST, lines

TEXT = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30), max_size=20)


def framed(said: bytes, sizes: list[int]) -> bytes:
    """As the engine frames it: pieces of these sizes, in turn from stdout and stderr."""
    out, at = b"", 0
    for n, size in enumerate([*sizes, len(said)]):
        part = said[at : at + size]
        out += bytes([1 + n % 2, 0, 0, 0]) + len(part).to_bytes(4, "big") + part
        at += size
    return out


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(TEXT, st.lists(st.integers(0, 40), max_size=30), st.integers(1, 50), st.sampled_from(["\n", "\r\n"]))
def test_the_lines_are_the_same_however_they_are_framed_and_cut(
    said: list[str], sizes: list[int], size: int, end: str
) -> None:
    whole = "".join(line + end for line in said).encode()
    assert list(lines(cut(framed(whole, sizes), size), framed=True)) == said
    assert list(lines(cut(whole, size), framed=False)) == said


def test_a_last_line_without_an_end_and_a_frame_that_breaks_off_are_given_as_far_as_they_came() -> None:
    assert list(lines([framed(b"one\ntwo", [])[:-1]], framed=True)) == ["one", "tw"]
    assert list(lines([b"one\n\ntwo"], framed=False)) == ["one", "", "two"]
    assert list(lines([b"\x01\x00\x00\x00\x00"], framed=True)) == []
    assert list(lines([b"\xff\xfe\n"], framed=False)) == ["��"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\nnext"])
def test_a_line_without_end_is_given_in_parts(end: bytes) -> None:
    size = 2 * LONGEST + 10
    for step in (100, 16 * 1024, 10 * LONGEST):
        found = list(lines(cut(b"x" * size + end, step), framed=False))
        assert max(map(len, found)) <= LONGEST
        assert "".join(found).removesuffix("next") == "x" * size
    assert list(lines([framed(b"x" * size, [size])], framed=True)) == ["x" * LONGEST] * 2 + ["x" * 10]


def test_a_line_that_never_ends_is_not_waited_for() -> None:
    pieces = iter([b"x" * 1024] * 1000)
    next(lines(pieces, framed=False))
    assert len(list(pieces)) >= 1000 - LONGEST // 1024 - 1
