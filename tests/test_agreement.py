"""A plan as a file: the same bytes for the same content, and a run that does that or nothing."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from worlds import Kept, Set, Things, Want, bind, want

from recover.agreement import KEY, Agreement, canonical, document, new_key, read, told
from recover.engine import Engine, Outcome
from recover.errors import Drifted, UsageError
from recover.plan import Plan, Planned
from recover.previewing import Foreseen
from recover.secrets import Redactor, Secret

HEAD: dict[str, object] = {
    "playbook": "/p.yml",
    "target": "t",
    "project": "p",
    "variables": {},
    "binding": {"main.database": "app"},
    "left_out": [],
}
SPEC: Any = want("a", a=1)


def planned(tmp_path: Path, *foreseen: Foreseen, redactor: Redactor | None = None) -> Agreement:
    file = tmp_path / "plan.json"
    plan = Plan(tuple(Planned(s.spec, "not needed" if s.status == "not needed" else "to do") for s in foreseen))
    file.write_bytes(canonical(document(HEAD, plan, foreseen, redactor or Redactor(), new_key(tmp_path))))
    return read(file, tmp_path)


def a_step(things: Things, status: Any = "will") -> Foreseen:
    acts: Any = Want({"a": 1}).decide(things)
    return Foreseen(SPEC, status, "", acts, {"a": str(things.look("a"))})


def carried_out(agreement: Agreement, things: Things) -> Outcome:
    kept = Kept([SPEC])

    def agreed(spec: Any, step: Any, actions: Any) -> None:
        agreement.require_step(spec, actions, lambda: step.work.fingerprint(things), Redactor())

    engine = Engine(things, bind, kept, kept.progress, agreed=agreed)  # type: ignore[arg-type]  # the small world's
    return engine.run(Plan((Planned(SPEC, "to do"),)))


def test_what_is_written_is_read_again_and_bound_to_its_hash(tmp_path: Path) -> None:
    agreement = planned(tmp_path, a_step(Things({"a": 0})))
    assert (agreement.target, agreement.project, agreement.binding) == ("t", "p", {"main.database": "app"})
    text = (tmp_path / "plan.json").read_bytes()
    assert canonical(json.loads(text)) == text
    (tmp_path / "plan.json").write_bytes(text.replace(b'"target":"t"', b'"target":"production"'))
    with pytest.raises(UsageError, match="changed after it was made"):
        read(tmp_path / "plan.json", tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"v":1,"sha256":"x"}'])
def test_what_is_no_plan_is_refused_with_what_makes_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "plan.json", tmp_path)
    assert caught.value.exit_code == 2


def test_the_same_world_is_acted_upon(tmp_path: Path) -> None:
    things = Things({"a": 0})
    assert carried_out(planned(tmp_path, a_step(things)), things).exit_code == 0
    assert things.now["a"] == 1


@pytest.mark.parametrize("status", ["already", "will check", "not needed"])
def test_a_step_that_was_not_to_act_does_not(tmp_path: Path, status: str) -> None:
    things = Things({"a": 0})
    outcome = carried_out(planned(tmp_path, Foreseen(SPEC, status)), things)  # type: ignore[arg-type]
    assert (outcome.exit_code, things.acts) == (8, [])


def test_another_world_is_refused_and_said(tmp_path: Path) -> None:
    agreement, things = planned(tmp_path, a_step(Things({"a": 0}))), Things({"a": 7})
    with pytest.raises(Drifted) as caught:
        agreement.require_step(SPEC, Want({"a": 1}).decide(things), dict, Redactor())  # type: ignore[arg-type]
    assert caught.value.why == "planned: set a to 1 (a is 0)\nnow: set a to 1 (a is 7)"
    assert "recover plan /p.yml -o" in caught.value.next
    assert (carried_out(agreement, things).exit_code, things.acts) == (8, [])


def test_a_fact_that_has_changed_is_refused_though_the_act_is_the_same(tmp_path: Path) -> None:
    step, things = a_step(Things({"a": 0})), Things({"a": 0})
    agreement = planned(tmp_path, Foreseen(step.spec, "will", "", step.acts, {"a": "0", "rows of t": "5"}))
    with pytest.raises(Drifted) as caught:
        agreement.require_step(SPEC, step.acts, lambda: {"a": "0", "rows of t": "6", "more": "1"}, Redactor())
    assert caught.value.why == "rows of t: planned: 5; now: 6"
    assert (carried_out(agreement, things).exit_code, things.acts) == (8, [])


def test_what_was_left_to_run_time_is_decided_then(tmp_path: Path) -> None:
    things = Things({"a": 0})
    assert carried_out(planned(tmp_path, Foreseen(SPEC, "at run time")), things).exit_code == 0
    assert things.now["a"] == 1


def test_a_step_that_was_begun_may_do_less_but_nothing_else(tmp_path: Path) -> None:
    acts: Any = Want({"a": 1, "b": 2}).decide(Things({"a": 0, "b": 0}))
    agreement = planned(tmp_path, Foreseen(SPEC, "will", "", acts, {"a": "0"}))
    agreement.require_step(SPEC, acts[1:], dict, Redactor(), begun=True)
    with pytest.raises(Drifted):
        agreement.require_step(SPEC, acts[1:], dict, Redactor())
    with pytest.raises(Drifted):
        agreement.require_step(SPEC, [Set("c", 1, "x")], dict, Redactor(), begun=True)  # type: ignore[list-item]


def test_a_secret_is_not_in_the_file_and_another_one_is_noticed(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.learn(secret := Secret("t", "planted-t0ken"))
    acts: Any = (Set("a", secret, "a is 0"),)
    agreement = planned(tmp_path, Foreseen(SPEC, "will", "", acts), redactor=redactor)
    assert b"planted" not in (tmp_path / "plan.json").read_bytes()
    agreement.require_step(SPEC, acts, dict, redactor)
    other: Any = (Set("a", Secret("t", "another-t0ken"), "a is 0"),)
    with pytest.raises(Drifted, match="something else"):
        agreement.require_step(SPEC, other, dict, redactor)


def test_an_edited_playbook_is_refused(tmp_path: Path) -> None:
    class Hashed:
        def __init__(self, id: str, sha256: str) -> None:
            self.id, self.sha256 = id, sha256

    steps: list[Any] = [Hashed("a", "1"), Hashed("b", "2")]
    agreement = planned(tmp_path, *(Foreseen(step, "already") for step in steps))
    agreement.require_same_steps(steps)
    for edited in (steps[:1], [*steps, Hashed("c", "3")], [steps[0], Hashed("b", "other")], steps[::-1]):
        with pytest.raises(Drifted, match="edited"):
            agreement.require_same_steps(edited)


def test_another_need_is_refused(tmp_path: Path) -> None:
    agreement = planned(tmp_path, Foreseen(SPEC, "not needed"))
    agreement.require_same_needs(Plan((Planned(SPEC, "not needed"),)))
    with pytest.raises(Drifted) as caught:
        agreement.require_same_needs(Plan((Planned(SPEC, "to do", "web is stopped"),)))
    assert caught.value.why == "step a: planned: not needed; now: to do: web is stopped"


def secret_plan(folder: Path, value: str) -> tuple[Agreement, Any, Redactor]:
    redactor = Redactor()
    redactor.learn(secret := Secret("t", value))
    acts: Any = (Set("a", secret, "a is 0"),)
    return planned(folder, Foreseen(SPEC, "will", "", acts), redactor=redactor), acts, redactor


def test_whoever_has_the_file_alone_cannot_try_words_until_one_fits(tmp_path: Path) -> None:
    agreement, acts, redactor = secret_plan(tmp_path, "hunter2")
    seal = agreement.steps["a"]["actions"][0]["seal"]
    salt = json.loads((tmp_path / "plan.json").read_text())["salt"]
    assert told(acts[0], redactor, salt, b"")["seal"] != seal
    key = tmp_path / KEY
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text() not in (tmp_path / "plan.json").read_text()
    assert told(acts[0], redactor, salt, bytes.fromhex(key.read_text()))["seal"] == seal


@pytest.mark.parametrize("spoilt", ["gone", "of others too", "another", "no key"])
def test_without_its_key_all_but_the_secrets_is_compared(tmp_path: Path, spoilt: str) -> None:
    _, _, redactor = secret_plan(tmp_path, "planted-t0ken")
    key = tmp_path / KEY
    match spoilt:
        case "gone":
            key.unlink()
        case "of others too":
            key.chmod(0o640)
        case "another":
            key.write_text("00" * 32)
        case "no key":
            key.write_text("hello")
    agreement = read(tmp_path / "plan.json", tmp_path)
    assert agreement.key is None
    redactor.learn(Secret("t", "another-t0ken"))
    agreement.require_step(SPEC, (Set("a", Secret("t", "another-t0ken"), "a is 0"),), dict, redactor)  # type: ignore[arg-type]
    with pytest.raises(Drifted, match="something else"):
        agreement.require_step(SPEC, (Set("b", Secret("t", "planted-t0ken"), "a is 0"),), dict, redactor)  # type: ignore[arg-type]


def test_a_plan_of_an_older_version_is_read_and_its_secrets_are_compared(tmp_path: Path) -> None:
    _, acts, redactor = secret_plan(tmp_path, "planted-t0ken")
    data = json.loads((tmp_path / "plan.json").read_text())
    del data["sealed_by"], data["sha256"]
    data["steps"][0]["actions"] = [told(acts[0], redactor, data["salt"], b"")]
    data["sha256"] = sha256(canonical(data)).hexdigest()
    (tmp_path / "plan.json").write_bytes(canonical(data))
    agreement = read(tmp_path / "plan.json", tmp_path)
    agreement.require_step(SPEC, acts, dict, redactor)
    with pytest.raises(Drifted, match="something else"):
        agreement.require_step(SPEC, (Set("a", Secret("t", "other"), "a is 0"),), dict, redactor)  # type: ignore[arg-type]


def test_where_no_key_can_be_kept_a_plan_is_made_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert len(new_key(tmp_path / "file" / "state")) == 32
    assert new_key(tmp_path / "state") == new_key(tmp_path / "state")
