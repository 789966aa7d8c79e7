"""Whose run is acted on: real owners and modes, so these tests need root."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import mine

from recover.errors import Precondition, Unreadable
from recover.events import StepStarted
from recover.journal.ownership import require_ours
from recover.journal.records import NAME, FileJournal, create
from recover.journal.runs import folders
from recover.secrets import Redactor

ALICE, BEN = 64101, 64102
AGAIN = "recover resume run-1 --trust-owner"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users: NOT TESTED HERE")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of ours with everything that a run has."""
    made = create(tmp_path / "state", "p", "run-1")
    for name in ("playbook.yml", "plan.json"):
        (made / name).write_text("x")
        (made / name).chmod(0o600)
    journal = FileJournal(made / NAME, Redactor(), mine)
    journal(StepStarted("a", "A", "S"))
    journal.close()
    (made.parent / "lock").touch(0o600)
    return made


def given_to(uid: int, *paths: Path) -> None:
    for path in paths:
        os.chown(path, uid, uid)


def require(folder: Path, *, trust: bool = False) -> None:
    require_ours(folder, trust_owner=trust, again=AGAIN)


def as_user(uid: int, folder: Path, *, trust: bool = False) -> str:
    """What a process of that user is told that would go on with the run, "" for nothing."""
    return done_by(uid, lambda: require(folder, trust=trust))


def done_by(uid: int, deed: Callable[[], object]) -> str:
    """What a process of that user is told, "" for nothing."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            deed()
        except BaseException as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        return said.read()


def opened_up(folder: Path) -> None:
    """The folders above it can be entered by everybody, and written by nobody else."""
    for path in (folder, *folder.parents[:3]):
        path.chmod(0o755)
    for path in folder.parents[2:]:
        if path.stat().st_mode & 0o001 == 0:
            path.chmod(0o711)


def test_our_own_run_needs_no_word(folder: Path) -> None:
    require(folder)


@pytest.mark.parametrize("trust", [False, True])
def test_root_acts_on_another_users_run_only_when_it_is_trusted_and_is_told_whose_it_is(
    folder: Path, trust: bool
) -> None:
    given_to(ALICE, folder, *folder.rglob("*"), *folder.parent.iterdir())
    if trust:
        return require(folder, trust=True)
    with pytest.raises(Precondition) as caught:
        require(folder)
    assert f"was written by uid {ALICE}, and you are root (uid 0)" in caught.value.what
    assert "would be done as you" in caught.value.what
    assert caught.value.next.endswith(AGAIN)
    return None


def test_another_user_acts_on_roots_run_only_when_it_is_trusted(folder: Path) -> None:
    opened_up(folder)
    said = as_user(BEN, folder)
    assert f"was written by root (uid 0), and you are uid {BEN}" in said
    assert as_user(BEN, folder, trust=True) == ""


def test_a_user_acts_on_his_own_run_also_after_root_went_on_with_it(folder: Path) -> None:
    opened_up(folder)
    given_to(BEN, folder, folder / NAME, folder / "playbook.yml")
    assert as_user(BEN, folder) == ""


@pytest.mark.parametrize("name", [NAME, "playbook.yml", "plan.json", "evidence", "../heads/run-1"])
@pytest.mark.parametrize("trust", [False, True])
def test_a_file_of_a_third_user_is_never_trusted(folder: Path, name: str, trust: bool) -> None:
    given_to(ALICE, folder, *folder.rglob("*"))
    given_to(BEN, folder / name)
    with pytest.raises(Precondition, match=f"a file of the run was written by uid {BEN}") as caught:
        require(folder, trust=trust)
    assert f"chown {ALICE} " in caught.value.next


@pytest.mark.parametrize("name", [".", NAME, "playbook.yml", "plan.json", "evidence", "../heads/run-1"])
@pytest.mark.parametrize(("mode", "who"), [(0o620, "the group"), (0o602, "everybody")])
def test_what_others_may_write_is_refused_with_the_chmod_to_type(folder: Path, name: str, mode: int, who: str) -> None:
    path = folder / name
    path.chmod(mode | (0o700 if path.is_dir() else 0))
    for trust in (False, True):
        with pytest.raises(Precondition, match=who) as caught:
            require(folder, trust=trust)
        assert f"chmod go-w {path.resolve()}" in caught.value.next


@pytest.mark.parametrize("levels", [1, 2])
def test_a_folder_above_that_everybody_may_write_is_refused_unless_it_is_sticky(folder: Path, levels: int) -> None:
    above = folder.parents[levels - 1]
    above.chmod(0o777)
    with pytest.raises(Precondition, match="everybody may write") as caught:
        require(folder)
    assert caught.value.next.endswith(f"chmod o-w {above}")
    above.chmod(0o1777)
    require(folder)
    above.chmod(0o770)  # colleagues share it
    require(folder)


def test_a_lock_that_everybody_may_write_is_refused(folder: Path) -> None:
    (folder.parent / "lock").chmod(0o666)
    with pytest.raises(Precondition, match="everybody may write"):
        require(folder)


@pytest.mark.parametrize("of", [lambda f: f, lambda f: f.parent, lambda f: f / NAME, lambda f: f / "playbook.yml"])
def test_a_link_within_the_state_folder_is_refused(folder: Path, of: Callable[[Path], Path]) -> None:
    path = of(folder)
    path.rename(folder.parents[2] / "elsewhere")
    path.symlink_to(folder.parents[2] / "elsewhere")
    with pytest.raises(Precondition, match="a link is in the state folder"):
        require(folder)


def test_the_state_folder_itself_may_be_a_link(folder: Path) -> None:
    state = folder.parents[1]
    state.rename(state.with_name("disk"))
    state.symlink_to("disk")
    require(folder)


def test_a_state_folder_that_cannot_be_looked_into_is_not_called_empty(folder: Path) -> None:
    opened_up(folder)
    project, state = folder.parents[:2]
    assert done_by(BEN, lambda: folders(state)) == done_by(BEN, lambda: folders(state, "p")) == ""
    project.chmod(0o700)
    assert f"cannot read {project}\n" in done_by(BEN, lambda: folders(state, "p"))
    state.chmod(0o700)
    assert f"cannot read {state}\n" in done_by(BEN, lambda: folders(state))
    assert folders(state / "none") == []
    with pytest.raises(Unreadable, match="cannot read"):
        folders(folder / NAME)


@pytest.mark.parametrize("name", ["evidence/main-1.dump", "overrides", "overrides/api.json"])
def test_whatever_else_is_in_the_folder_is_looked_at_too(folder: Path, name: str) -> None:
    (folder / "overrides").mkdir(0o700)
    for each in ("evidence/main-1.dump", "overrides/api.json"):
        (folder / each).write_text("{}")
    path = folder / name
    path.chmod(0o777)
    require(folder)  # nobody else gets there
    folder.chmod(0o711)
    with pytest.raises(Precondition, match="everybody may write"):
        require(folder)
    path.chmod(0o700)
    given_to(BEN, path)
    with pytest.raises(Precondition, match=f"a file of the run was written by uid {BEN}"):
        require(folder)
    path.rename(folder.parents[1] / "elsewhere")
    path.symlink_to(folder.parents[1] / "elsewhere")
    with pytest.raises(Precondition, match="a link is in the state folder"):
        require(folder)
