"""The expected file, read and written; `recover.enums.expected` shows its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recover.enums.expected import Expected, Labels, Member
from recover.marked_yaml import read as read_yaml
from recover.playbook.decode import decode


@dataclass(frozen=True)
class File:
    """The keys of the file."""

    types: Mapping[str, Labels] = field(default_factory=dict)
    map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    columns: Mapping[str, Labels] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)


def read(path: Path) -> Expected:
    """What the file says is expected. Raises PlaybookError, at the place, for what is no such file."""
    file = decode(read_yaml(path), File, folder=path.parent)
    return Expected(file.types, file.map, file.columns, file.members, source=str(path))


def text(expected: Expected) -> str:
    """The file for it. Every label that YAML 1.1 or 1.2 could take for something else is quoted."""
    import yaml

    value = {
        "types": {name: list(labels) for name, labels in expected.types.items()},
        "map": {name: dict(labels) for name, labels in expected.map.items()},
        "columns": {name: list(labels) for name, labels in expected.columns.items()},
        "members": {name: _member(member) for name, member in expected.members.items()},
    }
    kept = {key: part for key, part in value.items() if part or key == "types"}
    head = [f"# {line}" for line in (f"from {expected.source}" if expected.source else "", *expected.notes) if line]
    body = yaml.dump(kept, Dumper=_dumper(), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    return "\n".join([*map(_on_one_line, head), body])


def _dumper() -> Any:
    """PyYAML's, but for line breaks of any kind: it would write some where the format folds them to a space."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def as_text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if value.isprintable() else '"')

    Dumper.add_representer(str, as_text)
    return Dumper


def _on_one_line(comment: str) -> str:
    return "".join(char if char.isprintable() else " " for char in comment)


def _member(member: Member) -> dict[str, Any]:
    told = asdict(member)
    told["labels"] = list(member.labels)
    told["pairs"] = dict(member.pairs)
    unsaid: tuple[object, ...] = ("", {}, None)
    return {key: value for key, value in told.items() if value not in unsaid and (key, value) != ("certain", True)}
