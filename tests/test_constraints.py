"""constraints.txt pins whatever pyproject.toml asks for, and says nothing about where it comes from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PINS = (ROOT / "constraints.txt").read_text()


def asked_for() -> list[Requirement]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = []
    for words in told["project"]["optional-dependencies"].values():
        extras += words
    every = [*told["build-system"]["requires"], *told["project"]["dependencies"], *extras]
    return [Requirement(word) for word in every]


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    pinned = {}
    for line in PINS.splitlines():
        if not line.startswith("#"):
            pin = Requirement(line)
            [exact] = pin.specifier
            assert exact.operator == "==", line
            pinned[pin.name.lower()] = exact.version
    for asked in asked_for():
        assert asked.name.lower() in pinned, "not pinned: make lock"
        assert asked.specifier.contains(pinned[asked.name.lower()]), "make lock"


def test_no_host_is_named() -> None:
    assert not re.findall(r"://|--|@", PINS)
