"""The product of a command goes to stdout, what it is about to do to stderr."""

from __future__ import annotations

import json
import sys


def say(*lines: str) -> None:
    """Lines for humans."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def say_json(value: object) -> None:
    """The same for machines."""
    say(json.dumps(value, ensure_ascii=False))


def note(line: str) -> None:
    """A line of progress: a look at a busy stack can take seconds, and must not be silence."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
