"""The JSON Schema says what the loader accepts. (jsonschema is no dependency: its structure is looked at.)"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playbook.kinds import CHECK_TYPES, STEP_TYPES

from recover.playbook.schema import schema

Json = dict[str, Any]


@pytest.fixture(scope="module")
def whole() -> Json:
    return schema(STEP_TYPES, CHECK_TYPES)


def nodes(node: object) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def test_it_is_json_of_the_2020_12_draft(whole: Json) -> None:
    assert json.loads(json.dumps(whole)) == whole
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_leads_somewhere(whole: Json) -> None:
    refs = {node["$ref"] for node in nodes(whole) if "$ref" in node}
    assert refs == {f"#/$defs/{name}" for name in whole["$defs"]}


def test_every_pattern_is_one(whole: Json) -> None:
    assert all(re.compile(node["pattern"]) for node in nodes(whole) if isinstance(node.get("pattern"), str))


def test_no_mapping_takes_unknown_keys(whole: Json) -> None:
    assert all("additionalProperties" in node for node in nodes(whole) if node.get("type") == "object")
    assert whole["additionalProperties"] is False


def test_the_head_is_as_the_loader_wants_it(whole: Json) -> None:
    assert whole["properties"]["recover"] == {"const": 1}
    assert whole["required"] == ["recover", "name", "title", "stages"]
    assert whole["oneOf"] == [{"required": ["target"]}, {"required": ["targets"]}]


def test_a_step_has_every_action_with_its_arguments(whole: Json) -> None:
    step = whole["$defs"]["step"]
    assert set(STEP_TYPES) <= set(step["properties"])
    start = step["properties"]["service.start"]
    assert start["required"] == ["services"]
    assert list(start["properties"]) == ["services", "wait", "env"]
    assert start["description"] == "Starts services."
    assert start["properties"]["wait"]["anyOf"][0] == {"enum": ["healthy", "started"]}
    assert start["properties"]["wait"]["default"] == "started"
    assert "except" in step["properties"]["service.stop"]["properties"]


def test_a_step_that_cannot_see_its_outcome_needs_done_when(whole: Json) -> None:
    assert whole["$defs"]["step"]["dependentRequired"] == {"sql.run": ["done_when"]}


def test_a_probe_is_used_in_checks_and_defined_by_questions(whole: Json) -> None:
    assert "probe" in whole["$defs"]["check"]["properties"]
    assert "probe" not in whole["$defs"]["question"]["properties"]
    assert {"required": ["http"]} in whole["$defs"]["question"]["oneOf"]


def test_durations_have_units(whole: Json) -> None:
    duration = whole["$defs"]["check"]["properties"]["within"]["anyOf"][0]["anyOf"][0]
    assert re.match(duration["pattern"], "1m30s")
    assert not re.match(duration["pattern"], "30")
