"""The README says what is: its commands exist, its lists are the tables, its exit codes are the classes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from recover import errors
from recover.checks import CHECK_TYPES
from recover.steps import STEP_TYPES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"^\$ (recover [^#\n]*|make [^#\n]*)", README, re.MULTILINE)))


def help_of(words: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "recover", *words, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("recover")])
def test_each_command_of_the_readme_is_one_that_recover_knows(command: str) -> None:
    words = shlex.split(command)[1:]
    path = words[:2] if words[0] in ("drill", "enums") else words[:1]
    shown = help_of(path)
    assert all(word.split("=")[0] in shown for word in words if word.startswith("-"))
    assert all((ROOT / word).exists() for word in words if "/" in word)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_each_make_target_of_the_readme_exists(command: str) -> None:
    assert f"\n{command.split()[1]}:" in (ROOT / "Makefile").read_text()


def test_the_two_commands_are_on_the_first_screen() -> None:
    first = "\n".join(README.splitlines()[:25])
    assert "$ make drill" in first
    assert "$ make test" in first


def test_every_command_is_mentioned() -> None:
    shown = help_of([]).partition("Commands:")[2]
    for name in re.findall(r"^  (\w+)", shown, re.MULTILINE):
        assert f"recover {name}" in README, name


@pytest.mark.parametrize("table", [STEP_TYPES, CHECK_TYPES])
def test_steps_and_checks_are_listed_as_they_are_in_the_tables(table: dict[str, type]) -> None:
    listed = re.search(r"Steps: (.*?)\. Checks: (.*?);", README, re.DOTALL)
    assert listed
    names = re.findall(r"`([^`]+)`", listed.group(1 if table is STEP_TYPES else 2))
    assert names == list(table)


def test_every_exit_code_is_in_the_table() -> None:
    codes = {getattr(error, "exit_code", 0) for error in vars(errors).values() if isinstance(error, type)}
    table = {int(n) for row in re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE) for n in row.split(",")}
    assert codes <= table
    assert {0, 3, 4, 143} <= table
