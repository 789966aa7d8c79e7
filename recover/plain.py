"""Frozen dataclasses out of the plain data that a journal kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def load(cls: type[T], data: object) -> T:
    """The object of that dataclass whose fields are these. Raises ValueError for data of another shape."""
    loaded: T = _value(cls, data, cls.__name__)
    return loaded


def _value(kind: Any, data: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _dataclass(kind, data, where)
    if origin in (Union, UnionType):
        return _one_of(inner, data, where)
    if origin is tuple:
        return _tuple(inner, data, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _value(inner[1], value, f"{where}.{key}") for key, value in _of(dict, data, where).items()}
    return _scalar(kind, data, where)


def _scalar(kind: Any, data: Any, where: str) -> Any:
    if get_origin(kind) is Literal:
        return data if data in get_args(kind) else _of((), data, where)
    if kind is datetime:
        return datetime.fromisoformat(_of(str, data, where))
    if kind is float:
        return _float(_of((int, float), data, where), where)
    return data if kind in (Any, object) else _of(kind, data, where)


def _float(number: float, where: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ValueError(f"{where} is too large a number") from None


def _dataclass(kind: Any, data: Any, where: str) -> Any:
    hints, given = _hints(kind), dict(_of(dict, data, where))
    if unknown := given.keys() - {field.name for field in fields(kind)}:
        raise ValueError(f"{where} has no {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: _value(hints[name], value, f"{where}.{name}") for name, value in given.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


def _tuple(inner: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    items = _of(list, data, where)
    kinds = [inner[0]] * len(items) if inner[1:] == (...,) else list(inner)
    if len(kinds) != len(items):
        raise ValueError(f"{where} has {len(items)} items, not {len(kinds)}")
    return tuple(_value(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(kinds, items, strict=True)))


def _one_of(kinds: tuple[Any, ...], data: Any, where: str) -> Any:
    for kind in kinds:
        try:
            return _value(kind, data, where)
        except ValueError:
            continue
    raise ValueError(f"{where} cannot be {data!r}")


def _of(kind: Any, data: Any, where: str) -> Any:
    if kind is None:
        kind = type(None)
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise ValueError(f"{where} cannot be {data!r}")
    return data


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
