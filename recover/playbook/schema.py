"""The JSON Schema of the playbook format (draft 2020-12), for editors: the same type hints, printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any

from recover.playbook.checks import CheckKeys
from recover.playbook.decode import Field, Items, Optionally, Record, Table, shape_of
from recover.playbook.head import ObjectiveKeys, SecretKeys, TargetKeys, VariableKeys
from recover.playbook.load import KEYS, VERSION
from recover.playbook.model import FINAL
from recover.playbook.stages import CHECK_LISTS, GUARD, ID, StepKeys, blind
from recover.playbook.values import DURATION, Choice, FilePath, Shape, Sql, TextOrSecret, Value

Json = dict[str, Any]
TEMPLATE: Json = {"type": "string", "pattern": r"\$\{[^{}]*\}"}
TEXT: Json = {"type": ["string", "number", "boolean"]}
"""An editor reads 15 or true as a number or a boolean; where the format wants text, it is text as written."""


def schema(step_types: Mapping[str, type], check_types: Mapping[str, type]) -> Json:
    """The schema of a playbook with these step types and checks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "recover playbook",
        "type": "object",
        "additionalProperties": False,
        "required": ["recover", "name", "title", "stages"],
        "oneOf": [{"required": ["target"]}, {"required": ["targets"]}],
        "properties": {key: _top(key) for key in KEYS},
        "$defs": {
            "stage": _closed({"stage": TEXT, "steps": _list("step")}, ("stage", "steps")),
            "step": _step(step_types),
            "check": _check(check_types, probe=True),
            "question": _check(check_types, probe=False),
        },
    }


def _top(key: str) -> Json:
    of = {
        "recover": {"const": int(VERSION)},
        "objectives": _of(ObjectiveKeys),
        "target": _of(TargetKeys),
        "targets": _table(_of(TargetKeys)),
        "variables": _table({"anyOf": [TEXT, _of(VariableKeys)]}),
        "secrets": _table(_of(SecretKeys)),
        "probes": _table({"$ref": "#/$defs/question"}),
        "stages": {**_list("stage"), "minItems": 1},
        FINAL: _list("check"),
    }
    return of.get(key, TEXT)


def _step(types: Mapping[str, type]) -> Json:
    own = {field.key: of_shape(field.shape) for field in _record(StepKeys).fields}
    own["id"] = {"type": "string", "pattern": f"^{ID.pattern}$"}
    actions = {kind: _of(work) for kind, work in types.items()}
    any_action = [{"required": [kind]} for kind in types]
    lists = {**{key: _list("check") for key in CHECK_LISTS}, GUARD: {"type": "array", "items": _guard()}}
    step = _closed({**own, **actions, **lists}, ("id", "name"))
    step["oneOf"] = [*any_action, {"required": ["check"], "not": {"anyOf": any_action}}]
    step["dependentRequired"] = {kind: ["done_when"] for kind, work in types.items() if blind(work)}
    return step


def _guard() -> Json:
    times = {field.key: of_shape(field.shape) for field in _record(CheckKeys).fields if field.key != "during"}
    return {"anyOf": [{"type": "string"}, _closed({"probe": {"type": "string"}, **times}, ("probe",))]}


def _check(types: Mapping[str, type], *, probe: bool) -> Json:
    times = {field.key: of_shape(field.shape) for field in _record(CheckKeys).fields}
    kinds = {"probe": {"type": "string"}} if probe else {}
    kinds |= {kind: _of(check) for kind, check in types.items()}
    return {**_closed({**kinds, **times}, ()), "oneOf": [{"required": [kind]} for kind in kinds]}


# --- shapes ---------------------------------------------------------------------------------------


def of_shape(shape: Shape) -> Json:  # noqa: PLR0911 - one return per shape
    """The schema of one shape. A scalar that is not text may always be a `${name}` as well."""
    match shape:
        case Value(kind="text") | TextOrSecret() | Sql() | FilePath():
            return TEXT
        case Value(kind="duration"):
            return {"anyOf": [{"type": "string", "pattern": f"^{DURATION.pattern}$"}, TEMPLATE]}
        case Value(kind=kind):
            return {"anyOf": [{"type": kind}, TEMPLATE]}
        case Choice(choices=choices):
            return {"anyOf": [{"enum": list(choices)}, TEMPLATE]}
        case Optionally(of=inner):
            return {"anyOf": [of_shape(inner), {"type": "null"}]}
        case Items(of=inner):
            return {"anyOf": [{"type": "array", "items": of_shape(inner)}, TEMPLATE]}
        case Table(of=inner):
            return _table(of_shape(inner))
        case Record():
            return _of_record(shape)
    return {}


def _of(kind: type) -> Json:
    return of_shape(shape_of(kind))


def _record(kind: type) -> Record:
    shape = shape_of(kind)
    assert isinstance(shape, Record)  # noqa: S101 - every dataclass is one
    return shape


def _of_record(record: Record) -> Json:
    properties = {field.key: {**of_shape(field.shape), **_default(field)} for field in record.fields}
    closed = _closed(properties, [field.key for field in record.fields if field.required])
    return {"description": cleandoc(record.kind.__doc__ or ""), **closed}


def _default(field: Field) -> Json:
    return {"default": field.default} if isinstance(field.default, (str, int, float)) else {}


def _closed(properties: Json, required: Iterable[str]) -> Json:
    closed: Json = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**closed, "required": list(required)} if required else closed


def _table(of: Json) -> Json:
    return {"type": "object", "additionalProperties": of}


def _list(name: str) -> Json:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}
