"""A step is filled in for one target: names get their values, checks their patience, questions their identity."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from playbook.books import TARGET, book, loaded
from playbook.kinds import Flag, Http, Login, Start, Up

from recover.checks.wait import Patience
from recover.errors import PlaybookError, Precondition
from recover.playbook.model import Playbook, SecretRef
from recover.playbook.scope import Scope, patience
from recover.secrets import Secret
from recover.stack import Address
from recover.world import RunPlace, View

NO_VIEW = cast(View, None)

HEAD = """\
target: {services: {runtime: none}, databases: {main: {service: pg, dbname: d, user: u, password: "${secret.pw}"}}}
secrets: {pw: {env: PW}, other: {env: OTHER}}
variables: {api: "${services.api.url}", base: "${api}/v1"}
probes:
  up: {http: {get: "${base}/health"}}
"""


@dataclass
class Services:
    known: dict[str, Address] = field(default_factory=lambda: {"api": Address("10.0.0.1", 8000)})

    def address(self, service: str, port: int | None = None) -> Address:
        if service not in self.known:
            raise PlaybookError(f"there is no service {service!r}", next="did you mean 'api'?")
        return self.known[service]


def scope_of(playbook: Playbook, folder: Path) -> Scope:
    return Scope(
        variables=playbook.values,
        secrets={"pw": Secret("pw", "hunter2"), "other": Secret("other", "s3cr3t")},
        target={"name": "prod", "folder": "/srv/replica", "project": "stack"},
        services=Services(),
        place=RunPlace("RUN-1", folder / "RUN-1"),
        folder=folder,
    )


def bound(folder: Path, steps: str, head: str = HEAD) -> list:  # type: ignore[type-arg]  # steps of any kind
    playbook = loaded(folder, book(steps, head))
    scope = scope_of(playbook, folder)
    kept: list[str] = []
    found = []
    for spec in playbook.steps:
        kept += [spec.item] if spec.item else []
        found.append(spec.bind(replace(scope, kept=tuple(kept))))
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${services.api.url}/x", "http://10.0.0.1:8000/x"),
        ("${services.api.address}", "10.0.0.1:8000"),
        ("${services.api.host} ${services.api.port}", "10.0.0.1 8000"),
        ("${base}", "http://10.0.0.1:8000/v1"),
        ("${target.name} ${target.project} ${target.folder}", "prod stack /srv/replica"),
        ("${run.id}", "RUN-1"),
    ],
)
def test_a_name_has_the_value_of_the_target_and_the_run(tmp_path: Path, text: str, value: str) -> None:
    [step] = bound(tmp_path, f"- {{id: a, name: A, check: [{{http: {{get: '{text}'}}}}]}}")
    assert step.checks[0].check.get == value


def test_a_service_that_is_not_there_is_told_at_the_place_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError) as caught:
        bound(tmp_path, "- {id: a, name: A, check: [{http: {get: 'x ${services.apii.url}'}}]}")
    assert caught.value.what == "there is no service 'apii'"
    assert caught.value.where == f"{tmp_path}/playbook.yml:12:46"
    assert caught.value.next == "did you mean 'api'?"


def test_a_part_that_no_service_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match=r"services.api.prot} is not defined"):
        loaded(tmp_path, book("- {id: a, name: A, check: [{http: {get: '${services.api.prot}'}}]}"))


def test_kept_are_the_items_so_far(tmp_path: Path) -> None:
    steps = bound(
        tmp_path,
        """
        - id: m
          name: M ${item}
          for_each: [x, y]
          service.start: {services: ["${item}"], env: {api: {M: "${kept}"}}}
        """,
    )
    assert [step.work for step in steps] == [
        Start(("x",), env={"api": {"M": "x"}}),
        Start(("y",), env={"api": {"M": "x,y"}}),
    ]


def test_proofs_of_the_work_come_first_then_what_it_was_for_then_the_checks(tmp_path: Path) -> None:
    [step] = bound(
        tmp_path,
        """
        - id: a
          name: A
          service.start: {services: [api], wait: healthy}
          done_when: [{flag: {passes: false}}]
          check: [{service: {name: other}, during: 10s}]
        """,
    )
    assert [asked.check for asked in step.checks] == [Up("api"), Flag(passes=False), Up("other")]
    assert [asked.patience.within for asked in step.checks] == [60.0, 10.0, 0.0]
    assert step.repeatable


def test_what_a_check_depends_on_includes_the_services_in_its_text(tmp_path: Path) -> None:
    [step] = bound(tmp_path, "- {id: a, name: A, check: [{probe: up}, {service: {name: worker}}]}")
    assert [asked.about for asked in step.checks] == [{"service:api"}, {"service:worker"}]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), Patience(10.0, 0.0, 0.5)),
        ((60.0, None, None), Patience(60.0, 0.0, 0.5)),
        ((2.0, None, None), Patience(2.0, 0.0, 0.1)),
        ((0.1, None, None), Patience(0.1, 0.0, 0.05)),
        ((None, 10.0, None), Patience(0.0, 10.0, 0.5)),
        ((30.0, 10.0, 5.0), Patience(30.0, 10.0, 5.0)),
        ((0.0, None, None), Patience(0.0, 0.0, 0.05)),
    ],
)
def test_every_wait_is_finite(given: tuple[float | None, float | None, float | None], expected: Patience) -> None:
    assert patience(*given) == expected


def test_nothing_is_to_do_when_what_it_is_for_is_true(tmp_path: Path) -> None:
    text = "- {id: a, name: A, service.start: {services: [x]}, done_when: [ANSWERS]}"
    yes, no = "{flag: {passes: true}}", "{flag: {passes: false}}"
    [true] = bound(tmp_path, text.replace("ANSWERS", yes))
    [half] = bound(tmp_path, text.replace("ANSWERS", f"{yes}, {no}"))
    [false] = bound(tmp_path, text.replace("ANSWERS", no))
    assert true.decide(NO_VIEW) == ()
    assert half.decide(NO_VIEW) == ("start",)
    assert false.decide(NO_VIEW) == ("start",)


def test_a_pure_check_decides_nothing(tmp_path: Path) -> None:
    [step] = bound(tmp_path, "- {id: a, name: A, check: [{flag: {passes: true}}]}")
    assert (step.work, step.decide(NO_VIEW), len(step.checks)) == (None, (), 1)


def test_a_step_whose_condition_is_false_does_and_proves_nothing(tmp_path: Path) -> None:
    text = "- {id: a, name: A, when: \"${target.name} == 'test'\", service.start: {services: [x], wait: healthy}}"
    [step] = bound(tmp_path, text)
    assert (step.decide(NO_VIEW), step.checks) == ((), ())
    assert step.unless == "its condition is false: ${target.name} == 'test'"
    [step] = bound(tmp_path, text.replace("test", "prod"))
    assert (step.decide(NO_VIEW), step.unless) == (("start",), "")


def test_the_playbook_may_say_itself_that_a_step_is_repeatable(tmp_path: Path) -> None:
    blind = "sql.run: {database: main, query: x}, done_when: [{flag: {passes: true}}]"
    text = f"- {{id: a, name: A, {blind}}}\n- {{id: b, name: B, {blind}, repeatable: true}}"
    assert [step.repeatable for step in bound(tmp_path, text)] == [False, True]


def test_the_same_question_has_the_same_key_wherever_it_stands(tmp_path: Path) -> None:
    steps = bound(
        tmp_path,
        """
        - {id: a, name: A, check: [{probe: up, within: 3s}, {http: {get: "${services.api.url}/v1/health"}}]}
        - {id: m, name: M, for_each: [x, y], check: [{probe: up}, {service: {name: "${item}"}}]}
        """,
    )
    a, x, y = ([asked.key for asked in step.checks] for step in steps)
    assert a[0] == a[1] == x[0] == y[0]
    assert x[1] != y[1]


def test_questions_that_differ_in_a_secret_only_have_different_keys(tmp_path: Path) -> None:
    text = "{login: {url: x, accept: {as: me, password: '${secret.%s}'}}}"
    [step] = bound(tmp_path, f"- {{id: a, name: A, check: [{text % 'pw'}, {text % 'other'}]}}")
    first, second = step.checks
    assert isinstance(first.check, Login)
    assert first.check.accept.password == Secret("pw", "hunter2")
    assert first.key != second.key


def test_kept_makes_a_question_another_one(tmp_path: Path) -> None:
    text = "- {id: m, name: M, for_each: [x, y], check: [{http: {get: 'http://h/${kept}'}}]}"
    x, y = bound(tmp_path, text)
    assert (x.checks[0].check, y.checks[0].check) == (Http("http://h/x"), Http("http://h/x,y"))
    assert x.checks[0].key != y.checks[0].key


def test_what_is_filled_in_is_plain_data_and_no_longer_a_piece_of_the_file(tmp_path: Path) -> None:
    head = HEAD.replace("probes:", "# probes:").replace("  up:", "#  up:")
    sql = "{database: main, query: 'select ${item}, ${kept}', expect: [{a: 'x', b: ['${item}', 1]}]}"
    text = (
        f"- {{id: m, name: M, for_each: [x], service.start: {{services: ['${{item}}', a]}}, check: [{{sql: {sql}}}]}}"
    )
    playbook = loaded(tmp_path, book(text, head))
    [step] = bound(tmp_path, text, head)
    names = [playbook.name, *playbook.targets, *playbook.variables, *playbook.secrets, playbook.secrets["pw"].name]
    data = [asdict(step.work), [asdict(asked.check) for asked in step.checks], step.id, names]
    assert {type(value) for value in leaves(data)} == {str, int, bool}


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for pair in value.items() for part in pair for leaf in leaves(part)]
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list | tuple) else [value]


def test_a_target_is_filled_in(tmp_path: Path) -> None:
    playbook = loaded(tmp_path, book(head=HEAD))
    target = playbook.targets["none"]
    assert target.databases["main"].password == Secret("pw", "placeholder")
    assert target.bind(scope_of(playbook, tmp_path)).databases["main"].password == Secret("pw", "hunter2")


# --- where secrets are kept -------------------------------------------------------------------------


def ref_of(folder: Path, secret: str) -> tuple[SecretRef, Scope]:
    playbook = loaded(folder, book(head=TARGET + f"secrets: {{pw: {secret}}}\n"))
    return playbook.secrets["pw"], replace(scope_of(playbook, folder), target={"folder": str(folder / "replica")})


def test_a_secret_is_read_from_its_file_without_the_line_break_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("hunter2 \n")
    ref, scope = ref_of(tmp_path, "{file: pw}")
    assert ref.read(scope).reveal() == "hunter2 "


def test_the_file_of_a_secret_may_be_in_the_folder_of_the_replica(tmp_path: Path) -> None:
    (tmp_path / "replica").mkdir()
    (tmp_path / "replica" / "pw").write_text("hunter2")
    ref, scope = ref_of(tmp_path, "{file: '${target.folder}/pw'}")
    assert ref.read(scope) == Secret("pw", "hunter2")


def test_a_secret_is_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_PW", "hunter2")
    ref, scope = ref_of(tmp_path, "{env: THE_PW}")
    assert ref.read(scope) == Secret("pw", "hunter2")


@pytest.mark.parametrize(
    ("secret", "what", "why", "next"),
    [
        ("{file: none}", "cannot read secret pw from", "No such file or directory", ""),
        ("{file: .}", "cannot read secret pw from", "Is a directory", ""),
        ("{file: empty}", "secret pw is empty", "", ""),
        ("{file: binary}", "cannot read secret pw from", "it is not UTF-8 text", ""),
        (
            "{env: NO_SUCH_VARIABLE}",
            "there is no environment variable NO_SUCH_VARIABLE",
            "",
            "export NO_SUCH_VARIABLE=",
        ),
    ],
)
def test_a_missing_secret_is_told_with_the_place_that_names_it(
    tmp_path: Path, secret: str, what: str, why: str, next: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    ref, scope = ref_of(tmp_path, secret)
    with pytest.raises(Precondition) as caught:
        ref.read(scope)
    assert what in caught.value.what
    assert why in caught.value.why
    assert next in caught.value.next
    assert caught.value.where == f"{tmp_path}/playbook.yml:5:11"


def test_a_guarded_check_is_asked_as_it_wants_to_be_asked_many_times(tmp_path: Path) -> None:
    head = TARGET + "probes: {p: {flag: {passes: false}}}\n"
    [step] = bound(tmp_path, "- {id: a, name: A, check: [{probe: p}], guard: [{probe: p, every: 7s}]}", head)
    [check] = step.checks
    guard = step.guards["p"]
    assert (check.check.passes, guard.check.passes) == (False, True)
    assert (guard.key, guard.patience.every) == (check.key, 7)
