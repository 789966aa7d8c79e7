"""verify, show and status on the state of a real run that somebody has changed since."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import Tiny

from recover.errors import JournalDamaged, UsageError
from recover.journal.places import head_file
from recover.journal.records import NAME, Record, kept_head, records, seal
from recover.session.looking import runs, show, status
from recover.session.options import Options
from recover.session.verifying import verify


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The state of a run that failed at a page, which is kept as evidence; and what the run said."""
    tiny = Tiny(tmp_path_factory.mktemp("ended")).build()
    tiny.write(tiny.playbook.read_text().replace("- http: {get:", "- within: 200ms\n      http: {get:"))
    try:
        done = tiny.recover("run", str(tiny.playbook), "-e", "greeting=bye", expect=1)
        yield tiny.state, done.stdout
    finally:
        tiny.down()


@dataclass
class Kept:
    """A copy of it, to be changed."""

    state: Path
    said: str
    capsys: pytest.CaptureFixture[str]

    @property
    def folder(self) -> Path:
        [journal] = self.state.glob(f"tiny/2*/{NAME}")
        return journal.parent

    @property
    def journal(self) -> Path:
        return self.folder / NAME

    @property
    def lines(self) -> list[bytes]:
        return self.journal.read_bytes().splitlines(keepends=True)

    def verify(self, head: str | None = None, *, json: bool = False) -> tuple[int, str]:
        code = verify(None, Options(state=self.state, json=json), head)
        return code, self.capsys.readouterr().out

    def looked(self) -> list[tuple[int, str]]:
        """The exit code and the words of show and of status."""
        return [(self.code_of(look), (said := self.capsys.readouterr()).out + said.err) for look in (show, status)]

    def code_of(self, look: Callable[[str | None, Options], int]) -> int:
        try:
            return look(None, Options(state=self.state))
        except JournalDamaged as error:
            return error.exit_code


@pytest.fixture
def kept(ended: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Kept:
    state, said = ended
    shutil.copytree(state / "tiny", tmp_path / "tiny", ignore=shutil.ignore_patterns("replica-*"))
    return Kept(tmp_path, said, capsys)


def test_a_run_that_nobody_changed_is_proven_and_says_what_that_promises(kept: Kept) -> None:
    code, said = kept.verify()
    assert code == 0, said
    assert "playbook.yml" in said
    assert "plan.json" in said
    assert "evidence/" in said
    assert "nothing differs" in said
    assert "whoever may write in the state folder can make all of it anew" in said
    for code, said in kept.looked():
        assert code == 0, said
        assert "head" in said


def test_the_head_that_a_run_prints_at_its_end_is_the_one_to_note(kept: Kept) -> None:
    printed = kept.said.rpartition("; head ")[2].split()[0]
    assert len(printed) == 16
    assert list(records(kept.journal))[-1].hash.startswith(printed)
    code, said = kept.verify(printed)
    assert code == 0
    assert "the head that you gave is in it" in said
    assert kept.verify(list(records(kept.journal))[2].hash)[0] == 0, "it was noted before the run went on"
    code, said = kept.verify("0" * 16)
    assert code == 7
    assert "no record has the hash 0000000000000000" in said


@pytest.mark.parametrize("word", ["", "abc", "x" * 16, "a" * 65, "--", "abcdefabcdef; rm"])
def test_what_cannot_be_a_head_is_refused(kept: Kept, word: str) -> None:
    with pytest.raises(UsageError, match="not the hash of a head"):
        kept.verify(word)


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def linked(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


@pytest.mark.parametrize("how", [changed, Path.unlink, linked])
@pytest.mark.parametrize("what", ["evidence/*.txt", "playbook.yml", "plan.json"])
def test_a_file_that_was_changed_or_taken_away_is_named(kept: Kept, what: str, how: Callable[[Path], None]) -> None:
    [path] = kept.folder.glob(what)
    how(path)
    for code, said in [kept.verify(), *kept.looked()]:
        assert code == 7, said
        assert str(path.relative_to(kept.folder)) in said
    assert json.loads(kept.verify(json=True)[1])["verified"] is False


def test_a_journal_that_was_cut_at_the_end_of_any_record_is_told_and_what_is_left_is_shown(kept: Kept) -> None:
    lines = kept.lines
    for left in range(len(lines)):
        kept.journal.write_bytes(b"".join(lines[:left]))
        code, said = kept.verify()
        assert code == 7
        assert f"the journal was cut: it ends with record {left} of {len(lines)}" in said
        assert kept.code_of(show) == kept.code_of(status) == kept.code_of(lambda _run, options: runs(options)) == 7
        said = kept.capsys.readouterr().out
        assert left == 0 or "run 2" in said
        assert "DAMAGED: the journal was cut" in said


def test_a_cut_journal_is_not_gone_on_with(kept: Kept) -> None:
    from recover.session.running import resume

    kept.journal.write_bytes(b"".join(kept.lines[:-2]))
    with pytest.raises(JournalDamaged, match="was cut"):
        resume(None, Options(state=kept.state))


@pytest.mark.parametrize("behind", range(4))
def test_a_head_behind_its_journal_is_what_a_kill_leaves_and_no_damage(kept: Kept, behind: int) -> None:
    found = list(records(kept.journal))
    last = found[-1 - behind]
    head_file(kept.folder).write_text(f"{last.n:012d} {last.hash}\n")
    code, said = kept.verify()
    assert code == 0, said
    assert (f"{behind} records came after the head" in said) == bool(behind)


@pytest.mark.parametrize("content", [b"", b"x", b"1", b"-5 \xff", b"000000000003 " + b"0" * 64, None])
def test_a_head_that_was_removed_or_changed_is_told(kept: Kept, content: bytes | None) -> None:
    head = head_file(kept.folder)
    head.unlink() if content is None else head.write_bytes(content)
    for code, said in [kept.verify(), *kept.looked()]:
        assert code == 7, said
    assert "head" in kept.verify()[1] or "another one than was kept" in kept.verify()[1]


def test_a_torn_last_line_is_no_damage(kept: Kept) -> None:
    with kept.journal.open("ab") as file:
        file.write(b'{"v":1,"n":')
    assert kept.verify()[0] == 0


def test_a_run_of_an_older_version_says_that_no_head_was_kept(kept: Kept) -> None:
    old = [record._replace(kept=None) for record in records(kept.journal)]
    written(kept, old)
    shutil.rmtree(head_file(kept.folder).parent)
    code, said = kept.verify()
    assert code == 0, said
    assert "no head was kept: an older version wrote the run" in said
    assert "no sha256 was kept of playbook.yml, plan.json, evidence/" in said


def test_a_run_that_an_older_version_began_is_gone_on_with_and_has_a_head_from_then_on(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.recover("run", str(tiny.playbook), env={"RECOVER_CRASH_AT": "web:after-act"}, expect=-signal.SIGKILL)
    kept = Kept(tiny.state, "", capsys)
    written(kept, [record._replace(kept=None) for record in records(kept.journal)])
    shutil.rmtree(head_file(kept.folder).parent)
    tiny.recover("resume")
    code, said = kept.verify()
    assert (code, "unproven" in said) == (0, False), said
    kept.journal.write_bytes(b"".join(kept.lines[:-1]))
    assert kept.verify()[0] == 7


def test_who_makes_everything_anew_is_found_by_the_head_that_was_noted_elsewhere_only(kept: Kept) -> None:
    printed = kept.said.rpartition("; head ")[2].split()[0]
    written(kept, [r for r in records(kept.journal) if r.event != "ActionStarted"])
    assert kept.verify()[0] == 0, "the state folder itself cannot tell"
    assert kept.verify(printed)[0] == 7


def written(kept: Kept, found: list[Record]) -> None:
    """Another journal, chained well, and its head."""
    lines, previous = [], "0" * 64
    for n, record in enumerate(found, 1):
        body = {"v": 1, "n": n, "at": record.at.isoformat(timespec="microseconds"), "epoch": 1, "event": record.event}
        body |= {"data": record.data} if record.kept is None else {"data": record.data, "kept": record.kept}
        line, previous = seal({**body, "prev": previous})
        lines.append(line)
    kept.journal.write_bytes(b"".join(lines))
    head_file(kept.folder).write_text(f"{len(found):012d} {previous}\n")
    assert kept_head(kept.folder) == (len(found), previous)


def test_the_whole_of_another_run_is_not_this_run(kept: Kept) -> None:
    mine, other = kept.folder, kept.folder.with_name("20990101-000000-abcd")
    shutil.copytree(mine, other)
    shutil.copy(head_file(mine), head_file(other))
    assert verify(other.name, Options(state=kept.state)) == 7
    assert f"DIFFERS  the journal in this folder is that of run {mine.name}" in kept.capsys.readouterr().out


def test_a_record_that_names_a_file_elsewhere_makes_nothing_read_there(kept: Kept) -> None:
    found = list(records(kept.journal))
    for name in ("../../../etc/passwd", "/etc/passwd"):
        written(kept, [found[0]._replace(kept={name: "0" * 64}), *found[1:]])
        code, said = kept.verify()
        assert code == 7
        assert f"a file outside of the run's folder: {name}" in said


def test_a_run_whose_folder_is_gone_is_listed_and_another_one_is_not_taken_for_it(kept: Kept) -> None:
    from recover.errors import Precondition

    run = kept.folder.name
    shutil.copytree(kept.folder, kept.folder.with_name("20200101-000000-abcd"))
    shutil.rmtree(kept.state / "tiny" / run)
    runs(Options(state=kept.state))
    assert f"tiny  {run}  gone: its folder was moved or deleted" in kept.capsys.readouterr().out
    with pytest.raises(Precondition, match=f"the folder of the latest run, {run}, is gone"):
        status(None, Options(state=kept.state))


def test_verify_is_a_command(ended: tuple[Path, str], tmp_path: Path) -> None:
    tiny = Tiny(tmp_path)
    shutil.copytree(ended[0] / "tiny", tiny.state / "tiny", ignore=shutil.ignore_patterns("replica-*"))
    facts = json.loads(tiny.recover("verify", "--json").stdout)
    assert facts["verified"] is True
    assert facts["differs"] == []
    assert json.loads(tiny.recover("show", "--json").stdout.splitlines()[-1])["hash"] == facts["head"]
    changed(next((tiny.state / "tiny").glob("2*/plan.json")))
    assert "DIFFERS  plan.json" in tiny.recover("verify", facts["run"], expect=7).stdout
    assert "next: recover verify" in tiny.recover("show", expect=7).stderr
    assert json.loads(tiny.recover("status", "--json", expect=7).stdout)["differs"]


@pytest.mark.parametrize("wrong", [5, "x", ["a"], {"a": 5}])
def test_a_chained_record_with_kept_files_that_are_none_is_damage(kept: Kept, wrong: object) -> None:
    body = {**json.loads(kept.lines[0]), "kept": wrong}
    body.pop("hash")
    kept.journal.write_bytes(seal(body)[0])
    code, said = kept.verify()
    assert code == 7
    assert "record 1 of the journal is damaged" in said
