"""The words of the command line, checked."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recover.choosing import Choice
from recover.errors import UsageError
from recover.journal.places import one_name


def default_state() -> Path:
    """$XDG_STATE_HOME/recover, else ~/.local/state/recover (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "recover"


@dataclass(frozen=True)
class Options:
    """What every command may be told. `ask` is whether a human can be asked."""

    state: Path = field(default_factory=default_state)
    target: str | None = None
    project: str | None = None
    runtime: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    yes: bool = False
    yes_destructive: frozenset[str] = frozenset()
    step_by_step: bool = False
    choice: Choice = field(default_factory=Choice)
    ask: bool = False
    json: bool = False
    trust_owner: bool = False

    @property
    def flags(self) -> str:
        """What a next command needs so that it finds the same runs: " --state-dir …", or ""."""
        return f" --state-dir {shlex.quote(str(self.state))}" if self.state != default_state().absolute() else ""

    @property
    def drill_flags(self) -> str:
        """The same for a command on the replica of a drill."""
        runtime = f" --runtime {shlex.quote(self.runtime)}" if self.runtime else ""
        return f"{runtime}{self.project_flags}"

    @property
    def project_flags(self) -> str:
        """The same for a command that takes a project."""
        return f"{f' --project {shlex.quote(self.project)}' if self.project else ''}{self.flags}"

    @classmethod
    def parse(cls, words: Mapping[str, Any]) -> Options:
        """From a command's parameters. Raises UsageError."""
        return cls(
            state=(words.get("state_dir") or default_state()).expanduser().absolute(),
            target=words.get("target"),
            project=_project(words.get("project")),
            runtime=words.get("runtime"),
            variables=_pairs("-e", words.get("e") or ()),
            faults=_faults(words.get("fault") or ()),
            yes=bool(words.get("yes")),
            yes_destructive=frozenset(words.get("yes_destructive") or ()),
            step_by_step=bool(words.get("step_by_step")),
            choice=Choice(words.get("since"), *(tuple(words.get(name) or ()) for name in ("only", "tags", "skip"))),
            ask=not words.get("no_input") and not words.get("json") and bool(sys.stdin) and sys.stdin.isatty(),
            json=bool(words.get("json")),
            trust_owner=bool(words.get("trust_owner")),
        )


def _project(name: str | None) -> str | None:
    return None if name is None else one_name(name, "a project")


def _pairs(option: str, given: Any) -> dict[str, str]:
    pairs = {}
    for word in given:
        name, equals, value = str(word).partition("=")
        if not equals or not name:
            raise UsageError(f"{option} takes NAME=VALUE, not {word!r}")
        pairs[name] = value
    return pairs


def _faults(given: Any) -> dict[str, str]:
    """NAME=CHOICE, or NAME alone: its choice is then ""."""
    return _pairs("--fault", [word if "=" in word else f"{word}=" for word in map(str, given)])


def span_of(option: str, text: str) -> float:
    """Seconds of a span such as 500ms, 30s, 1m30s. Raises UsageError."""
    from recover.playbook.values import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise UsageError(
            f"{option} takes a span such as 500ms, 2s or 1m30s, of a year at most, not {text!r}", why=str(error)
        ) from None
