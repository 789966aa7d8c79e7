"""The product of a command goes to stdout, what it is about to do to stderr."""

from __future__ import annotations

import json
import sys

from recover.visible import block


def say(*lines: str) -> None:
    """Lines for humans; what other systems put into them cannot pass for a line of ours, or command the terminal."""
    sys.stdout.write("".join(f"{block(line)}\n" for line in lines))


def say_json(value: object) -> None:
    """The same for machines, in ASCII: a terminal that it is looked at on obeys none of it."""
    sys.stdout.write(f"{json.dumps(value)}\n")


def say_file(text: str) -> None:
    """What is a file, or another program's input: as it is in a pipe, and as `say` shows it on a terminal."""
    if sys.stdout.isatty():
        say(*text.splitlines())
    else:
        sys.stdout.write(f"{text.rstrip()}\n")


def note(line: str) -> None:
    """A line of progress: a look at a busy stack can take seconds, and must not be silence."""
    sys.stderr.write(f"{block(line)}\n")
    sys.stderr.flush()
