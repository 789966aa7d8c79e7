from __future__ import annotations

from dataclasses import asdict
from json import dumps
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import FakeServices

from recover.checks.former import Former, ServiceAsBefore, former, otherwise
from recover.checks.service import ServiceIs
from recover.errors import Drifted, PlaybookError
from recover.stack import Given, ServiceState
from recover.steps.service import Restore, Start, StartService, Stop, StopService
from recover.world import Action, Forecast, Work

DECLARED = {
    "db": {},
    "api": {"MIDDLEWARE": "a,b", "API_TOKEN": "from-the-file", "KEY_FILE": "/secrets/key"},
    "migrate": {},
    "worker": {"LEVEL": "info"},
}


@pytest.fixture
def services() -> FakeServices:
    return FakeServices(DECLARED, oneshots=frozenset({"migrate"}))


def world(services: FakeServices) -> Any:
    return SimpleNamespace(services=services)


def decide(work: Work, services: FakeServices) -> list[Action]:
    return list(work.decide(world(services)))


def do(work: Work, services: FakeServices) -> list[Action]:
    """Decide and apply, and prove that nothing is left to decide; the actions."""
    actions = decide(work, services)
    for action in actions:
        action.apply(world(services))
    assert decide(work, services) == []
    return actions


def said(actions: list[Action]) -> list[tuple[str, str]]:
    return [(action.describe, action.because) for action in actions]


# --- service.start --------------------------------------------------------------------------------


def test_what_does_not_run_is_started_once_and_the_rest_left_alone(services: FakeServices) -> None:
    services.start("db")
    services.start("worker")
    services.stop("worker")
    services.start("api")
    services.end("api", 1)
    assert said(do(StartService(services=("db", "worker", "api")), services)) == [
        ("start worker", "it is stopped"),
        ("start api", "it is exited (code 1)"),
    ]
    assert services.deeds[-2:] == ["start worker", "start api"]


@pytest.mark.parametrize("status", ["paused", "restarting"])
def test_what_is_stuck_is_replaced(services: FakeServices, status: str) -> None:
    services.start("db")
    services.be("db", status=status)
    assert said(decide(StartService(services=("db",)), services)) == [("restart db", f"it is {status}")]


def test_another_environment_is_a_reason_named_variable_by_variable(services: FakeServices) -> None:
    services.start("api", Given({"LEFT_OVER": "x", "API_TOKEN": "another"}))
    work = StartService(services=("api",), env={"api": {"MIDDLEWARE": "", "NEW_SECRET": "planted"}})
    [action] = do(work, services)
    assert action.describe == "recreate api with MIDDLEWARE='', NEW_SECRET=***"
    assert action.because == (
        "MIDDLEWARE is 'a,b', wanted ''; API_TOKEN is ***, wanted ***; NEW_SECRET is unset, wanted ***; "
        "LEFT_OVER is 'x', wanted unset"
    )
    assert services.state("api").environment == {**DECLARED["api"], "MIDDLEWARE": "", "NEW_SECRET": "planted"}


def test_the_way_back_from_a_degraded_mode_is_a_start_without_env(services: FakeServices) -> None:
    do(StartService(services=("api",), env={"api": {"MIDDLEWARE": ""}}), services)
    [action] = do(StartService(services=("api",)), services)
    assert (action.describe, action.because) == ("recreate api", "MIDDLEWARE is '', wanted 'a,b'")
    assert services.state("api").environment == DECLARED["api"]


def test_a_one_shot_that_has_done_its_work_is_not_done_again(services: FakeServices) -> None:
    do(StartService(services=("migrate",)), services)
    services.end("migrate", 2)
    assert said(decide(StartService(services=("migrate",)), services)) == [("start migrate", "it is exited (code 2)")]


def test_both_see_their_outcome_themselves() -> None:
    assert (StartService.repeatable, StopService.repeatable) == (True, True)


def test_why_a_service_is_missing_is_said(services: FakeServices) -> None:
    work = StartService(services=("db",))
    assert said(decide(work, services)) == [("start db", "it is missing")]
    services.be("db", status="missing", detail="no such image", exit_code=3, restarts=2)
    assert said(decide(work, services)) == [("start db", "it is missing: no such image")]


def test_a_service_named_twice_is_started_once(services: FakeServices) -> None:
    assert len(do(StartService(services=("db", "db")), services)) == 1


def test_env_for_a_service_that_is_not_started_here_is_refused() -> None:
    with pytest.raises(PlaybookError) as caught:
        StartService(services=("redis", "api"), env={"apo": {"MIDDLEWARE": ""}})
    assert caught.value.what == "env names 'apo', which this step does not start"
    assert caught.value.next == "did you mean 'api'?"


def test_a_command_for_a_service_that_is_not_started_here_is_refused() -> None:
    assert StartService(services=("api",), command={"api": ("serve",)})
    with pytest.raises(PlaybookError) as caught:
        StartService(services=("redis", "api"), command={"worker": ("serve", "--slowly")})
    assert caught.value.what == "command names 'worker', which this step does not start"
    assert caught.value.next == "services: redis, api"


def test_an_unknown_service_is_refused_before_anything_is_decided(services: FakeServices) -> None:
    for work in (
        StartService(services=("db", "wroker")),
        StopService(services=("db", "wroker")),
        StopService(except_=("wroker",)),
    ):
        with pytest.raises(PlaybookError) as caught:
            decide(work, services)
        assert caught.value.next == "did you mean 'worker'?"
    assert services.deeds == []


def test_a_start_proves_health_or_that_it_runs() -> None:
    assert StartService(services=("db", "api")).proofs() == ((ServiceIs("db"), 60.0), (ServiceIs("api"), 60.0))
    assert StartService(services=("db",), wait="started").proofs() == ((ServiceIs("db", "running"), 0.0),)


def test_a_start_claims_its_services_even_when_they_run(services: FakeServices) -> None:
    work = StartService(services=("db", "api"))
    assert work.claims(world(services)) == {"service:db", "service:api"}


# --- service.stop ---------------------------------------------------------------------------------


def test_what_runs_is_stopped_in_the_reverse_order_of_the_file(services: FakeServices) -> None:
    for name in ("db", "api", "worker"):
        services.start(name)
    assert said(do(StopService(except_=("db",)), services)) == [
        ("stop worker", "it is running"),
        ("stop api", "it is running"),
    ]
    assert services.state("db").running
    assert said(do(StopService(services=("db", "api")), services)) == [("stop db", "it is running")]


def test_a_paused_service_is_stopped_too(services: FakeServices) -> None:
    services.start("db")
    services.be("db", status="paused")
    assert said(do(StopService(services=("db",)), services)) == [("stop db", "it is paused")]


def test_a_stop_claims_all_that_it_keeps_down(services: FakeServices) -> None:
    claims = StopService(except_=("db",)).claims(world(services))
    assert claims == {"service:api", "service:migrate", "service:worker"}


@pytest.mark.parametrize("arguments", [{}, {"services": ("a",), "except_": ("b",)}])
def test_a_stop_names_services_or_exceptions(arguments: Any) -> None:
    with pytest.raises(PlaybookError, match="either services or except"):
        StopService(**arguments)


# --- undo, preview, data --------------------------------------------------------------------------


def undo(actions: list[Action], services: FakeServices) -> None:
    for action in reversed(actions):
        inverse = action.inverse()
        assert inverse
        assert not all(proof.ask(world(services)).passed for proof in inverse.proofs())
        inverse.apply(world(services))
        assert all(proof.ask(world(services)).passed for proof in inverse.proofs())


def test_a_start_is_undone_by_a_stop(services: FakeServices) -> None:
    undo(do(StartService(services=("api",)), services), services)
    assert services.state("api").status == "stopped"


def test_a_replacement_is_undone_by_the_environment_it_replaced(services: FakeServices) -> None:
    services.start("api", Given({"MIDDLEWARE": "a"}))
    before = services.state("api").environment
    work = StartService(services=("api",), env={"api": {"MIDDLEWARE": ""}})
    actions = do(work, services)
    undo(actions, services)
    assert services.state("api").environment == before
    do(work, services)
    assert services.state("api").environment["MIDDLEWARE"] == ""


def test_a_stop_is_undone_by_a_start_with_what_it_ran_with(services: FakeServices) -> None:
    services.start("api", Given({"MIDDLEWARE": ""}))
    before = services.state("api").environment
    undo(do(StopService(services=("api",)), services), services)
    assert services.state("api").running
    assert services.state("api").environment == before


def test_no_secret_of_the_running_instance_gets_into_an_actions_data(services: FakeServices) -> None:
    services.start("api", Given({"API_TOKEN": "planted", "MIDDLEWARE": ""}))
    [start] = decide(StartService(services=("api",)), services)
    [stop] = decide(StopService(services=("api",)), services)
    assert start.inverse() is None, "a token that is not kept cannot be brought back"
    for action in (start, stop):
        data = dumps(asdict(action))  # type: ignore[call-overload]  # actions are dataclasses
        assert "planted" not in data
        assert "from-the-file" not in data


def test_a_preview_foretells_states_so_that_later_steps_decide_on_them(services: FakeServices) -> None:
    services.start("db")
    services.start("api")
    forecast = Forecast(world(services), {}, step="freeze")
    for action in StopService(except_=("db",)).decide(forecast):
        action.forecast(forecast)
    assert forecast.services.state("api").status == "stopped"
    degraded = StartService(services=("api",), env={"api": {"MIDDLEWARE": ""}})
    [start] = degraded.decide(forecast)
    assert start.because == "it is stopped; MIDDLEWARE is 'a,b', wanted ''"
    start.forecast(forecast)
    assert degraded.decide(forecast) == ()
    assert [a.because for a in StartService(services=("api",)).decide(forecast)] == ["MIDDLEWARE is '', wanted 'a,b'"]
    assert services.deeds == ["start db", "start api"]


def test_actions_touch_their_service() -> None:
    gone = Former("stopped")
    actions = Start("api", {}, "x", gone), Stop("api", "x", gone), Restore("api", gone, gone)
    assert {action.touches for action in actions} == {("service:api",)}


def test_the_last_lines_of_an_instance_that_is_replaced_are_kept(services: FakeServices) -> None:
    services.start("api", Given({"MIDDLEWARE": "x"}))
    for number in range(60):
        services.say("api", f"line {number}")
    [start] = decide(StartService(services=("api",)), services)
    assert start.apply(world(services))["log_before"] == "\n".join(f"line {number}" for number in range(10, 60))


def test_a_start_reports_which_instance_it_made(services: FakeServices) -> None:
    [start] = decide(StartService(services=("db",)), services)
    assert start.apply(world(services)) == {"instance": services.state("db").instance}


def test_what_is_kept_for_undo_holds_no_password_inside_a_value() -> None:
    state = ServiceState("api", "running", environment={"DATABASE_URL": "postgresql://u:X5X@h/db", "MODE": "full"})
    kept = former(state)
    assert (kept.environment, kept.lost) == ({"MODE": "full"}, ("DATABASE_URL",))


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"environment": {"API_TOKEN": "another"}}, "API_TOKEN"),
        ({"environment": {}, "declared": {"MIDDLEWARE": "a"}}, "MIDDLEWARE"),
        (
            {"settings": {"mount /data": "bind /tmp"}, "declared_settings": {"mount /data": "volume data"}},
            "mount /data",
        ),
        ({"status": "paused"}, "being paused"),
    ],
)
def test_what_cannot_be_brought_back_is_named_and_leaves_no_undo(changes: dict[str, Any], lost: str) -> None:
    kept = former(ServiceState(**{"name": "api", "status": "running", **changes}))
    assert kept.lost == (lost,)
    assert Start("api", {}, "x", kept).inverse() is None
    assert Stop("api", "x", kept).inverse() is None


@pytest.mark.parametrize("ran", [True, False])
def test_command_and_image_of_the_instance_come_back_whether_it_ran_or_not(services: FakeServices, ran: bool) -> None:
    services.start("api", Given({"MIDDLEWARE": "a"}, ("serve", "--slowly"), image="app:old 0123"))
    services.be("api", status="running" if ran else "exited")
    before = services.state("api")
    undo(do(StartService(services=("api",)), services), services)
    now = services.state("api")
    assert (now.running, now.environment, now.settings) == (ran, before.environment, before.settings)
    assert now.settings == {"command": "serve --slowly", "image": "app:old 0123"}


def test_what_somebody_else_has_changed_meanwhile_is_not_taken_back(services: FakeServices) -> None:
    services.start("api", Given({"MIDDLEWARE": "a"}))
    [start] = do(StartService(services=("api",), env={"api": {"MIDDLEWARE": ""}}), services)
    services.start("api", Given({"MIDDLEWARE": "somebody's"}))
    inverse = start.inverse()
    assert inverse
    with pytest.raises(Drifted, match="api is not as this run left it") as caught:
        inverse.apply(world(services))
    assert caught.value.why == "MIDDLEWARE is \"somebody's\", wanted ''"
    assert services.state("api").environment["MIDDLEWARE"] == "somebody's"


def test_of_a_service_without_an_instance_nothing_but_its_status_is_known(services: FakeServices) -> None:
    assert former(services.state("api")) == Former("missing", fixed=False)
    services.start("api", Given({"MIDDLEWARE": "somebody's"}))
    assert otherwise(services.state("api"), Former("missing", fixed=False)) == []
    assert otherwise(services.state("api"), Former("missing")) != []


@pytest.mark.parametrize(
    ("before", "now", "wrong"),
    [
        ("stopped", "exited", ""),
        ("restarting", "exited", ""),
        ("running", "exited", "it is exited, it was running"),
        ("stopped", "running", "it is running, it was stopped"),
    ],
)
def test_a_service_is_as_before_when_it_runs_as_it_did(
    services: FakeServices, before: Any, now: str, wrong: str
) -> None:
    services.start("db")
    services.be("db", status=now)
    evidence = ServiceAsBefore("db", Former(before)).ask(world(services))
    assert (evidence.passed, evidence.answer) == (not wrong, wrong or f"yes: {before}")


def test_what_ended_between_two_looks_is_not_stopped(services: FakeServices) -> None:
    services.start("db")
    services.start("worker")
    services.end("db", 0)
    view = SimpleNamespace(
        names=services.names, state=services.state, statuses=lambda: {"db": "running", "worker": "running"}
    )
    assert said(list(StopService(except_=()).decide(world(view)))) == [("stop worker", "it is running")]  # type: ignore[arg-type]


def test_an_undo_says_what_it_brings_back() -> None:
    before = Former("running", {"MIDDLEWARE": "a", "API_TOKEN": "t0p"}, {"image": "app:old"})
    assert Restore("api", before, before).describe == (
        "start api, as it was, with MIDDLEWARE='a', API_TOKEN=***, image 'app:old'"
    )
    assert Restore("api", Former("exited"), before).describe == "stop api, as it was"
