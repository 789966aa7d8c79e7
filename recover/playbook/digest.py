"""What can be said of a tree without a target: the names in it, and a hash of what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from recover.marked_yaml import Marked, Scalar, core, fail
from recover.playbook.template import Expansion, Filled, Name, fill, names


def as_name(name: Name, used: Name) -> Filled:
    """The name itself, as text: for a hash, which is the same wherever the playbook runs."""
    return Scalar(str(name), used.within, plain=False)


def refuse(name: Name, used: Name) -> Filled:
    """Raises PlaybookError: for places that are read before there is a target."""
    inside = "" if name == used else f" (it is in {used})"
    raise fail(used.mark, f"{name} may not be used here{inside}", "variables may, and ${item} inside for_each")


@dataclass(frozen=True)
class Known:
    """The names whose values stand in the file: variables and, inside a for_each, the item.

    `other` says what any other name is; it is told the name and the one it was used through.
    """

    variables: Mapping[str, Scalar]
    other: Callable[[Name, Name], Filled]
    item: Scalar | None = None

    def _value(self, name: Name, used: Name) -> Filled:
        return self.item if name.text == "item" and self.item is not None else self.other(name, used)

    def fill(self, scalar: Scalar) -> Filled:
        """The scalar with these names replaced."""
        return fill(scalar, Expansion(self.variables, self._value).lookup) if "${" in scalar else scalar

    def mentioned(self, tree: Marked) -> frozenset[str]:
        """Every name in the tree, and in the variables it names."""
        found: set[str] = set()
        todo = [name.text for name in names(tree)]
        while todo:
            if (name := todo.pop()) not in found:
                found.add(name)
                todo += [inner.text for inner in names(self.variables[name])] if name in self.variables else []
        return frozenset(found)

    def plain(self, node: Marked) -> object:
        """The tree as plain data: places, comments, kinds of quotes and the order of keys do not show."""
        if isinstance(node, dict):
            return {str(key): self.plain(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.plain(value) for value in node]
        filled = self.fill(node)
        return core(filled) if isinstance(filled, Scalar) else str(filled)


def digest(data: object) -> str:
    """The SHA-256 of plain data, in hexadecimal."""
    return sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
