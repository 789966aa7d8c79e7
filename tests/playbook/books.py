"""Playbooks for tests. In a text, ▸ stands before the place where a mistake must be named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent

import pytest
from playbook.kinds import CHECK_TYPES, STEP_TYPES

from recover.errors import PlaybookError
from recover.playbook.load import load
from recover.playbook.model import Playbook

HEAD = """\
recover: 1
name: test
title: A test
"""
TARGET = "target: {services: {runtime: none}}\n"
STEP = "{id: one, name: One, check: [{flag: {passes: true}}]}"


def book(steps: str = "", head: str = TARGET, tail: str = "") -> str:
    """A playbook with these steps (a YAML list) in its only stage."""
    listed = indent(dedent(steps).strip("\n"), "  ") if steps else f"  - {STEP}"
    return f"{HEAD}{dedent(head)}stages:\n- stage: All\n  steps:\n{listed}\n{dedent(tail)}"


def loaded(folder: Path, text: str, overrides: Mapping[str, str] | None = None) -> Playbook:
    """The playbook of the text."""
    path = folder / "playbook.yml"
    path.write_text(text)
    return load(path, overrides or {}, STEP_TYPES, CHECK_TYPES)


def refused(folder: Path, marked: str, overrides: Mapping[str, str] | None = None) -> PlaybookError:
    """The error the text is refused with; its place must be where ▸ stands."""
    before, marker, _ = marked.partition("▸")
    text = marked.replace("▸", "")
    with pytest.raises(PlaybookError) as caught:
        loaded(folder, text, overrides)
    line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    assert not marker or caught.value.where == f"{folder / 'playbook.yml'}:{line}:{column}", str(caught.value)
    return caught.value
