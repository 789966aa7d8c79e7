"""Tables of types whose modules are imported only when the type is asked for (start-up budget)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module


class Table(Mapping[str, type]):
    """Key -> type, written down as "package.module:Class"."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, key: str) -> type:
        module, _, name = self._places[key].partition(":")
        found: type = getattr(import_module(module), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
