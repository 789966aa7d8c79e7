"""A playbook as data: what `load` returns. Nothing here is filled in yet; `bind` does that for one target."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recover import inputs
from recover.errors import Precondition
from recover.marked_yaml import Marked, Scalar
from recover.playbook.decode import decode
from recover.playbook.scope import Asked, Scope, Step, patience
from recover.secrets import Secret
from recover.world import Check, Seconds, Text, Work

if TYPE_CHECKING:
    from recover.playbook.when import When

OnFailure = Literal["stop", "continue", "isolate", "rollback"]
GUARD_EVERY = 2.0  # seconds between two askings of a guarded check
FINAL = "final"
"""The id of the step that the playbook's final checks are."""


@dataclass(frozen=True)
class Objectives:
    """What the recovery aims for: `rto` in seconds from the break to the first proof, `rpo` in rows lost."""

    rto: Seconds | None = None
    rpo: int | None = None


@dataclass(frozen=True)
class ServicesTarget:
    """Where the services run: a runtime, the project's name, the files that describe it."""

    runtime: str
    project: str = ""
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class DatabaseTarget:
    """One database: the service it lives in and how to log in."""

    service: str
    dbname: str
    user: str
    password: Text | None = None
    port: int | None = None


@dataclass(frozen=True)
class Target:
    """One stack the playbook can be run on.

    Until `bind`, secrets and addresses in `databases` are placeholders; service and names are real.
    """

    name: str
    services: ServicesTarget
    databases: Mapping[str, DatabaseTarget]
    tree: Mapping[Scalar, Marked]
    folder: Path

    def bind(self, scope: Scope) -> Target:
        """The target with every `${…}` filled in. Raises what the scope's secrets and services raise."""
        databases = {
            str(name): decode(tree, DatabaseTarget, folder=self.folder, fill=scope.fill, label=name)
            for name, tree in self.tree.items()
        }
        return replace(self, databases=databases)


@dataclass(frozen=True)
class Variable:
    """A variable: what the file says, and the value it has with the overrides of this command."""

    default: Scalar | None
    help: str
    value: Scalar


@dataclass(frozen=True)
class SecretRef:
    """Where a secret is kept: in a file (relative to the playbook's folder) or in an environment variable."""

    name: str
    file: Scalar | None
    env: str | None
    where: str

    def read(self, scope: Scope) -> Secret:
        """The secret; a line break at the end of a file is not part of it. Raises Precondition when it is not there."""
        return Secret(self.name, self._from_file(scope, self.file) if self.file is not None else self._from_env())

    def _from_env(self) -> str:
        value = os.environ.get(self.env or "")
        if not value:
            what = f"secret {self.name} is not set: there is no environment variable {self.env}"
            raise Precondition(what, where=self.where, next=f"export {self.env}=…")
        return value

    def _from_file(self, scope: Scope, file: Scalar) -> str:
        path = scope.folder / str(scope.fill(file))
        try:
            value = inputs.text(path, inputs.SECRET).rstrip("\r\n")
        except OSError as error:
            why = error.strerror or str(error)
            raise Precondition(f"cannot read secret {self.name} from {path}", where=self.where, why=why) from None
        if not value or "\0" in value:
            what = "holds a NUL character" if value else "is empty"
            raise Precondition(f"secret {self.name} {what}: {path}", where=self.where)
        return value


@dataclass(frozen=True)
class CheckSpec:
    """A check as the playbook has it. Times in seconds; `probe` is the name it was written under, or "".

    `services` are those its templates mention, also through variables; `varies` which of item and kept.
    """

    kind: str
    check_type: type
    args: Marked
    within: Seconds | None
    during: Seconds | None
    every: Seconds | None
    probe: str
    where: str
    services: frozenset[str]
    varies: frozenset[str]
    sha256: str

    def bind(self, scope: Scope) -> Asked:
        """The check with its `${…}` filled in. Raises PlaybookError, and what the scope raises."""
        check: Check = decode(self.args, self.check_type, folder=scope.folder, fill=scope.fill, label=self.kind)
        about = check.about | {f"service:{service}" for service in self.services}
        key = self.sha256
        if "item" in self.varies:
            key += f" {scope.item}"
        if "kept" in self.varies:
            key += f" {','.join(scope.kept)}"
        return Asked(check, patience(self.within, self.during, self.every), about, key)


@dataclass(frozen=True)
class StepSpec:
    """A step as the playbook has it, one per item of a for_each (`group` is then the template's id).

    `sha256` is the hash of its content after probes and variables were put in: it does not change with
    the step's place, formatting or comments. `where` is "file:line:column". `on_kept`: what it does depends on
    the items that passed before it.
    """

    id: str
    name: str
    stage: str
    where: str
    kind: str | None = None
    work_type: type | None = None
    args: Marked | None = None
    checks: tuple[CheckSpec, ...] = ()
    done_when: tuple[CheckSpec, ...] = ()
    on_failure: OnFailure = "stop"
    when: When | None = None
    needs: tuple[str, ...] = ()
    warn: str = ""
    group: str | None = None
    item: Scalar | None = None
    repeatable: bool | None = None
    tags: tuple[str, ...] = ()
    guards: tuple[CheckSpec, ...] = ()
    on_kept: bool = False
    sha256: str = ""

    @property
    def supports(self) -> bool:
        """Does it only serve later steps, so that it is never by itself a reason to run?"""
        return bool(getattr(self.work_type, "supports", False))

    def bind(self, scope: Scope) -> Step:
        """The step on one target. A step whose condition is false has nothing to do and nothing to prove.

        Checks are the work's own proofs first, then `done_when` (what it was for), then `check`.
        Raises PlaybookError, and what the scope's secrets and services raise.
        """
        scope = scope.inside(self.item)
        if self.when is not None and not self.when.holds(scope.lookup):
            return Step(self.id, unless=f"its condition is false: {self.when.text}")
        work = self.work(scope)
        done_when = tuple(check.bind(scope) for check in self.done_when)
        checks = tuple(check.bind(scope) for check in self.checks)
        proofs = tuple(self._proof(n, *proof) for n, proof in enumerate(work.proofs())) if work else ()
        guards = {check.probe: _guarded(check.bind(scope), check.every) for check in self.guards}
        return Step(self.id, work, (*proofs, *done_when, *checks), done_when, self._repeatable, guards=guards)

    def work(self, scope: Scope) -> Work | None:
        """What the step does, filled in; None for a pure check."""
        if self.work_type is None or self.args is None:
            return None
        work: Work = decode(self.args, self.work_type, folder=scope.folder, fill=scope.fill, label=self.kind or self.id)
        return work

    @property
    def _repeatable(self) -> bool:
        return bool(getattr(self.work_type, "repeatable", False)) if self.repeatable is None else self.repeatable

    def _proof(self, number: int, check: Check, within: float) -> Asked:
        """A proof's question is that of its data. Data with a secret prints alike for all: such a key is the step's."""
        data = repr(check)
        own = f" {self.id} {number}" if "***" in data else ""
        key = sha256(f"{type(check).__qualname__} {data}{own}".encode()).hexdigest()
        return Asked(check, patience(within, None, None), check.about, key)


def _guarded(asked: Asked, every: float | None) -> Asked:
    """Asked less often than where somebody waits for it, and as the check wants to be asked many times (`guarding`)."""
    check = getattr(asked.check, "guarding", asked.check)
    return replace(asked, check=check, patience=replace(asked.patience, every=every or GUARD_EVERY))


@dataclass(frozen=True)
class Stage:
    """Steps under one headline."""

    name: str
    steps: tuple[StepSpec, ...]


@dataclass(frozen=True)
class Playbook:
    """One playbook file. `text` is the file's text and `sha256` its digest; the first target is the default."""

    name: str
    title: str
    source: Path
    text: str
    sha256: str
    objectives: Objectives
    targets: Mapping[str, Target]
    variables: Mapping[str, Variable]
    secrets: Mapping[str, SecretRef]
    stages: tuple[Stage, ...]
    final: tuple[CheckSpec, ...] = ()
    where_final: str = field(default="", repr=False)

    @property
    def folder(self) -> Path:
        """Where its relative paths begin."""
        return self.source.parent

    @property
    def values(self) -> Mapping[str, Scalar]:
        """The variables' values, as a scope takes them."""
        return {name: variable.value for name, variable in self.variables.items()}

    @property
    def steps(self) -> tuple[StepSpec, ...]:
        """Every step in order; the final checks, if there are any, as the last one."""
        steps = tuple(step for stage in self.stages for step in stage.steps)
        if not self.final:
            return steps
        digest = sha256(" ".join(check.sha256 for check in self.final).encode()).hexdigest()
        last = StepSpec(FINAL, "Final checks", "Final", self.where_final, checks=self.final, sha256=digest)
        return (*steps, last)
