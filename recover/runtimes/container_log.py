"""The log of a container as the engine streams it: taken piece by piece, so that a long one costs no memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

HEADER = 8  # bytes before each frame: which stream, three of nothing, four for its length, the highest first
LONGEST = 64 * 1024  # bytes; a longer line is given in parts


def lines(pieces: Iterable[bytes], *, framed: bool) -> Iterator[str]:
    """Its lines. Bytes that are not UTF-8 become U+FFFD.

    `framed`: the container has no terminal (Docker Engine API, "Attach to a container", stream format).
    """
    rest = b""
    for payload in _payloads(pieces) if framed else pieces:
        *whole, rest = (rest + payload).split(b"\n")
        for line in whole:
            yield from _parts(line.rstrip(b"\r"))
        if len(rest) >= LONGEST:
            yield from _parts(rest)
            rest = b""
    if rest:
        yield from _parts(rest)


def _payloads(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What the frames carry. One that breaks off is given as far as it came."""
    held = b""
    for piece in pieces:
        held += piece
        at = 0
        while len(held) >= (begins := at + HEADER):
            end = begins + int.from_bytes(held[begins - 4 : begins], "big")
            if len(held) < end:
                break
            yield held[begins:end]
            at = end
        held = held[at:]
    if len(held) > HEADER:
        yield held[HEADER:]


def _parts(line: bytes) -> Iterator[str]:
    for at in range(0, len(line) or 1, LONGEST):
        yield line[at : at + LONGEST].decode(errors="replace")
