"""Acts on real containers taken back: environment, command, image and status as they were, and done again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engines import IMAGE, Project, docker, own_tag, project

from recover.acting import as_data
from recover.errors import Drifted
from recover.journal.records import plain
from recover.stack import Given
from recover.steps import load_action
from recover.steps.service import StartService, StopService
from recover.world import Action, Inverse

pytestmark = pytest.mark.docker

FILE = """
services:
  api: {image: "${IMAGE}", command: [sleep, "600"], init: true, environment: {MODE: full, TOKEN: in-the-file}}
"""
OVERRIDE = "services: {api: {user: nobody}}"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path, FILE, {"IMAGE": IMAGE}) as made:
        yield made


def world(made: Project) -> Any:
    return SimpleNamespace(services=made.runtime)


def config(made: Project) -> dict[str, Any]:
    """What the container was made with, beside its id and compose's own labels."""
    [facts] = json.loads(docker("inspect", made.container("api")))
    has = facts["Config"]
    kept = {key: has[key] for key in ("Env", "Cmd", "Entrypoint", "User", "WorkingDir")}
    return {**kept, "Env": sorted(kept["Env"]), "image": facts["Image"], "running": facts["State"]["Running"]}


def do(made: Project, work: Any) -> list[Action]:
    actions = list(work.decide(world(made)))
    for action in actions:
        action.apply(world(made))
    return actions


def undo(made: Project, actions: list[Action]) -> None:
    """As a journal keeps them, the last first, each proven before and after."""
    for action in reversed(actions):
        inverse = load_action(json.loads(json.dumps(plain(as_data(action))))).inverse()
        assert inverse
        assert not proven(made, inverse)
        inverse.apply(world(made))
        assert proven(made, inverse)


def proven(made: Project, inverse: Inverse) -> bool:
    return all(proof.ask(world(made)).passed for proof in inverse.proofs())


DEGRADED = StartService(("api",), env={"api": {"MODE": ""}})
DECLARED = StartService(("api",))


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize(
    "given",
    [Given(), Given({"MODE": "old", "EXTRA": "$x"}), Given(command=("sleep", "601"))],
    ids=["file", "env", "cmd"],
)
def test_a_start_is_taken_back_to_the_configuration_before_it(made: Project, given: Given, runs: bool) -> None:
    made.runtime.start("api", given)
    if not runs:
        made.runtime.stop("api")
    before = config(made)
    actions = do(made, DEGRADED)
    after = config(made)
    assert after != before
    undo(made, actions)
    assert config(made) == before
    do(made, DEGRADED)
    assert config(made) == after


@pytest.mark.parametrize("named", [True, False], ids=["named", "by id"])
def test_the_image_of_before_comes_back_by_its_name_or_its_id(tmp_path: Path, named: bool) -> None:
    tag, work = own_tag("app"), tmp_path / "image"
    work.mkdir()
    (work / "Dockerfile").write_text(f"FROM {IMAGE}\nLABEL recovertest={tag}\n")
    docker("tag", IMAGE, f"{tag}-old")
    try:
        with project(tmp_path, FILE, {"IMAGE": f"{tag}-old"}) as made:
            made.runtime.start("api")
            before = config(made)
            docker("build", "--network=host", "--tag", f"{tag}-new", str(work))
            if not named:
                docker("tag", f"{tag}-new", f"{tag}-old")
            (tmp_path / ".env").write_text(f"IMAGE={tag}-{'new' if named else 'old'}\n")
            actions = do(made, DECLARED)
            assert config(made)["image"] != before["image"]
            undo(made, actions)
            assert config(made) == before
            do(made, DECLARED)
            assert config(made)["image"] != before["image"]
    finally:
        docker("image", "rm", "--force", f"{tag}-old", f"{tag}-new")


def test_stops_and_starts_of_several_steps_are_taken_back_one_by_one(made: Project) -> None:
    made.runtime.start("api", Given({"MODE": "first"}))
    before = config(made)
    acts = [*do(made, StopService(("api",))), *do(made, DEGRADED), *do(made, DECLARED)]
    assert len(acts) == 3
    undo(made, acts)
    assert config(made) == before


def test_what_nothing_can_give_a_container_again_leaves_no_undo(made: Project, tmp_path: Path) -> None:
    (override := tmp_path / "override.yaml").write_text(OVERRIDE)
    made.runtime.start("api", Given(overrides=(override,)))
    [action] = DECLARED.decide(world(made))
    assert action.inverse() is None
    [into] = StartService(("api",), overrides=(override,), env={"api": {"MODE": ""}}).decide(world(made))
    assert into.inverse() is None


def test_into_a_degraded_mode_by_an_override_and_back(made: Project, tmp_path: Path) -> None:
    (override := tmp_path / "override.yaml").write_text(OVERRIDE)
    made.runtime.start("api")
    before = config(made)
    actions = do(made, StartService(("api",), overrides=(override,)))
    assert config(made)["User"] == "nobody"
    undo(made, actions)
    assert config(made) == before


def test_a_container_that_somebody_else_has_made_anew_is_not_taken_back(made: Project) -> None:
    made.runtime.start("api")
    [action] = do(made, DEGRADED)
    made.runtime.start("api", Given({"MODE": "somebody's"}))
    before, inverse = config(made), action.inverse()
    assert inverse
    with pytest.raises(Drifted, match="not as this run left it"):
        inverse.apply(world(made))
    assert config(made) == before
