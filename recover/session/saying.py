"""The product of a command goes to stdout."""

from __future__ import annotations

import json
import sys


def say(*lines: str) -> None:
    """Lines for humans."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def say_json(value: object) -> None:
    """The same for machines."""
    say(json.dumps(value, ensure_ascii=False))
