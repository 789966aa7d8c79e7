from __future__ import annotations

from pathlib import Path

import pytest

from recover.drill import scenario
from recover.drill.scenario import find, incidents
from recover.errors import PlaybookError, UsageError

TEXT = """\
scenario: 1
title: A test
playbook: ../playbook.yml
target: local
restored: login
replica: {secrets: [a], ports: [A_PORT], env: {RELEASE: before}}
break: {env: {RELEASE: after}, restart: [api]}
faults: {slow: {env: SLOW, help: be slow, choices: [a bit, very]}}
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "outage" / "scenarios"
    folder.mkdir(parents=True)
    (tmp_path / "outage" / "playbook.yml").touch()
    (folder / "incident.yml").write_text(TEXT)
    monkeypatch.setattr(scenario, "shelves", lambda: [tmp_path])
    return tmp_path


def test_a_scenario_is_found_by_its_incident_and_read(shelf: Path) -> None:
    found = find("outage")
    assert found == find("outage/incident")
    assert (found.title, found.restored, found.break_.restart) == ("A test", "login", ("api",))
    assert found.playbook == shelf / "outage" / "playbook.yml"
    assert list(incidents()) == ["outage"]


def test_the_shipped_incident_is_on_a_shelf() -> None:
    assert "enum-cascade" in incidents()


def test_a_chosen_fault_sets_its_variable(shelf: Path) -> None:
    assert find("outage").fault_env({"slow": "very"}) == {"SLOW": "very"}
    assert find("outage").fault_env({}) == {}


@pytest.mark.parametrize(
    ("chosen", "hint"), [({"slwo": "very"}, "did you mean 'slow'?"), ({"slow": "vary"}, "did you mean 'very'?")]
)
def test_a_fault_that_does_not_exist_is_refused(shelf: Path, chosen: dict[str, str], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find("outage").fault_env(chosen)
    assert caught.value.why == hint


@pytest.mark.parametrize(("name", "words"), [("outgae", "no drill"), ("outage/x", "no scenario 'x'")])
def test_an_unknown_name_is_refused(shelf: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find(name)


def test_a_mistake_in_the_file_is_named_at_its_place(shelf: Path) -> None:
    file = shelf / "outage" / "scenarios" / "incident.yml"
    file.write_text(TEXT.replace("restart:", "restrat:"))
    with pytest.raises(PlaybookError) as caught:
        find("outage")
    assert f"{file}:7:" in caught.value.where
    assert caught.value.next == "did you mean 'restart'?"
