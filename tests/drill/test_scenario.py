from __future__ import annotations

from pathlib import Path

import pytest

from recover.drill import scenario
from recover.drill.damage import Damage, Spoilt
from recover.drill.scenario import find, incidents, scenarios
from recover.errors import PlaybookError, UsageError

TEXT = """\
scenario: 1
title: A test
playbook: ../playbook.yml
target: local
restored: login
replica: {secrets: [a], ports: [A_PORT], env: {RELEASE: before}, certificates: {proxy: [localhost]}}
break: {env: {RELEASE: after}, restart: [api]}
faults:
  slow: {env: SLOW, help: be slow, choices: [a bit, very]}
  lost: {help: x, remove: [secrets/a], fill: data/db, restart: [db], stop: [queue], later: {IMAGE: new}}
  bad: {help: x, certificate: {pair: proxy}, choices: [expired, other-key], restart: [api]}
  far: {help: x, only: compose}
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


def test_a_scenario_that_breaks_nothing_by_itself_names_a_fault(shelf: Path) -> None:
    for fault, words in (("lost: {help: x}", "lost"), ("bad: {env: A, choices: [x, y], help: x}", "bad=x")):
        text = f"scenario: 1\ntitle: B\nlike: incident\nfaults:\n  {fault}\n"
        (shelf / "outage" / "scenarios" / "other.yml").write_text(text)
        assert find("outage/other").example == f"--fault {words}"
    assert find("outage").example == ""


def test_the_shipped_incident_is_on_a_shelf() -> None:
    assert "enum-cascade" in incidents()


def test_a_chosen_fault_adds_its_damage_to_that_of_the_break(shelf: Path) -> None:
    found = find("outage")
    assert found.damage({}, "local") == Damage({"RELEASE": "after"}, restart=("api",))
    assert found.damage({"slow": "a bit,very"}, "local").env == {"RELEASE": "after", "SLOW": "a bit,very"}
    both = found.damage({"lost": "", "bad": "expired"}, "local")
    assert (both.remove, both.fill, both.stop) == (("secrets/a",), ("data/db",), ("queue",))
    assert (both.restart, both.later) == (("api", "db"), {"IMAGE": "new"})
    assert both.spoilt == (Spoilt("proxy", ("localhost",), "expired"),)


@pytest.mark.parametrize(
    ("chosen", "what", "hint"),
    [
        ({"slwo": "very"}, "no fault 'slwo'", "did you mean 'slow'?"),
        ({"slow": "vary"}, "slow cannot be 'vary'", "did you mean 'very'?"),
        ({"slow": ""}, "slow needs a choice", ""),
        ({"lost": "x"}, "lost takes no choice, not 'x'", ""),
        ({"bad": "expired,other-key"}, "bad cannot be 'expired,other-key'", "did you mean 'other-key'?"),
        ({"far": ""}, "far can only be made on the runtime compose, with --runtime compose, not on local", ""),
    ],
)
def test_a_fault_that_cannot_be_is_refused(shelf: Path, chosen: dict[str, str], what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find("outage").damage(chosen, "local")
    assert (caught.value.what, caught.value.why) == (what, hint)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("{env: A, help: x}", "choices go with env"),
        ("{choices: [a], help: x}", "choices go with env"),
        ("{certificate: {pair: proxy}, help: x}", "choices go with env"),
        ("{certificate: {pair: other, as: expired}, help: x}", "which is no certificate of it"),
        ("{remove: [../x], help: x}", "not below the replica's folder"),
        ("{fill: /etc, help: x}", "not below the replica's folder"),
    ],
)
def test_a_fault_that_makes_no_sense_is_a_mistake_in_the_file(shelf: Path, fault: str, words: str) -> None:
    (shelf / "outage" / "scenarios" / "incident.yml").write_text(f"{TEXT}  wrong: {fault}\n")
    with pytest.raises(PlaybookError, match=words):
        find("outage")


def test_a_scenario_like_another_one_takes_its_replica_and_not_its_break(shelf: Path) -> None:
    text = "scenario: 1\ntitle: B\nlike: incident\nreplica: {env: {MORE: b}}\n"
    (shelf / "outage" / "scenarios" / "other.yml").write_text(text)
    found, incident = find("outage/other"), find("outage")
    assert found.replica.env == {"RELEASE": "before", "MORE": "b"}
    assert found.replica.ports == incident.replica.ports
    assert (found.restored, found.playbook) == (incident.restored, incident.playbook)
    assert found.damage({}, "local") == Damage()
    assert (found.example, incident.example) == ("", "")
    assert [name for name, _ in scenarios()] == ["outage", "outage/other"]
    (shelf / "outage" / "scenarios" / "other.yml").write_text("scenario: 1\nlike: none\n")
    with pytest.raises(PlaybookError, match="no scenario 'none'"):
        find("outage/other")


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
