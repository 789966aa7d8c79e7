"""enums rehearse and verify: the repair on a copy of the database, and the labels in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

from recover.enums.choices import Choices
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.proving import verify as prove
from recover.enums.repair import Repair, doing, undoing
from recover.evidence import Evidence
from recover.postgres.clone import cloned
from recover.postgres.session import Session
from recover.session.doctor import Asked, Patient, patient
from recover.session.enums import Limits, nothing_to_do
from recover.session.rehearsing import Copy
from recover.session.saying import note, say, say_json
from recover.world import Statement

FAILED = 1


@dataclass(frozen=True)
class Rehearsal:
    """What a repair did on the copy. `seconds` is the whole transaction, the longest that any lock was held."""

    how: str
    seconds: float
    statements: int
    rows_written: int
    locks: Sequence[str]
    proofs: Sequence[Evidence]
    undone: bool

    @property
    def passed(self) -> bool:
        """Everything was proven, and taken back again."""
        return self.undone and all(proof.passed for proof in self.proofs)


def rehearse(asked: Asked, choices: Choices, limits: Limits) -> int:
    """Repair a copy of the database, prove it, take it back, drop the copy. 0, or 1 when a proof fails."""
    with patient(asked) as it:
        repair = plan(it.database, diagnose(it.database, it.expected), choices)
        if repair is None:
            return nothing_to_do(asked.options)
        note("making a copy of the database")
        server = it.database.server
        it.database.close()
        with cloned(server) as (clone, how), closing(Session(clone, run="rehearsal")) as copy:
            told = _rehearsed(it, copy, how, repair, limits)
    if asked.options.json:
        say_json({"v": 1, **asdict(told), "proofs": [_proof(proof) for proof in told.proofs], "passed": told.passed})
    else:
        say(*_lines(told))
    return 0 if told.passed else FAILED


def _rehearsed(it: Patient, copy: Session, how: str, repair: Repair, limits: Limits) -> Rehearsal:
    note(f"repairing the copy (made by {how})")
    before, tried = diagnose(copy, it.expected), Copy(copy)
    tried.execute(doing(repair, new_id()), **asdict(limits))
    proofs = prove(copy, diagnose(copy, it.expected), write=True)
    [written] = copy.rows("rows written", Statement("SELECT pg_catalog.count(*) AS n FROM recover.kept_rows"))
    copy.execute(undoing(repair), **asdict(limits))
    after = diagnose(copy, it.expected)
    undone = [d.renames for d in before.drifts] == [d.renames for d in after.drifts]
    kept = int(str(written["n"]))
    return Rehearsal(how, round(tried.seconds, 3), len(repair.statements), kept, tried.locks, proofs, undone)


def verify(asked: Asked, *, write: bool) -> int:
    """Ask a new session whether the labels work. 0, or 1 when one does not."""
    with patient(asked) as it:
        proofs = [*prove(it.database, diagnose(it.database, it.expected), write=write), *_mappers(it, asked)]
        if asked.options.json:
            say_json({"v": 1, "proofs": it.redactor.data([_proof(proof) for proof in proofs])})
        else:
            say(*(it.redactor.text(line) for proof in proofs for line in _said(proof)))
    return 0 if all(proof.passed for proof in proofs) else FAILED


def _mappers(it: Patient, asked: Asked) -> list[Evidence]:
    """Every mapper read, when there are models."""
    if asked.models is None:
        return []
    from recover.models.reading import probe_mappers

    answers = probe_mappers(asked.models, it.database.server)
    wrong = [f"{each.mapper} ({each.kind}): {each.detail}" for each in answers if not each.ok]
    fine = f"{len(answers)} of {len(answers)}"
    return [Evidence("does every mapper read?", "; ".join(wrong) or fine, passed=not wrong)]


def _lines(told: Rehearsal) -> list[str]:
    return [
        f"rehearsed on a copy (by {told.how}): {told.statements} statements in {told.seconds} s, "
        f"{told.rows_written} rows written",
        *(f"  held until COMMIT: {lock}" for lock in told.locks),
        *(line for proof in told.proofs for line in _said(proof)),
        f"{'taken back, and as it was' if told.undone else 'NOT as it was after undo'}; the copy is dropped",
    ]


def _said(proof: Evidence) -> list[str]:
    return [f"{'yes' if proof.passed else 'NO '}  {proof.question} {proof.answer}"]


def _proof(proof: Evidence) -> Mapping[str, object]:
    return {"question": proof.question, "answer": proof.answer, "passed": proof.passed}
