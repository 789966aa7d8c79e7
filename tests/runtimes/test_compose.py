"""What the compose runtime does to a real project, and what it never does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engines import IMAGE, Project, docker, own_tag, project
from replicas import until

from recover.checks.service import ServiceIs
from recover.errors import Precondition, StepError, Unreachable
from recover.runtimes import RUNTIMES, Site
from recover.runtimes.compose import ComposeRuntime
from recover.stack import Given
from recover.steps.service import StartService
from recover.world import Action

pytestmark = pytest.mark.docker

FILE = """
x-base: &base {image: "${IMAGE}", command: [sleep, "600"], init: true}
services:
  db: {<<: *base, volumes: ["data:/data", /nameless], environment: {MODE: full}}
  api:
    <<: *base
    environment: {MODE: full, TOKEN: in-the-file}
    depends_on: {db: {condition: service_started}}
    volumes: [/nameless, "shared:/shared"]
  worker: {<<: *base, depends_on: [api]}
volumes: {data: {}, shared: {}}
"""
OVERRIDE = 'services: {api: {environment: {MODE: overridden}, cap_add: [NET_ADMIN], labels: {mode: "degraded"}}}'


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """A name of our own for the image: others may be rebuilding it."""
    tag = own_tag("app")
    docker("tag", IMAGE, tag)
    yield tag
    docker("image", "rm", "--force", tag)


@pytest.fixture
def made(tmp_path: Path, image: str) -> Iterator[Project]:
    """A project that the user's own compose has started."""
    with project(tmp_path, FILE, {"IMAGE": image}) as made:
        made.compose("up", "--detach")
        yield made


def decide(made: Project, work: StartService) -> list[Action]:
    return list(work.decide(_world(made)))


def do(made: Project, work: StartService) -> Action:
    """Apply the one action and prove that nothing is left to decide."""
    [action] = decide(made, work)
    action.apply(_world(made))
    assert decide(made, work) == []
    return action


def as_declared(made: Project, service: str = "api") -> str:
    evidence = ServiceIs(service, "running", as_declared=True).ask(_world(made))
    assert evidence.passed == (evidence.answer == "yes")
    return evidence.answer


def containers(made: Project) -> dict[str, tuple[str, str]]:
    """By name: id and start of every container of the project."""
    names = made.containers()
    seen = json.loads(docker("inspect", *names)) if names else []
    return {facts["Name"].lstrip("/"): (facts["Id"], facts["State"]["StartedAt"]) for facts in seen}


def inside(made: Project, service: str, *words: str) -> str:
    return docker("exec", made.container(service), *words)


# --- degraded modes -------------------------------------------------------------------------------

DEGRADED: dict[str, tuple[dict[str, Any], str, str]] = {
    "env": (
        {"env": {"api": {"MODE": "safe", "EXTRA": ""}}},
        "recreate api with MODE='safe', EXTRA=''",
        "MODE is 'safe', wanted 'full'; EXTRA is '', wanted unset",
    ),
    "command": (
        {"command": {"api": ("sleep", "601")}},
        "recreate api with the command 'sleep 601'",
        "command is 'sleep 601', wanted 'sleep 600'",
    ),
    "overrides": (
        {"overrides": ("override.yaml",)},
        "recreate api with override.yaml",
        "MODE is 'overridden', wanted 'full'; "
        "cap_add is 'NET_ADMIN', wanted ''; label mode is 'degraded', wanted unset",
    ),
    "all three": (
        {
            "env": {"api": {"MODE": "safe"}},
            "command": {"api": ("sleep", "601")},
            "overrides": ("override.yaml",),
        },
        "recreate api with MODE='safe', the command 'sleep 601', override.yaml",
        "MODE is 'safe', wanted 'full'; command is 'sleep 601', wanted 'sleep 600'; "
        "cap_add is 'NET_ADMIN', wanted ''; label mode is 'degraded', wanted unset",
    ),
}


@pytest.mark.parametrize("mode", DEGRADED)
def test_into_a_degraded_mode_and_out_of_it(made: Project, mode: str) -> None:
    given, describe, differs = DEGRADED[mode]
    path = made.file.parent / "override.yaml"
    path.write_text(OVERRIDE)
    work = StartService(services=("api",), **{**given, **({"overrides": (path,)} if "overrides" in given else {})})
    others = {name: seen for name, seen in containers(made).items() if "-api-" not in name}

    assert as_declared(made) == "yes"
    assert do(made, work).describe == describe
    assert as_declared(made) == differs
    out = do(made, StartService(services=("api",)))
    assert (out.describe, out.because) == ("recreate api", differs)
    assert as_declared(made) == "yes"
    assert {name: seen for name, seen in containers(made).items() if "-api-" not in name} == others


def test_a_degraded_service_that_was_stopped_starts_degraded_only_where_that_is_wanted(made: Project) -> None:
    work = StartService(services=("api",), env={"api": {"MODE": "safe"}})
    do(made, work)
    made.runtime.stop("api")
    instance = made.container("api")
    assert do(made, work).because == "it is stopped"
    assert made.container("api") == instance
    made.runtime.stop("api")
    assert do(made, StartService(services=("api",))).because == "it is stopped; MODE is 'safe', wanted 'full'"


# --- what compose itself thinks of it afterwards --------------------------------------------------


def test_a_plain_compose_up_leaves_what_recover_has_made_alone(made: Project) -> None:
    for service in ("db", "api", "worker"):
        do(made, StartService(services=(service,), env={service: {"MODE": "safe"}}))
    for service in ("db", "api", "worker"):
        do(made, StartService(services=(service,)))
    docker("rm", "--force", made.container("worker"))
    do(made, StartService(services=("worker",)))
    before = containers(made)
    made.compose("up", "--detach")
    assert containers(made) == before


def test_what_it_depends_on_is_neither_made_nor_changed_nor_started(made: Project) -> None:
    do(made, StartService(services=("db",), env={"db": {"MODE": "safe"}}))
    made.runtime.stop("db")
    db = containers(made)[made.container("db")]
    do(made, StartService(services=("api",), env={"api": {"MODE": "safe"}}))
    assert containers(made)[made.container("db")] == db
    assert made.runtime.state("db").status == "stopped"
    docker("rm", "--force", made.container("db"))
    do(made, StartService(services=("api",)))
    assert made.containers("db") == []


def test_what_it_depends_on_stays_as_it_is_where_its_file_says_otherwise_now(made: Project) -> None:
    """Also in what recover does not compare: compose would make it anew."""
    db = containers(made)[made.container("db")]
    made.file.write_text(FILE.replace("db: {<<: *base,", "db: {<<: *base, logging: {options: {max-size: 1m}},"))
    do(made, StartService(services=("api",), env={"api": {"MODE": "safe"}}))
    assert containers(made)[made.container("db")] == db


def test_what_it_depends_on_stays_as_it_is_where_its_image_has_changed(tmp_path: Path, image: str) -> None:
    tag = own_tag("moved")
    docker("tag", image, tag)
    try:
        with project(
            tmp_path, FILE.replace("db: {<<: *base,", f"db: {{<<: *base, image: '{tag}',"), {"IMAGE": image}
        ) as made:
            made.compose("up", "--detach")
            db = containers(made)[made.container("db")]
            docker("tag", docker("commit", made.container("db")).strip(), tag)
            do(made, StartService(services=("api",), env={"api": {"MODE": "safe"}}))
            assert containers(made)[made.container("db")] == db
    finally:
        docker("image", "rm", "--force", tag)


# --- never ----------------------------------------------------------------------------------------


def test_volumes_keep_their_data_also_those_without_a_name(made: Project) -> None:
    for place in ("/data", "/nameless"):
        inside(made, "db", "sh", "-c", f"echo kept > {place}/file")
    first = containers(made)[made.container("db")]
    do(made, StartService(services=("db",), env={"db": {"MODE": "safe"}}))
    do(made, StartService(services=("db",)))
    assert containers(made)[made.container("db")][0] != first[0]
    assert inside(made, "db", "cat", "/data/file", "/nameless/file") == "kept\nkept\n"
    assert len(made.containers()) == 3


def test_a_missing_container_is_made_and_no_other(made: Project) -> None:
    docker("rm", "--force", made.container("api"), made.container("worker"))
    db = containers(made)
    assert do(made, StartService(services=("api",))).because == "it is missing: there is no container of it"
    assert {name for name in containers(made) if name not in db} == {f"{made.name}-api-1"}
    assert db.items() <= containers(made).items()


def test_a_volume_that_is_gone_with_the_container_is_said(made: Project) -> None:
    docker("rm", "--force", "--volumes", made.container("db"))
    docker("volume", "rm", f"{made.name}_data")
    [action] = decide(made, StartService(services=("db",)))
    assert action.because == (
        "it is missing: there is no container of it; "
        f"its volume {made.name}_data is not there either and would begin empty"
    )


def test_what_is_given_arrives_as_it_is_and_is_kept_privately(made: Project) -> None:
    value = "a$b ${HOME} $$x 'q' \"d\"\nline"
    made.runtime.start("api", Given({"MODE": value}, command=("sh", "-c", "echo $0; echo $$; sleep 600")))
    kept = made.runtime.run / "overrides" / "api.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(kept.read_text())["services"]["api"]["environment"] == {"MODE": value.replace("$", "$$")}
    assert made.runtime.state("api").environment["MODE"] == value
    assert inside(made, "api", "printenv", "MODE") == value + "\n"
    until(lambda: list(made.runtime.logs("api"))[:1] == ["sh"])


@pytest.mark.parametrize("tty", ["false", "true"])
def test_a_long_log_is_read_whole_with_and_without_a_terminal(tmp_path: Path, image: str, tty: str) -> None:
    number, wide, bare = 5_000, 40_000, "é" * 10
    talk = f"for n in range({number}): print(n, {bare!r}, flush=n % 3)\nprint('w' * {wide})"
    said = {"image": image, "tty": tty == "true", "command": ["python", "-c", talk], "environment": ["TZ=Asia/Tokyo"]}
    with project(tmp_path, json.dumps({"services": {"a": said}}), {"IMAGE": image}) as made:
        made.compose("up", "--detach")
        until(lambda: made.runtime.state("a").status == "exited")
        *short, last = made.runtime.logs("a")
        zone = made.runtime.state("a").zone
    assert short == [f"{n} {bare}" for n in range(number)]
    assert (last, zone) == ("w" * wide, "Asia/Tokyo")


NOT_THERE = {
    "image": ("image: recovertest/never:made", "recovertest/never:made", "pull"),
    "always pulled": ("image: recovertest/never:made, pull_policy: always", "recovertest/never:made", "pull"),
    "built": ("build: {context: .}", "PROJECT-extra", "build"),
    "always built": ("build: {context: .}, pull_policy: build", "PROJECT-extra", "build"),
}


@pytest.mark.parametrize("kind", NOT_THERE)
def test_nothing_is_pulled_or_built(tmp_path: Path, image: str, kind: str) -> None:
    said, reference, get = NOT_THERE[kind]
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\n")
    with project(tmp_path, FILE.replace("  worker:", f"  extra: {{{said}}}\n  worker:"), {"IMAGE": image}) as made:
        with pytest.raises(StepError) as caught:
            made.runtime.start("extra")
        assert caught.value.what == "cannot make the container of extra: its image is missing"
        reference = reference.replace("PROJECT", made.name)
        assert caught.value.why == f"the engine has no image {reference!r}, and nothing is pulled or built here"
        build = f"docker compose -p {made.name} -f {made.file} build extra"
        assert caught.value.next == (build if get == "build" else f"docker pull {reference}")
        assert made.containers() == []


def test_an_image_that_is_there_is_used_whatever_the_pull_policy(tmp_path: Path, image: str) -> None:
    always = FILE.replace("init: true}", "init: true, pull_policy: always}")
    with project(
        tmp_path, always.replace("worker: {<<: *base", "worker: {<<: *base, build: {context: /nowhere}")
    ) as made:
        made.runtime.start("worker")
        assert made.runtime.state("worker").running


def test_an_image_that_was_built_under_composes_own_name_is_found(tmp_path: Path, image: str) -> None:
    with project(tmp_path, "services: {own: {build: {context: .}, command: [sleep, '600'], init: true}}") as made:
        docker("tag", image, f"{made.name}-own")
        try:
            made.compose("up", "--detach", "--no-build")
            assert as_declared(made, "own") == "yes"
            do(made, StartService(services=("own",), env={"own": {"A": "b"}}))
        finally:
            docker("rm", "--force", *made.containers())
            docker("image", "rm", "--force", f"{made.name}-own")


def test_a_surplus_container_is_not_removed(made: Project) -> None:
    made.compose("up", "--detach", "--scale", "api=2", "--no-recreate")
    names = made.containers("api")
    state = made.runtime.state("api", probe=True)
    assert not state.ready
    assert state.detail.startswith("2 containers of api, not 1: ")
    with pytest.raises(StepError) as caught:
        made.runtime.start("api", Given({"MODE": "safe"}))
    assert caught.value.what == "there are 2 containers of api, not 1"
    assert set(caught.value.where.split(", ")) == set(names)
    assert made.containers("api") == names


def test_the_first_words_of_a_container_are_in_its_log_and_not_those_of_before(made: Project) -> None:
    """The engine's StartedAt is later than the first words of a fast program."""
    for number in range(5):
        made.runtime.start("api", Given(command=("sh", "-c", f"echo first {number}")))
        until(lambda: made.runtime.state("api").status == "exited")
        assert list(made.runtime.logs("api")) == [f"first {number}"]
    began = made.runtime.state("api").started_at
    assert began
    made.runtime.start("api", Given(command=("sh", "-c", "echo first 4")))
    until(lambda: made.runtime.state("api").status == "exited")
    assert list(made.runtime.logs("api")) == ["first 4"]
    assert list(made.runtime.logs("api", began - timedelta(seconds=1))) == ["first 4", "first 4"]


# --- without a project, without a file ------------------------------------------------------------


def test_a_project_that_left_nothing_is_likely_on_another_engine(made: Project, tmp_path: Path) -> None:
    absent = replace(made.runtime, project="recovertestabsent")
    absent = replace(absent, file=replace(made.runtime.file, project="recovertestabsent"))
    for ask in (lambda: absent.state("api"), lambda: absent.start("api"), lambda: absent.stop("api")):
        with pytest.raises(Unreachable) as caught:
            ask()
        assert caught.value.what == "the engine has no project 'recovertestabsent'"
        assert made.name in caught.value.why
        assert "unix:///var/run/docker.sock" in caught.value.where
        assert caught.value.exit_code == 7
    assert not [name for name in docker("ps", "-a", "--format", "{{.Names}}").split() if "absent" in name]


def test_a_project_that_left_only_a_volume_is_there(made: Project) -> None:
    docker("rm", "--force", *made.containers())
    assert made.runtime.state("api").status == "missing"


def fileless(made: Project) -> ComposeRuntime:
    site = Site((), made.name, made.file.parent / "nothing", made.runtime.run)
    runtime = RUNTIMES["compose"](site)
    assert isinstance(runtime, ComposeRuntime)
    return runtime


def test_without_a_file_the_containers_are_started_and_stopped_as_they_are(made: Project) -> None:
    without = replace(made, runtime=fileless(made))
    before = {name: seen[0] for name, seen in containers(made).items()}
    assert without.runtime.names() == ("api", "db", "worker")
    assert set(without.runtime.statuses().values()) == {"running"}
    without.runtime.stop("api")
    assert without.runtime.state("api").status == "stopped"
    assert do(without, StartService(services=("api",))).because == (
        "it is stopped; no compose file names it, so it is taken as it is"
    )
    assert {name: seen[0] for name, seen in containers(made).items()} == before


def test_without_a_file_no_other_configuration_can_be_given(made: Project) -> None:
    before = containers(made)
    with pytest.raises(StepError) as caught:
        fileless(made).start("api", Given({"MODE": "safe"}))
    assert caught.value.what == "cannot give api another configuration"
    assert caught.value.why == "no compose file names it, so it is taken as it is"
    assert containers(made) == before


def test_without_a_file_nothing_is_called_declared(made: Project) -> None:
    answer = as_declared(replace(made, runtime=fileless(made)))
    assert answer == "no compose file names it, so it is taken as it is"


def test_a_container_that_the_file_no_longer_names_is_one_without_a_file(made: Project) -> None:
    made.file.write_text(FILE.replace("  worker: {<<: *base, depends_on: [api]}\n", ""))
    assert made.runtime.names() == ("db", "api", "worker")
    assert made.runtime.state("worker").note == "no compose file names it, so it is taken as it is"
    assert made.runtime.state("api").note == ""


def test_without_file_and_containers_there_is_no_project(tmp_path: Path) -> None:
    site = Site((), "recovertestabsent", tmp_path / "nothing", tmp_path / "run")
    with pytest.raises(Precondition) as caught:
        RUNTIMES["compose"](site).state("api")
    assert caught.value.what == "the engine has no project 'recovertestabsent'"


def _world(made: Project) -> Any:
    return SimpleNamespace(services=made.runtime)
