"""A playbook is read as a whole: it is valid, or every mistake in it is named before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from playbook.books import HEAD, STEP, TARGET, book, loaded, refused
from playbook.kinds import CHECK_TYPES, Repair, Start

from recover.errors import PlaybookError, UsageError
from recover.playbook.model import Objectives, ServicesTarget

CHECK = "check: [{flag: {passes: true}}]"

DESIGN = Path(__file__).with_name("design.yml").read_text()


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "compose.yaml").write_text("services: {}\n")
    return tmp_path


def test_the_example_of_the_design_loads(stack: Path) -> None:
    playbook = loaded(stack, DESIGN)
    assert [stage.name for stage in playbook.stages] == ["Database alone", "Data", "API degraded", "Middleware"]
    assert playbook.objectives == Objectives(rto=1800.0, rpo=0)  # type: ignore[arg-type]  # Seconds compare as floats
    target = playbook.targets["compose"]
    assert target.services == ServicesTarget("compose", "ai_workflow_engine", (stack / "stack" / "compose.yaml",))
    assert (target.databases["main"].service, target.databases["main"].dbname) == ("postgres", "aiwfe")
    assert playbook.variables["probe_email"].help == "an existing active user"
    assert playbook.secrets["probe"].env == "RECOVER_PROBE_PASSWORD"
    assert playbook.text == DESIGN
    assert [step.id for step in playbook.steps][:4] == ["freeze", "postgres", "backup", "enums"]
    assert playbook.steps[-1].id == "final"


def test_enum_labels_stay_the_text_they_are(stack: Path) -> None:
    playbook = loaded(stack, DESIGN)
    enums = playbook.steps[3]
    assert enums.work_type is Repair
    assert enums.args is not None
    assert list(enums.args["expected"]["userrole"]) == ["ADMIN", "USER", "on", "no", "012"]  # type: ignore[call-overload,index]  # the tree's shape is known here


def test_a_for_each_is_one_step_per_item(stack: Path) -> None:
    steps = [step for step in loaded(stack, DESIGN).steps if step.group == "middleware"]
    assert [step.id for step in steps][:2] == ["middleware[error]", "middleware[security_headers]"]
    assert steps[1].name == "Re-enable security_headers"
    assert (steps[1].item, steps[1].on_failure, steps[1].stage) == ("security_headers", "isolate", "Middleware")


def test_a_step_names_the_probes_that_it_guards_with_times_of_their_own(tmp_path: Path) -> None:
    playbook = loaded(
        tmp_path,
        book(
            f"- {{id: a, name: A, {CHECK}, guard: [p, {{probe: q, within: 3s, every: 7s}}]}}",
            head=TARGET + "probes: {p: {flag: {passes: true}}, q: {flag: {passes: true}}}\n",
        ),
    )
    [guards] = [step.guards for step in playbook.steps if step.id == "a"]
    assert [(guard.probe, guard.within, guard.every) for guard in guards] == [("p", None, None), ("q", 3, 7)]


def test_a_probe_knows_the_services_behind_its_variables_and_the_patience_of_its_use(stack: Path) -> None:
    steps = {step.id: step for step in loaded(stack, DESIGN).steps}
    [login] = steps["login"].checks
    assert (login.kind, login.probe, login.within, login.services) == ("login", "login", 30.0, frozenset({"api"}))
    assert steps["middleware[error]"].checks[1].during == 10.0


def test_a_step_says_where_it_stands(stack: Path) -> None:
    steps = {step.id: step.where for step in loaded(stack, DESIGN).steps}
    assert steps["postgres"].endswith("playbook.yml:22:5")
    assert steps["middleware[csrf]"] == steps["middleware[error]"]


BAD_STEPS = [
    # a step (▸ where the mistake is), message, next
    (f"- {{id: a, name: A, ▸chek: [], {CHECK}}}", "unknown key 'chek' in a step", "did you mean 'check'?"),
    ("- {id: a, name: A, ▸service.strat: {services: [x]}}", "unknown key 'service.strat'", "'service.start'?"),
    ("- id: a\n  name: A\n  service.start: {services: [x], ▸wiat: healthy}", "unknown key 'wiat'", "'wait'?"),
    ("- {id: a, name: A, service.start: ▸{wait: healthy}}", "service.start lacks 'services'", ""),
    ("- {id: a, name: A, service.start: {services: ▸x}}", "services expects a list, each text, not 'x'", ""),
    (f"- ▸{{name: A, {CHECK}}}", "a step lacks 'id'", ""),
    (f"- ▸{{id: a, {CHECK}}}", "a step lacks 'name'", ""),
    (f"- {{id: ▸A b, name: A, {CHECK}}}", "'A b' cannot be the id of a step", "small letters"),
    (f"- {{id: ▸final, name: A, {CHECK}}}", "'final' cannot be the id", "the final checks' own"),
    (f"- {{id: a, name: A, {CHECK}}}\n- {{id: ▸a, name: B, {CHECK}}}", "there is already a step 'a', on line 8", ""),
    ("- {id: a, name: A, service.stop: {}, ▸service.start: {services: [x]}}", "a step has one action", ""),
    ("- ▸{id: a, name: A}", "step a does nothing: it has neither an action nor a check", ""),
    ("- ▸{id: a, name: A, check: []}", "step a does nothing", ""),
    ("- {id: a, name: A, ▸sql.run: {database: main, query: x}}", "sql.run needs done_when: it cannot see", "add done_"),
    (f"- {{id: a, name: A, {CHECK}, ▸done_when: [{{flag: {{passes: true}}}}]}}", "done_when is for a step with", ""),
    (
        "- {id: a, name: A, sql.run: ▸{database: main}, done_when: [{flag: {passes: true}}]}",
        "sql.run takes exactly one of query and file",
        "",
    ),
    (f"- {{id: a, name: A, guard: [▸p], {CHECK}}}", "there is no probe 'p'", ""),
    (f"- {{id: a, name: A, guard: ▸p, {CHECK}}}", "guard expects a list of probes", ""),
    (f"- {{id: a, name: A, guard: [{{probe: p, ▸during: 3s}}], {CHECK}}}", "unknown key 'during'", ""),
    (
        f"- {{id: a, name: A, on_failure: ▸isolate, {CHECK}}}",
        "on_failure: isolate is for a step that does something",
        "",
    ),
    (f"- {{id: a, name: A, on_failure: ▸ignore, {CHECK}}}", "on_failure expects one of stop, continue", ""),
    (f"- {{id: a, name: A, needs: [▸b], {CHECK}}}\n- {{id: b, name: B, {CHECK}}}", "no step 'b' before this one", ""),
    (f"- {{id: bee, name: A, {CHECK}}}\n- {{id: b, name: B, needs: [▸bea], {CHECK}}}", "no step 'bea'", "'bee'?"),
    (f"- {{id: a, name: A, needs: [▸a], {CHECK}}}", "there is no step 'a' before this one", ""),
    (f"- {{id: a, name: 'at ▸${{run.id}}', {CHECK}}}", "${run.id} may not be used here", ""),
    (f"- {{id: a, name: '▸${{item}}', {CHECK}}}", "${item} may not be used here", ""),
    (f"- {{id: a, name: A, for_each: ▸[], {CHECK}}}", "for_each expects a list of one or more items", ""),
    (f"- {{id: a, name: A, for_each: [x, ▸'y z'], {CHECK}}}", "'y z' cannot be an item", ""),
    (f"- {{id: a, name: A, for_each: [x, ▸x], {CHECK}}}", "the item 'x' is there twice", ""),
    (f"- {{id: a, name: A, when: '${{x}} ▸= 1', {CHECK}}}", "when expects ==, != or in instead of '='", "A == B"),
    (f"- {{id: a, name: A, when: \"▸${{nope}} == 'x'\", {CHECK}}}", "${nope} is not defined", ""),
    ("- {id: a, name: A, check: [▸{within: 3s}]}", "a check needs a question", "one of: probe, service"),
    ("- {id: a, name: A, check: [{flag: {passes: true}, ▸sql: {}}]}", "a check has one question, and flag and sql", ""),
    ("- {id: a, name: A, check: [{flag: {passes: true}, within: ▸60}]}", "within expects a duration", ""),
    ("- {id: a, name: A, check: [{flag: {passes: ▸yes}}]}", "passes expects true or false, not 'yes'", ""),
    ("- {id: a, name: A, check: ▸{flag: {passes: true}}}", "check expects a list of checks, not a mapping", ""),
    ("- {id: a, name: A, check: [{probe: ▸logn}]}", "there is no probe 'logn'", "known probes: none"),
    ("- {id: a, name: A, service.start: {services: ['▸${kept}']}}", "${kept} is not defined: only a step with", ""),
    ("- {id: a, name: A, service.start: {services: ['x ▸${itm}']}}", "${itm} is not defined", "write $${itm}"),
]


@pytest.mark.parametrize(("steps", "message", "next"), BAD_STEPS)
def test_a_mistake_in_a_step_is_named_at_its_place(tmp_path: Path, steps: str, message: str, next: str) -> None:
    error = refused(tmp_path, book(steps))
    assert message in error.what
    assert next in error.next
    assert error.exit_code == 2


REST = f"stages: [{{stage: All, steps: [{STEP}]}}]\n"
BAD_HEADS = [
    # the file, message, next
    ("▸name: x\n", "this is no playbook: it does not say `recover: 1`", "recover: 1"),
    ("recover: ▸2\nname: x\n", "this playbook is of format 2; this recover reads format 1", "a newer recover"),
    (HEAD + TARGET + "▸stagse: []\n" + REST, "unknown key 'stagse' in a playbook", "did you mean 'stages'?"),
    ("▸" + HEAD + TARGET, "a playbook lacks 'stages'", ""),
    (HEAD + TARGET + "stages: ▸[]\n", "stages expects a list of one or more stages, not a list", ""),
    (HEAD + TARGET + "stages: [{stage: A, ▸step: []}]\n", "unknown key 'step' in a stage", "did you mean 'steps'?"),
    (HEAD + TARGET + "stages: [{stage: A, steps: ▸{}}]\n", "steps expects a list of steps, not a mapping", ""),
    ("▸" + HEAD + REST, "a playbook has either target or targets", ""),
    ("▸" + HEAD + TARGET + "targets: {}\n" + REST, "a playbook has either target or targets", ""),
    (HEAD + "targets: ▸{}\n" + REST, "targets expects a mapping of one or more names to targets", ""),
    (HEAD + "target: ▸{databases: {}}\n" + REST, "target lacks 'services'", ""),
    (HEAD + "target: {services: {runtime: x, files: [▸no.yaml]}}\n" + REST, "files: there is no no.yaml in", ""),
    (HEAD + "target: {services: {runtime: '▸${run.id}'}}\n" + REST, "${run.id} may not be used here", ""),
    (
        HEAD
        + "target: {services: {runtime: x}, databases: {main: {service: a, dbname: b, usr: c}}}\n".replace(
            "usr", "▸usr"
        )
        + REST,
        "unknown key 'usr' in main",
        "did you mean 'user'?",
    ),
    (
        HEAD
        + "target: {services: {runtime: x}, databases: {main: {service: a, dbname: b, user: '▸${secret.no}'}}}\n"
        + REST,
        "${secret.no} is not defined",
        "",
    ),
    (HEAD + TARGET + "objectives: {rto: ▸30}\n" + REST, "rto expects a duration with a unit", ""),
    (HEAD + TARGET + "objectives: {rpo: ▸none}\n" + REST, "rpo expects a number of rows, such as 0 rows", ""),
    (HEAD + TARGET + "variables: {▸item: x}\n" + REST, "'item' cannot be a variable", "a meaning of its own"),
    (HEAD + TARGET + "variables: {▸a-b: x}\n" + REST, "'a-b' cannot be a variable", "letters, digits and _"),
    (HEAD + TARGET + "variables: {a: ▸[x]}\n" + REST, "a expects a text or a number, not a list", ""),
    (HEAD + TARGET + "variables: {a: {▸defualt: x}}\n" + REST, "unknown key 'defualt' in a", "'default'?"),
    (HEAD + TARGET + "variables: {▸a: {help: x}}\n" + REST, "the variable a has no default", "-e a=VALUE"),
    (HEAD + TARGET + "variables: {bee: x, a: '▸${be}'}\n" + REST, "${be} is not defined", "did you mean 'bee'?"),
    (HEAD + TARGET + "secrets: {pg: ▸{file: a, env: B}}\n" + REST, "a secret is kept in exactly one place", ""),
    (HEAD + TARGET + "secrets: {pg: ▸{}}\n" + REST, "a secret is kept in exactly one place", ""),
    (HEAD + TARGET + "probes: {p: {flag: {▸pases: true}}}\n" + REST, "unknown key 'pases' in flag", "'passes'?"),
    (HEAD + TARGET + "probes: {p: {▸probe: q}}\n" + REST, "unknown key 'probe' in a check", ""),
    (HEAD + TARGET + REST + "final: [{flag: {passes: ▸1}}]\n", "passes expects true or false", ""),
]


@pytest.mark.parametrize(("text", "message", "next"), BAD_HEADS)
def test_a_mistake_elsewhere_is_named_at_its_place(tmp_path: Path, text: str, message: str, next: str) -> None:
    error = refused(tmp_path, text)
    assert message in error.what
    assert next in error.next


def test_variables_that_go_in_a_circle_are_refused_and_told_once_each(tmp_path: Path) -> None:
    head = TARGET + 'variables: {a: "${b}", b: "x ${a}"}\n'
    error = refused(tmp_path, book("- {id: s, name: 'S ${a}', check: [{flag: {passes: true}}]}", head))
    assert "2 mistakes" in error.what
    assert "variables go in a circle: a -> b -> a" in error.why
    assert "variables go in a circle: b -> a -> b" in error.why


def test_every_mistake_is_told_in_one_go(tmp_path: Path) -> None:
    steps = """
        - {id: a, name: A, check: [{flag: {passes: 1}}, {flag: {pases: true}}]}
        - {id: b, name: B}
        - {id: c, name: C, service.start: {services: x}, check: [{sql: {}}]}
        - {id: d, name: D, needs: [a, b, c], check: [{flag: {passes: true}}]}
    """
    error = refused(tmp_path, book(steps, TARGET + "objectives: {rto: 3}\n"))
    assert error.what == f"6 mistakes in {tmp_path / 'playbook.yml'}"
    for message in ("rto expects", "passes expects", "unknown key 'pases'", "b does nothing", "services", "sql lacks"):
        assert message in error.why
    assert "no step" not in error.why, "a step with a mistake may still be needed by others"


def test_of_many_mistakes_the_first_twenty_are_shown(tmp_path: Path) -> None:
    error = refused(tmp_path, book("\n".join(f"- {{id: s{n}, name: S}}" for n in range(30))))
    assert "30 mistakes" in error.what
    assert "step s19 does" in error.why
    assert "step s20 does" not in error.why
    assert "and 10 more" in error.why


def test_a_mistake_in_a_probe_is_told_once_however_often_it_is_used(tmp_path: Path) -> None:
    steps = "\n".join(f"- {{id: s{n}, name: S, check: [{{probe: p}}]}}" for n in range(5))
    error = refused(tmp_path, book(steps, TARGET + "probes: {p: {flag: {passes: ▸1}}}\n"))
    assert "passes expects" in error.what


def test_a_mistake_in_a_for_each_is_told_once_for_all_items(tmp_path: Path) -> None:
    steps = "- {id: a, name: A, for_each: [x, y, z], service.start: {services: ['${item}'], wait: ▸never}}"
    assert "wait expects one of" in refused(tmp_path, book(steps)).what


def test_a_secret_in_a_place_that_is_shown_is_refused(tmp_path: Path) -> None:
    head = TARGET + "secrets: {pw: {env: PW}}\nvariables: {auth: 'x ${secret.pw}'}\n"
    ok = "- {id: a, name: A, check: [{http: {get: 'http://x', headers: {A: '${auth}'}}}]}"
    assert loaded(tmp_path, book(ok, head)).steps
    error = refused(tmp_path, book("- {id: a, name: A, check: [{http: {get: ▸'http://x/${auth}'}}]}", head))
    assert "a secret may not be used here: get is not kept secret" in error.what
    error = refused(tmp_path, book("- {id: a, name: '▸${auth}', check: [{flag: {passes: true}}]}", head))
    assert error.what == "${secret.pw} may not be used here (it is in ${auth})"


def test_an_override_must_name_a_variable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no variable 'emial'") as caught:
        loaded(tmp_path, book(head=TARGET + "variables: {email: x}\n"), {"emial": "y"})
    assert caught.value.next == "did you mean 'email'?"


def test_an_override_is_taken_as_it_is_and_stands_in_for_a_missing_default(tmp_path: Path) -> None:
    head = TARGET + "variables: {email: {help: who}, n: 1}\n"
    playbook = loaded(
        tmp_path,
        book("- {id: a, name: 'for ${email}', check: [{flag: {passes: true}}]}", head),
        {"email": "${secret.pw} on", "n": "7"},
    )
    assert playbook.steps[0].name == "for ${secret.pw} on"
    assert (playbook.variables["n"].value, playbook.variables["n"].value.plain) == ("7", True)
    assert playbook.variables["email"].default is None


def test_targets_are_chosen_by_name_and_a_lone_one_is_called_as_its_runtime(tmp_path: Path) -> None:
    two = "targets: {local: {services: {runtime: local}}, prod: {services: {runtime: compose}}}\n"
    assert list(loaded(tmp_path, book(head=two)).targets) == ["local", "prod"]
    assert list(loaded(tmp_path, book(head=TARGET)).targets) == ["none"]


def test_needing_a_for_each_is_needing_each_of_its_steps(tmp_path: Path) -> None:
    steps = """
        - {id: each, name: E, for_each: [x, y], service.start: {services: ["${item}"]}}
        - {id: after, name: A, needs: [each], service.start: {services: [z]}}
    """
    assert loaded(tmp_path, book(steps)).steps[-1].needs == ("each[x]", "each[y]")


# --- content hashes ---------------------------------------------------------------------------------

LONG = """
    - id: up
      name: Start
      service.start:
        services: [a, b]
        env: {a: {X: "1", Y: text}}
      check:
      - {probe: p, within: 1m}
      - {http: {get: "${url}/x"}}
"""
PROBES = TARGET + "variables: {url: 'http://h'}\nprobes: {p: {service: {name: a}}}\n"
SAME = [
    ("comments and space", ("services: [a, b]", "services:   # why\n          - a\n          - 'b'\n"), ("", "")),
    ("the order of keys", ('{X: "1", Y: text}', '{Y: text, X: "1"}'), ("", "")),
    ("the spelling of a duration", ("within: 1m", "within: 60s"), ("", "")),
    ("a probe written out", ("probe: p, ", "service: {name: a}, "), ("", "")),
    ("a variable written out", ("${url}/x", "http://h/x"), ("", "")),
]
OTHER = [
    ("an item", ("[a, b]", "[a, c]"), ("", "")),
    ("the order of items", ("[a, b]", "[b, a]"), ("", "")),
    ("the name", ("name: Start", "name: Begin"), ("", "")),
    ("a check's patience", ("within: 1m", "within: 2m"), ("", "")),
    ("the probe's content", ("", ""), ("{name: a}", "{name: b}")),
    ("the variable's default", ("", ""), ("http://h", "http://g")),
]


def hashes(folder: Path, steps: str, head: str = PROBES) -> dict[str, str]:
    return {step.id: step.sha256 for step in loaded(folder, book(steps, head)).steps}


@pytest.mark.parametrize(("edit", "step", "head"), SAME)
def test_the_hash_of_a_step_does_not_change_with(
    tmp_path: Path, edit: str, step: tuple[str, str], head: tuple[str, str]
) -> None:
    assert LONG.replace(*step) != LONG, edit
    assert hashes(tmp_path, LONG.replace(*step), PROBES.replace(*head)) == hashes(tmp_path, LONG)


@pytest.mark.parametrize(("edit", "step", "head"), OTHER)
def test_the_hash_of_a_step_changes_with(
    tmp_path: Path, edit: str, step: tuple[str, str], head: tuple[str, str]
) -> None:
    assert hashes(tmp_path, LONG.replace(*step), PROBES.replace(*head)) != hashes(tmp_path, LONG), edit


def test_a_number_and_the_same_digits_as_text_are_not_the_same(tmp_path: Path) -> None:
    sql = "- {id: a, name: A, check: [{sql: {database: main, query: select 1, expect: 1}}]}"
    assert hashes(tmp_path, sql) != hashes(tmp_path, sql.replace("expect: 1", "expect: '1'"))


def test_the_hash_of_a_step_does_not_change_with_its_place(tmp_path: Path) -> None:
    other = "\n- {id: other, name: O, check: [{flag: {passes: true}}]}"
    one = "\n- {id: one, name: One, check: [{flag: {passes: true}}]}"
    assert hashes(tmp_path, one + other) == hashes(tmp_path, other + one)


def test_the_hash_of_an_item_does_not_change_with_the_other_items(tmp_path: Path) -> None:
    text = "- {id: each, name: E, for_each: [x, y], service.start: {services: ['${item}']}}"
    two, three = hashes(tmp_path, text), hashes(tmp_path, text.replace("[x, y]", "[w, x, y]"))
    assert two["each[x]"] == three["each[x]"]
    assert two["each[x]"] != two["each[y]"]


def test_a_thousand_steps_load(tmp_path: Path) -> None:
    steps = "\n".join(f"- {{id: s{n}, name: S {n}, check: [{{flag: {{passes: true}}}}]}}" for n in range(1000))
    assert len(loaded(tmp_path, book(steps)).steps) == 1000


def test_kinds_without_the_right_shape_are_not_asked_for(tmp_path: Path) -> None:
    step = loaded(tmp_path, book("- {id: a, name: A, service.start: {services: [x]}}")).steps[0]
    assert (step.kind, step.work_type, step.supports) == ("service.start", Start, False)
    backup = loaded(tmp_path, book("- {id: a, name: A, database.backup: {}}")).steps[0]
    assert backup.supports


@dataclass(frozen=True)
class Summon:
    """A step type that is registered nowhere but here."""

    spirit: str


@dataclass(frozen=True)
class SummonBlindly(Summon):
    repeatable: ClassVar[bool] = False


@dataclass(frozen=True)
class SummonAgain(Summon):
    repeatable: ClassVar[bool] = True


@pytest.mark.parametrize(("kind", "cannot_see"), [(Summon, True), (SummonBlindly, True), (SummonAgain, False)])
def test_whether_a_step_needs_done_when_is_said_by_its_own_type(
    tmp_path: Path, kind: type, *, cannot_see: bool
) -> None:
    from recover.playbook.load import load
    from recover.playbook.schema import schema

    path = tmp_path / "playbook.yml"
    types = {"spirit.summon": kind}
    path.write_text(book("- {id: a, name: A, spirit.summon: {spirit: x}}"))
    if cannot_see:
        with pytest.raises(PlaybookError, match=r"spirit\.summon needs done_when"):
            load(path, {}, types, CHECK_TYPES)
    else:
        load(path, {}, types, CHECK_TYPES)
    step: Any = schema(types, CHECK_TYPES)["$defs"]
    assert ("spirit.summon" in step["step"]["dependentRequired"]) == cannot_see


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    from recover.playbook.load import load

    with pytest.raises(PlaybookError, match="cannot read"):
        load(tmp_path / "none.yml", {}, {}, {})


def test_the_shipped_playbook_is_valid_with_the_real_step_types_and_checks() -> None:
    from recover.checks import CHECK_TYPES
    from recover.playbook.load import load
    from recover.playbook.schema import schema
    from recover.steps import STEP_TYPES

    path = Path(__file__).parents[2] / "playbooks" / "enum-cascade" / "playbook.yml"
    playbook = load(path, {}, STEP_TYPES, CHECK_TYPES)
    used = {step.kind for step in playbook.steps if step.kind}
    assert used <= set(schema(STEP_TYPES, CHECK_TYPES)["$defs"]["step"]["properties"])
