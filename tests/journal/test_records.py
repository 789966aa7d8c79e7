from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import died_before_its_head_was_kept, mine

from recover.errors import JournalDamaged, JournalError, Locked, LostOwnership, StateLost
from recover.events import ActionStarted, CheckAnswered, CheckWaiting, RunEnded, StepDone, StepStarted
from recover.evidence import Evidence
from recover.journal.places import head_file
from recover.journal.records import NAME, FileJournal, create, kept_head, mend, records, write_private
from recover.secrets import Redactor, Secret

SECRET = "planted-5ecret"


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.learn(Secret("pg", SECRET))
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return create(tmp_path / "state", "project", "run-1") / NAME


def filled(path: Path, redactor: Redactor) -> bytes:
    """A journal of four records, one with umlauts and a line feed in it."""
    journal = FileJournal(path, redactor, mine)
    journal(StepStarted("a", "Schließe\nalles", "First"))
    journal(ActionStarted("a", "stop api", "it runs", ("service:api",), {"type": "Stop", "service": "api"}))
    journal(StepDone("a", "done", 0.5))
    journal(StepDone("b", "already", 0.0))
    journal.close()
    return path.read_bytes()


def test_folders_are_private_and_so_are_files(path: Path, redactor: Redactor) -> None:
    filled(path, redactor)
    modes = {p.name: p.stat().st_mode & 0o777 for p in (path.parent, path, path.parent / "evidence")}
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700
    assert modes == {"run-1": 0o700, NAME: 0o600, "evidence": 0o700}


def test_what_was_written_is_read_back_in_order(path: Path, redactor: Redactor) -> None:
    filled(path, redactor)
    kept = list(records(path))
    assert [(r.n, r.event, r.epoch) for r in kept] == [
        (1, "StepStarted", 1),
        (2, "ActionStarted", 1),
        (3, "StepDone", 1),
        (4, "StepDone", 1),
    ]
    assert kept[0].data["name"] == "Schließe\nalles"


def test_what_is_only_shown_is_not_kept(path: Path, redactor: Redactor) -> None:
    journal = FileJournal(path, redactor, mine)
    assert journal(CheckWaiting("a", Evidence("?", "no", passed=False), 1, 2)) is None
    assert path.read_bytes() == b""


def test_the_last_record_cut_at_any_byte_leaves_the_others_and_a_journal_that_goes_on(
    path: Path, redactor: Redactor
) -> None:
    whole = filled(path, redactor)
    start = whole[:-1].rfind(b"\n") + 1
    died_before_its_head_was_kept(path)
    head = head_file(path.parent).read_bytes()
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        head_file(path.parent).write_bytes(head)
        last = mend(path)
        assert last is not None
        assert last.n == 3
        journal = FileJournal(path, redactor, mine, last=last)
        journal(StepDone("b", "already", 0.0))
        journal.close()
        assert [(r.n, r.epoch) for r in records(path)] == [(1, 1), (2, 1), (3, 1), (4, 2)]


def test_the_cut_tail_is_kept_aside(path: Path, redactor: Redactor) -> None:
    whole = filled(path, redactor)
    died_before_its_head_was_kept(path)
    path.write_bytes(whole[:-5])
    mend(path)
    [kept] = path.parent.glob("journal.torn-*")
    assert whole.endswith(kept.read_bytes() + whole[-5:])


def test_a_changed_byte_anywhere_in_the_chain_is_refused_with_the_records_number(
    path: Path, redactor: Redactor
) -> None:
    whole = filled(path, redactor)
    ends = [i for i, byte in enumerate(whole) if byte == 10]
    for place in range(ends[-1]):  # every byte but the very last line feed
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        number = sum(end < place for end in ends) + 1
        with pytest.raises(JournalDamaged, match=f"record {number} of the journal"):
            list(records(path))


def test_a_record_taken_out_or_swapped_is_refused(path: Path, redactor: Redactor) -> None:
    lines = filled(path, redactor).splitlines(keepends=True)
    for damaged in ([lines[0], *lines[2:]], [lines[1], lines[0], *lines[2:]], lines[1:]):
        path.write_bytes(b"".join(damaged))
        with pytest.raises(JournalDamaged):
            list(records(path))


def test_secrets_are_masked_in_lines_and_in_evidence_files(path: Path, redactor: Redactor) -> None:
    journal = FileJournal(path, redactor, mine)
    journal(ActionStarted("a", f"use {SECRET}", "x", (), {"password": Secret("pg", SECRET), "list": (SECRET, 1)}))
    journal(CheckAnswered("a", Evidence("?", SECRET, passed=False, attachment=f"body {SECRET}")))
    journal.close()
    everything = b"".join(p.read_bytes() for p in path.parent.rglob("*") if p.is_file())
    assert SECRET.encode() not in everything
    assert everything.count(b"***") >= 4


def test_an_attachment_is_stored_beside_the_journal(path: Path, redactor: Redactor) -> None:
    journal = FileJournal(path, redactor, mine)
    journal(CheckAnswered("a", Evidence("?", "no", passed=False, attachment="long body")))
    journal.close()
    [record] = records(path)
    assert (path.parent / record.data["evidence"]["attachment"]).read_text() == "long body"


def test_a_run_that_was_taken_over_notices_at_its_next_line(path: Path, redactor: Redactor) -> None:
    first = FileJournal(path, redactor, mine)
    record = first(StepStarted("a", "A", "S"))
    second = FileJournal(path, redactor, mine, last=record)
    second(StepDone("a", "done", 0))
    with pytest.raises(Locked, match="lost ownership"):
        first(StepDone("a", "done", 0))
    assert [r.epoch for r in records(path)] == [1, 2]


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced by a copy"])
def test_a_journal_that_is_not_where_it_was_is_written_no_more(path: Path, redactor: Redactor, how: str) -> None:
    journal = FileJournal(path, redactor, mine)
    journal(StepStarted("a", "A", "S"))
    whole = path.read_bytes()
    path.rename(path.with_name("elsewhere"))
    if how == "deleted":
        path.with_name("elsewhere").unlink()
    elif how == "replaced by a copy":
        path.write_bytes(whole)
    with pytest.raises(JournalError, match="not as it was written"):
        journal(StepDone("a", "done", 0))
    left = [file.read_bytes() for file in path.parent.iterdir() if file.is_file()]
    assert set(left) <= {whole}


def test_nothing_is_written_without_the_projects_lock(path: Path, redactor: Redactor) -> None:
    def lost() -> None:
        raise LostOwnership("lost ownership")

    with pytest.raises(LostOwnership):
        FileJournal(path, redactor, lost)(StepDone("a", "done", 0))
    assert path.read_bytes() == b""


def test_a_full_disk_is_an_error_with_the_systems_words_and_leaves_no_half_line(path: Path, redactor: Redactor) -> None:
    """RLIMIT_FSIZE makes write(2) fall short and then fail, as a full disk does."""
    filled(path, redactor)
    size = path.stat().st_size
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = FileJournal(path, redactor, mine, last=mend(path))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, former[1]))
        with pytest.raises(JournalError) as caught:
            journal(StepDone("c", "done", 0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.why
    assert path.stat().st_size == size
    journal(StepDone("c", "done", 0))
    assert len(list(records(path))) == 5


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(JournalError):
        create(tmp_path / "state", "p", "r")


def test_a_line_is_on_disk_before_the_call_returns(path: Path) -> None:
    """A process that kills itself right after the call leaves the record behind."""
    code = (
        "import os, sys; from pathlib import Path; from recover.events import StepDone;"
        "from recover.journal.records import FileJournal; from recover.secrets import Redactor;"
        "FileJournal(Path(sys.argv[1]), Redactor(), print)(StepDone('a', 'done', 0)); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [r.event for r in records(path)] == ["StepDone"]


def test_lines_are_json_with_a_version(path: Path, redactor: Redactor) -> None:
    filled(path, redactor)
    bodies = [json.loads(line) for line in path.read_text().splitlines()]
    assert {body["v"] for body in bodies} == {1}
    assert os.fspath(path).endswith("journal.jsonl")


def test_what_is_no_file_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_private(pipe, "a plan")
    assert os.read(reader, 100) == b"a plan"
    assert pipe.is_fifo()
    os.close(reader)


@pytest.mark.parametrize("how", ["gone", "changed", "a link"])
@pytest.mark.parametrize("what", ["evidence/00001-1.txt", "playbook.yml"])
def test_a_run_does_not_end_when_a_file_of_it_was_changed(path: Path, redactor: Redactor, what: str, how: str) -> None:
    path.with_name("playbook.yml").write_text("x")
    journal = FileJournal(path, redactor, mine)
    journal(CheckAnswered("a", Evidence("?", "no", passed=False, attachment="long body")))
    file = path.parent / what
    if how == "changed":
        file.write_text("another body")
    else:
        file.rename(file.with_name("elsewhere"))
    if how == "a link":
        file.symlink_to("elsewhere")
    with pytest.raises(StateLost) as caught:
        journal(RunEnded(0, "recovered and verified", 1.0))
    assert caught.value.where == str(file)
    assert [record.event for record in records(path)] == ["CheckAnswered"]


def test_a_run_does_not_end_when_a_line_of_it_was_changed(path: Path, redactor: Redactor) -> None:
    journal = FileJournal(path, redactor, mine)
    journal(StepDone("a", "done", 0))
    with path.open("rb+") as file:
        file.seek(20)
        file.write(b"x")
    with pytest.raises(JournalDamaged, match="record 1"):
        journal(RunEnded(0, "recovered and verified", 1.0))


def test_evidence_that_has_no_folder_any_more_stops_the_run(path: Path, redactor: Redactor) -> None:
    journal = FileJournal(path, redactor, mine)
    (path.parent / "evidence").rename(path.parent / "elsewhere")
    with pytest.raises(StateLost, match="not as it was written"):
        journal(CheckAnswered("a", Evidence("?", "no", passed=False, attachment="long body")))


def test_each_file_is_tied_to_the_chain_once(path: Path, redactor: Redactor) -> None:
    path.with_name("playbook.yml").write_text("x")
    journal = FileJournal(path, redactor, mine)
    first = journal(StepDone("a", "done", 0))
    path.with_name("plan.json").write_text("y")
    for _ in range(2):
        last = journal(StepDone("b", "done", 0))
    journal.close()
    FileJournal(path, redactor, mine, last=last)(StepDone("c", "done", 0))
    assert first is not None
    assert [list(record.kept or ()) for record in records(path)] == [["playbook.yml"], ["plan.json"], [], []]
    assert kept_head(path.parent) == (4, list(records(path))[-1].hash)


def test_heads_that_lead_elsewhere_are_not_written(path: Path, redactor: Redactor, tmp_path: Path) -> None:
    (victim := tmp_path / "victim").mkdir()
    head_file(path.parent).parent.symlink_to(victim)
    with pytest.raises(JournalError) as caught:
        FileJournal(path, redactor, mine)
    assert "it is a link" in caught.value.why
    assert not list(victim.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users: NOT TESTED HERE")
def test_what_root_writes_in_a_users_run_is_the_users(path: Path, redactor: Redactor) -> None:
    last = FileJournal(path, redactor, mine)(StepDone("a", "done", 0))
    os.chown(path, 64101, 64101)
    with path.open("ab") as file:
        file.write(b"torn")
    mend(path)
    FileJournal(path, redactor, mine, last=last)(
        CheckAnswered("a", Evidence("?", "no", passed=False, attachment="long body"))
    )
    [evidence] = (path.parent / "evidence").iterdir()
    [torn] = path.parent.glob("journal.torn-*")
    assert {file.stat().st_uid for file in (evidence, torn)} == {64101}


def test_a_writer_killed_at_any_instant_leaves_no_journal_that_looks_cut(tmp_path: Path) -> None:
    """Its head is that of the last line, or of one before it: SIGKILL between the two is no tampering."""
    code = (
        "import sys; from pathlib import Path; from recover.events import StepDone;"
        "from recover.journal.records import FileJournal; from recover.secrets import Redactor;"
        "journal = FileJournal(Path(sys.argv[1]), Redactor(), lambda: None)\n"
        "print('on', flush=True)\nwhile True: journal(StepDone('a', 'done', 0))"
    )
    for n in range(10):
        path = create(tmp_path, "p", f"run-{n}") / NAME
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "on\n"
            time.sleep(random.uniform(0, 0.05))
            writer.kill()
        last = mend(path)
        head = kept_head(path.parent)
        assert head is not None
        assert 0 <= (last.n if last else 0) - head.n <= 1
