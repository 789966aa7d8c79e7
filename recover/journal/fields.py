"""What a record must hold so that it can be read: the fields of its event, each of its type.

A chain of hashes shows that nobody changed a record who cannot compute a hash. It does not show that a run wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from recover import plain
from recover.events import Event

_EVENTS: Mapping[str, type] = {event.__name__: event for event in get_args(Event)}


def fault(event: object, data: object) -> str:
    """What keeps the record from being read, or "". An event that this version does not know is passed over, as a
    field is that it does not know; a field that an older version did not keep may be missing where it has a default.
    """
    if not isinstance(event, str) or not isinstance(data, dict):
        return "it holds no event with fields"
    if event not in _EVENTS:
        return ""
    try:
        plain.load(_EVENTS[event], _of_this_version(_EVENTS[event], data))
    except ValueError as error:
        return str(error)
    return ""


def _of_this_version(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    known = {}
    for name, hint in _hints(kind).items():
        if name in data:
            inner = is_dataclass(hint) and isinstance(data[name], dict)
            known[name] = _of_this_version(hint, data[name]) if inner else data[name]
    return known


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
