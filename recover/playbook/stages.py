"""Reading `stages`: steps, each with its action, its checks and what they must be together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from recover.marked_yaml import Marked, MarkedDict, MarkedList, Scalar, did_you_mean, fail
from recover.playbook.checks import CheckReader, only, part
from recover.playbook.decode import check_keys, decode
from recover.playbook.digest import Known, as_name, digest, refuse
from recover.playbook.mistakes import Mistakes
from recover.playbook.model import FINAL, OnFailure, Stage, StepSpec
from recover.playbook.scope import Scope
from recover.playbook.values import misfit

if TYPE_CHECKING:
    from recover.playbook.when import When

ID = re.compile(r"[a-z][a-z0-9_-]*")
_ITEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@/-]*")


@dataclass(frozen=True)
class StepKeys:
    """The keys of a step beside its action and the lists of checks, with what they mean."""

    id: str
    name: str
    on_failure: OnFailure = "stop"
    when: str | None = None
    needs: tuple[str, ...] = ()
    for_each: tuple[str, ...] = ()
    warn: str = ""
    repeatable: bool | None = None
    tags: tuple[str, ...] = ()


def blind(work_type: type) -> bool:
    """Can such a step not see its own outcome? Its type says so; one that does not say is not repeated either."""
    return not getattr(work_type, "repeatable", False)


STEP_KEYS = tuple(StepKeys.__dataclass_fields__)
CHECK_LISTS = ("check", "done_when")
GUARD = "guard"


@dataclass
class StageReader:
    """Reads stages and their steps, notes mistakes and goes on."""

    types: Mapping[str, type]
    checks: CheckReader
    found: list[Stage] = field(default_factory=list)
    ids: dict[Scalar, tuple[str, ...]] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """Placeholders for what only a run knows."""
        return self.checks.scope

    @property
    def mistakes(self) -> Mistakes:
        """Where mistakes are noted."""
        return self.checks.mistakes

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return self.scope.folder

    def read(self, node: Marked) -> None:
        """Take in `stages`, in order; what has a mistake is left out and noted."""
        if not isinstance(node, MarkedList) or not node:
            raise misfit(node, "stages", "a list of one or more stages")
        for entry in node:
            with self.mistakes:
                tree = check_keys(entry, "a stage", ("stage", "steps"), ("stage", "steps"))
                name = decode(tree["stage"], str, folder=self.folder, label="stage")
                self.found.append(Stage(name, self._steps(tree["steps"], name)))

    def _steps(self, node: Marked, stage: str) -> tuple[StepSpec, ...]:
        if not isinstance(node, MarkedList):
            raise misfit(node, "steps", "a list of steps")
        found: list[StepSpec] = []
        for entry in node:
            with self.mistakes:
                found += self.step(entry, stage)
        return tuple(found)

    def step(self, node: Marked, stage: str) -> list[StepSpec]:
        """One step, or one per item of its for_each."""
        tree = check_keys(node, "a step", (*STEP_KEYS, *self.types, *CHECK_LISTS, GUARD), ("id", "name"))
        keys = decode(part(tree, STEP_KEYS), StepKeys, folder=self.folder, label="a step")
        items = _items(tree.get("for_each"))
        self._register(tree["id"], items)
        self.checks.times = len(items) or 1
        self.checks.spend(tree)
        action = only(tree, self.types, "a step", "action")
        _require_sense(tree, keys, action, cannot_see=action is not None and blind(self.types[action]))
        spec = StepSpec(
            id=keys.id,
            name=keys.name,
            stage=stage,
            where=str(tree.mark),
            kind=str(action) if action else None,
            work_type=self.types[action] if action else None,
            args=tree[action] if action else None,
            checks=self.checks.checks(tree["check"], "check") if "check" in tree else (),
            done_when=self.checks.checks(tree["done_when"], "done_when") if "done_when" in tree else (),
            on_failure=keys.on_failure,
            when=_when(_scalar(tree["when"])) if keys.when else None,
            needs=self._needs(tree["needs"], keys.id) if keys.needs else (),
            repeatable=keys.repeatable,
            tags=keys.tags,
            guards=self.checks.guards(tree[GUARD]) if GUARD in tree else (),
            on_kept=action is not None and "kept" in Known(self.scope.variables, as_name).mentioned(tree[action]),
        )
        steps = [self._finished(spec, tree, item) for item in items or (None,)]
        for step in steps:
            self._prove(step)
        return steps

    def _finished(self, spec: StepSpec, tree: MarkedDict, item: Scalar | None) -> StepSpec:
        """The step with what can be filled in now, and its hash."""
        known = Known(self.scope.variables, refuse, item)
        name, warn = (
            decode(tree[key], str, folder=self.folder, fill=known.fill, label=key) if key in tree else ""
            for key in ("name", "warn")
        )
        group = spec.id if item is not None else None
        own = f"{group}[{item}]" if group else spec.id
        step = replace(spec, id=own, name=name, warn=warn, group=group, item=item)
        return replace(step, sha256=_hash(step, Known(self.scope.variables, as_name)))

    def _register(self, name: Marked, items: tuple[Scalar, ...]) -> None:
        name = _scalar(name)
        if not ID.fullmatch(name) or name == FINAL:
            hint = "that is the final checks' own" if name == FINAL else "small letters, digits, - and _"
            raise fail(name.mark, f"{str(name)!r} cannot be the id of a step", hint)
        if name in self.ids:
            line = next(known.mark.line for known in self.ids if known == name)
            raise fail(name.mark, f"there is already a step {str(name)!r}, on line {line}")
        self.ids[name] = tuple(f"{name}[{item}]" for item in items) or (str(name),)

    def _needs(self, node: Marked, own: str) -> tuple[str, ...]:
        """The ids of the steps needed; the id of a for_each stands for all of its steps."""
        assert isinstance(node, MarkedList)  # noqa: S101 - StepKeys has read it
        found: list[str] = []
        for need in map(_scalar, node):
            if need not in self.ids or need == own:
                hint = did_you_mean(need, (known for known in self.ids if known != own))
                raise fail(need.mark, f"there is no step {str(need)!r} before this one", hint)
            found += self.ids[need]
        return tuple(found)

    def _prove(self, step: StepSpec) -> None:
        """Fill the step in with placeholders: what cannot be done now cannot be done in the night either."""
        scope = replace(self.scope, item=step.item, kept=(step.item,) if step.item is not None else ())
        with self.mistakes:
            step.work(scope)
        with self.mistakes:
            _ = step.when and step.when.holds(scope.lookup)
        self.checks.prove((*step.done_when, *step.checks), scope)


def _require_sense(tree: MarkedDict, keys: StepKeys, action: Scalar | None, *, cannot_see: bool) -> None:
    """What the keys of a step must be together."""
    if action is None and not tree.get("check"):
        raise fail(tree.mark, f"step {keys.id} does nothing: it has neither an action nor a check")
    if action is None and "done_when" in tree:
        raise fail(tree.key("done_when").mark, "done_when is for a step with an action", "write check instead")
    if action is not None and cannot_see and not tree.get("done_when"):
        raise fail(
            action.mark,
            f"{action} needs done_when: it cannot see its own outcome, so after a crash nobody could tell",
            "add done_when: [a check that is true once it has run]",
        )
    if keys.on_failure in ("isolate", "rollback") and cannot_see:
        raise fail(
            tree["on_failure"].mark, f"on_failure: {keys.on_failure} cannot be kept: nothing takes {action} back"
        )
    if keys.on_failure == "isolate" and action is None:
        raise fail(tree["on_failure"].mark, "on_failure: isolate is for a step that does something: it is left off")


def _when(condition: Scalar) -> When:
    from recover.playbook.when import parse

    return parse(condition)


def _items(node: Marked | None) -> tuple[Scalar, ...]:
    if node is None:
        return ()
    if not isinstance(node, MarkedList) or not node:
        raise misfit(node, "for_each", "a list of one or more items")
    items: list[Scalar] = []
    for item in map(_scalar, node):
        if not _ITEM.fullmatch(item):
            hint = "letters, digits and _ . @ / - only: it names a step"
            raise fail(item.mark, f"{str(item)!r} cannot be an item", hint)
        if item in items:
            raise fail(item.mark, f"the item {str(item)!r} is there twice")
        items.append(item)
    return tuple(items)


def _hash(step: StepSpec, known: Known) -> str:
    """The hash of what the step says; an item's own hash does not change with the other items."""
    keys = ("id", "name", "warn", "kind", "item", "needs", "on_failure", "repeatable")
    data: dict[str, object] = {key: getattr(step, key) for key in keys}
    data["when"] = step.when.text if step.when else None
    data["args"] = known.plain(step.args) if step.args is not None else None
    for key, checks in (("check", step.checks), ("done_when", step.done_when)):
        data[key] = [[check.sha256, check.within, check.during, check.every] for check in checks]
    if step.guards:  # a step without one keeps the hash it had before there were guards
        data[GUARD] = [[check.probe, check.sha256, check.within, check.every] for check in step.guards]
    return digest(data)


def _scalar(node: Marked) -> Scalar:
    if not isinstance(node, Scalar):
        raise misfit(node, "this", "text")
    return node
