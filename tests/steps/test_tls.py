"""tls.reissue: a new pair that the check accepts, the old one back byte for byte, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from json import dumps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from authorities import Pair, authority
from worlds import Died

from recover.acting import as_data
from recover.errors import Drifted, NotYetKnown, PlaybookError, StepError, SystemRefused
from recover.journal.records import plain
from recover.stack import KeyPair
from recover.steps import load_action
from recover.steps.tls import ReissueCertificate
from recover.world import Forecast, Inverse, RunPlace

CA = authority()
VIEW: Any = None
NAMES = ("db", "localhost", "127.0.0.1")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are; the authority's are there."""
    made = tmp_path / "tls"
    made.mkdir()
    CA.write(made, "ca")
    return made


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return SimpleNamespace(place=RunPlace("r1", tmp_path / "run"))


def step(folder: Path, **more: Any) -> ReissueCertificate:
    ca = KeyPair(str(folder / "ca.crt"), str(folder / "ca.key"))
    arguments = {"certificate": str(folder / "server.crt"), "key": str(folder / "server.key"), "authority": ca}
    return ReissueCertificate(**{**arguments, "names": NAMES, **more})


def do(work: ReissueCertificate, world: Any) -> Any:
    """Decide and apply, as it comes out of a journal, and prove that nothing is left; the action."""
    [action] = work.decide(VIEW)
    record = loaded(action).apply(world)
    assert work.decide(VIEW) == ()
    answers = [proof.ask(VIEW) for proof, _ in work.proofs()]
    assert all(answer.passed for answer in answers), answers
    assert len(answers) == len(work.names)
    assert "PRIVATE KEY" not in dumps([plain(as_data(action)), record])
    return action


def loaded(action: Any) -> Any:
    """The action as a journal gives it back."""
    return load_action(plain(as_data(action)))  # type: ignore[arg-type]


def undo(action: Any, world: Any) -> None:
    """Take it back, and prove it."""
    inverse = inverse_of(action)
    inverse.apply(world)
    assert proven(inverse)


def inverse_of(action: Any) -> Inverse:
    inverse = loaded(action).inverse()
    assert inverse is not None
    return inverse


def proven(inverse: Inverse) -> bool:
    return all(proof.ask(VIEW).passed for proof in inverse.proofs())


def state(folder: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Content, mode and owner of the pair."""
    files = [path for path in (folder / "server.crt", folder / "server.key") if path.exists()]
    return {path.name: (path.read_bytes(), (s := path.stat()).st_mode, s.st_uid, s.st_gid) for path in files}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"ca.crt", "ca.key"}


# --- do, undo, do -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaf", "because"),
    [
        (CA.leaf(*NAMES, begin=-9, end=-3), "it expired on"),
        (CA.leaf(*NAMES, begin=3), "it is not valid before"),
        (CA.leaf(*NAMES, end=5), "it is valid only until"),
        (CA.leaf("db"), "it is not for localhost, 127.0.0.1: it is only for db"),
        (authority("Other CA").leaf(*NAMES), "its issuer is CN=Other CA"),
    ],
)
def test_a_bad_pair_is_made_anew_and_put_back_byte_for_byte(folder: Path, world: Any, leaf: Pair, because: str) -> None:
    leaf.write(folder)
    before = state(folder)
    for _ in range(2):
        action = do(step(folder), world)
        assert because in action.because
        assert action.touches == (f"file:{folder}/server.crt", f"file:{folder}/server.key")
        after = state(folder)
        assert {name: told[1:] for name, told in after.items()} == {name: told[1:] for name, told in before.items()}
        assert all(after[name][0] != before[name][0] for name in before)
        undo(action, world)
        assert state(folder) == before
    assert names(folder) == {"server.crt", "server.key", "server.crt.before-r1", "server.key.before-r1"}


def test_a_good_pair_is_left_alone(folder: Path) -> None:
    CA.leaf(*NAMES).write(folder)
    assert step(folder).decide(VIEW) == ()
    assert step(folder, names=(*NAMES, "other")).decide(VIEW) != ()


def test_a_key_of_another_certificate_is_a_reason(folder: Path, world: Any) -> None:
    CA.leaf(*NAMES).write(folder)
    (folder / "server.key").write_bytes(CA.leaf("db").key_pem)
    assert "does not belong" in do(step(folder), world).because


def test_where_there_was_none_it_is_private_and_an_undo_removes_it(folder: Path, world: Any) -> None:
    action = do(step(folder), world)
    assert "server.key: No such file or directory" in action.because
    assert "kept" not in action.describe
    assert [oct(told[1] & 0o777) for _, told in sorted(state(folder).items())] == ["0o644", "0o600"]
    undo(action, world)
    assert names(folder) == set()


def test_a_key_that_others_could_read_is_replaced_by_one_that_they_cannot(folder: Path, world: Any) -> None:
    CA.leaf(*NAMES).write(folder)
    (folder / "server.key").chmod(0o644)
    before = state(folder)
    action = do(step(folder), world)
    assert "its mode is 0644" in action.because
    assert (folder / "server.key").stat().st_mode & 0o007 == 0
    undo(action, world)
    assert state(folder) == before


@root
def test_the_old_owners_stay(folder: Path, world: Any) -> None:
    CA.leaf("db").write(folder)
    os.chown(folder / "server.key", 0, 5000)
    (folder / "server.key").chmod(0o640)
    os.chown(folder / "server.crt", 5001, 5001)
    before = state(folder)
    action = do(step(folder), world)
    assert [told[1:] for told in state(folder).values()] == [told[1:] for told in before.values()]
    kept = folder / "server.key.before-r1"
    assert (kept.stat().st_mode & 0o777, kept.stat().st_gid) == (0o640, 5000)
    undo(action, world)
    assert state(folder) == before


@root
def test_the_new_key_is_given_to_its_owner(folder: Path, world: Any) -> None:
    work = step(folder, owner="5000")
    do(work, world)
    assert state(folder)["server.key"][1:] == (0o100600, 5000, 5000)
    os.chown(folder / "server.key", 5001, 5001)
    assert "it has to belong to 5000" in do(work, world).because
    assert state(folder)["server.key"][2:] == (5000, 5000)


# --- killed ---------------------------------------------------------------------------------------


def killing(monkeypatch: pytest.MonkeyPatch, call: str, n: int) -> Callable[[], None]:
    """The n-th call of that function in `os` is the last thing this process does; gives what revives it."""
    real, calls = getattr(os, call), [0]

    def dies(*words: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] == n:
            raise Died
        return real(*words, **more)

    monkeypatch.setattr(os, call, dies)
    return lambda: monkeypatch.setattr(os, call, real)


POINTS = [*(("replace", n) for n in range(1, 5)), *(("fsync", n) for n in range(1, 11))]
"""Two copies, two new files: each with an fsync of the file, a rename and an fsync of the folder; and the note."""


@pytest.mark.parametrize(("call", "n"), POINTS)
@pytest.mark.parametrize("there", [True, False])
def test_killed_anywhere_it_ends_well_when_it_is_run_again_and_so_does_the_undo(
    folder: Path, world: Any, monkeypatch: pytest.MonkeyPatch, call: str, n: int, there: bool
) -> None:
    if there:
        CA.leaf("db").write(folder)
    before = state(folder)
    [first] = step(folder).decide(VIEW)
    revive = killing(monkeypatch, call, n)
    try:
        first.apply(world)
    except Died:
        pass
    else:
        assert not there, "this point was not reached"
    revive()
    acts = [first]
    if step(folder).decide(VIEW):
        acts.append(do(step(folder), world))
    assert not any(name.startswith(".") for name in names(folder))
    if there:
        assert (folder / "server.crt.before-r1").read_bytes() == before["server.crt"][0]
        assert (folder / "server.key.before-r1").read_bytes() == before["server.key"][0]
    for act in reversed(acts):
        if not proven(inverse_of(act)):
            undo(act, world)
    assert state(folder) == before


def test_between_the_two_renames_is_one_of_the_points(
    folder: Path, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    CA.leaf(*NAMES, end=-1, begin=-9).write(folder)
    before = state(folder)
    [action] = step(folder).decide(VIEW)
    revive = killing(monkeypatch, "replace", 4)
    with pytest.raises(Died):
        action.apply(world)
    revive()
    now = state(folder)
    assert now["server.key"][0] != before["server.key"][0]
    assert now["server.crt"][0] == before["server.crt"][0]
    [again] = step(folder).decide(VIEW)
    assert "the key does not belong to the certificate" in again.because


def test_an_undo_where_there_was_none_takes_away_what_a_kill_has_left(
    folder: Path, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [action] = step(folder).decide(VIEW)
    revive = killing(monkeypatch, "replace", 2)
    with pytest.raises(Died):
        action.apply(world)
    revive()
    assert names(folder) == {"server.key", ".server.crt.new-r1"}
    undo(action, world)
    assert names(folder) == set()


@pytest.mark.parametrize("n", [1, 2])
def test_an_undo_that_was_killed_goes_on(folder: Path, world: Any, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    CA.leaf("db").write(folder)
    before = state(folder)
    action = do(step(folder), world)
    revive = killing(monkeypatch, "replace", n)
    with pytest.raises(Died):
        inverse_of(action).apply(world)
    revive()
    assert not proven(inverse_of(action))
    undo(action, world)
    assert state(folder) == before


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["server.crt", "server.key"])
def test_an_undo_leaves_alone_what_somebody_else_has_changed(folder: Path, world: Any, name: str) -> None:
    CA.leaf("db").write(folder)
    action = do(step(folder), world)
    (folder / name).write_bytes(b"theirs")
    changed = state(folder)
    with pytest.raises(Drifted, match=f"{name} is not as this run left it"):
        inverse_of(action).apply(world)
    (folder / name).unlink()
    with pytest.raises(Drifted) as caught:
        inverse_of(action).apply(world)
    assert caught.value.why == "it is not there any more"
    (folder / name).write_bytes(b"theirs")
    assert {n: told[0] for n, told in state(folder).items()} == {n: told[0] for n, told in changed.items()}


def test_an_undo_of_another_run_or_without_the_kept_file_is_refused(folder: Path, world: Any, tmp_path: Path) -> None:
    CA.leaf("db").write(folder)
    action = do(step(folder), world)
    made = state(folder)
    with pytest.raises(Drifted):
        inverse_of(action).apply(SimpleNamespace(place=RunPlace("r2", tmp_path / "other")))  # type: ignore[arg-type]
    (folder / "server.crt.before-r1").write_bytes(b"not the old one")
    with pytest.raises(StepError, match=r"the old server\.crt is not kept any more"):
        inverse_of(action).apply(world)
    assert state(folder) == made


def test_what_was_changed_since_it_was_looked_at_is_left_alone(folder: Path, world: Any) -> None:
    CA.leaf("db").write(folder)
    [action] = step(folder).decide(VIEW)
    CA.leaf("api").write(folder)
    before = state(folder)
    with pytest.raises(Drifted, match="was changed since"):
        action.apply(world)
    assert state(folder) == before


@pytest.mark.parametrize(
    ("ca", "key_of", "what", "why"),
    [
        (authority("Old CA", begin=-9, end=-2), None, "cannot sign", "it expired on"),
        (authority("Short CA", end=5), None, "cannot sign", "before the 14 days"),
        (CA, authority("Other CA"), "does not belong to its certificate", "that of another one"),
    ],
)
def test_an_authority_that_is_no_good_changes_nothing(
    folder: Path, world: Any, ca: Pair, key_of: Pair | None, what: str, why: str
) -> None:
    ca.write(folder, "ca")
    (folder / "ca.key").write_bytes((key_of or ca).key_pem)
    CA.leaf("db").write(folder)
    before = state(folder)
    [action] = step(folder).decide(VIEW)
    with pytest.raises(StepError, match=what) as caught:
        action.apply(world)
    assert why in caught.value.why
    assert "make a new authority" in caught.value.next
    assert state(folder) == before
    assert names(folder) == {"server.crt", "server.key"}


def test_files_that_cannot_be_used_are_refused_in_words(folder: Path, world: Any) -> None:
    [action] = step(folder).decide(VIEW)
    (folder / "ca.key").unlink()
    with pytest.raises(SystemRefused) as caught:
        action.apply(world)
    assert (caught.value.where, caught.value.why) == (f"{folder}/ca.key", "No such file or directory")
    (folder / "ca.key").write_text("junk")
    with pytest.raises(StepError) as junk:
        action.apply(world)
    assert "the authority's key file holds no private key" in junk.value.why
    assert names(folder) == set()


def test_a_link_and_a_folder_are_refused_before_anything_is_planned(folder: Path) -> None:
    (folder / "real.crt").write_bytes(b"junk")
    (folder / "server.crt").symlink_to(folder / "real.crt")
    with pytest.raises(StepError, match="is a link"):
        step(folder).decide(VIEW)
    (folder / "server.crt").unlink()
    (folder / "server.crt").mkdir()
    with pytest.raises(SystemRefused):
        step(folder).decide(VIEW)


# --- what it says of itself -----------------------------------------------------------------------


def test_it_says_what_it_does_and_how_it_is_taken_back(folder: Path) -> None:
    CA.leaf("db").write(folder)
    [action] = step(folder).decide(VIEW)
    assert action.describe == (
        f"make a new key and certificate for db, localhost, 127.0.0.1, valid for 90 days, in {folder}/server.key "
        f"and {folder}/server.crt, signed by {folder}/ca.crt; the old ones are kept beside them"
    )
    inverse = inverse_of(action)
    assert inverse.describe == f"put back {folder}/server.key, put back {folder}/server.crt"
    assert inverse.inverse() is None
    assert step(folder).claims(VIEW) == set(action.touches) == set(inverse.touches)


def test_the_reason_is_the_same_tomorrow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan file is compared field by field: how many days are left now would make it another plan."""
    from datetime import timedelta

    from recover.checks import tls

    CA.leaf(*NAMES, end=9).write(folder)
    today, real = step(folder).decide(VIEW), tls.utc_now
    monkeypatch.setattr(tls, "utc_now", lambda: real() + timedelta(days=1))
    assert step(folder).decide(VIEW) == today


def test_it_rests_on_the_authority(folder: Path) -> None:
    facts = step(folder).fingerprint(VIEW)
    assert set(facts) == {f"sha256 of {folder}/ca.crt", f"sha256 of {folder}/ca.key"}
    authority().write(folder, "ca")
    assert step(folder).fingerprint(VIEW) != facts
    (folder / "ca.key").unlink()
    assert set(step(folder).fingerprint(VIEW)) == {f"sha256 of {folder}/ca.crt"}


def test_a_second_one_of_the_same_files_is_decided_at_run_time(folder: Path) -> None:
    forecast = Forecast(VIEW, {}, step="reissue")
    [action] = step(folder).decide(forecast)
    action.forecast(forecast)
    with pytest.raises(NotYetKnown):
        step(folder).decide(forecast)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"names": ()}, "at least one"),
        ({"names": ("dätabase",)}, "host names or IP addresses"),
        ({"days": 14}, "cannot have more than 14 days left"),
        ({"key": "/x", "certificate": "/x"}, "two files"),
    ],
)
def test_what_no_certificate_can_have_is_refused(folder: Path, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(PlaybookError, match=words):
        step(folder, **wrong)
