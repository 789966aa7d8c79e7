"""A playbook file -> `Playbook`, or every mistake in it that can be seen without a target."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from recover.marked_yaml import MarkedDict, fail, read
from recover.playbook.checks import CheckReader
from recover.playbook.decode import check_keys
from recover.playbook.head import HEAD_KEYS, Head
from recover.playbook.mistakes import Mistakes
from recover.playbook.model import FINAL, Playbook
from recover.playbook.stages import StageReader

VERSION = "1"
KEYS = (*HEAD_KEYS, "probes", "stages", FINAL)


def load(
    path: Path,
    overrides: Mapping[str, str],
    step_types: Mapping[str, type],
    check_types: Mapping[str, type],
) -> Playbook:
    """The playbook of a file, with `overrides` (from -e NAME=VALUE) as the values of its variables.

    Everything that can be known without a target is checked, and nothing is started. Raises
    PlaybookError that lists the mistakes (the first twenty), UsageError for an override of a
    variable that the playbook does not have.
    """
    tree = read(path)
    _require_header(tree)
    mistakes = Mistakes(str(path))
    with mistakes:
        check_keys(tree, "a playbook", KEYS, ("name", "title", "stages"))
    head = Head(tree, path.parent, mistakes, overrides)
    scope = head.placeholders()
    name, title = head.text("name"), head.text("title")
    objectives, secrets, targets = head.objectives(), head.secrets(scope), head.targets(scope)
    checks = CheckReader(check_types, scope, mistakes)
    stages = StageReader(step_types, checks)
    for key, take_in in (("probes", checks.read_probes), ("stages", stages.read), (FINAL, checks.read_final)):
        with mistakes:
            if key in tree:
                take_in(tree[key])
    mistakes.raise_any()
    return Playbook(
        name=name,
        title=title,
        source=path,
        text=tree.mark.source.text,
        sha256=sha256(tree.mark.source.text.encode()).hexdigest(),
        objectives=objectives,
        targets=targets,
        variables=head.variables,
        secrets=secrets,
        stages=tuple(stages.found),
        final=checks.final,
        where_final=str(tree.key(FINAL).mark) if FINAL in tree else "",
    )


def _require_header(tree: MarkedDict) -> None:
    version = tree.get("recover")
    if version is None:
        raise fail(tree.mark, "this is no playbook: it does not say `recover: 1`", "add the line: recover: 1")
    if version != VERSION:
        hint = "a newer recover, or a playbook of format 1"
        raise fail(version.mark, f"this playbook is of format {version}; this recover reads format {VERSION}", hint)
