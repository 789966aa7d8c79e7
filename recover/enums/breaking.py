"""What a repair does about objects that would break: rewrite them, leave them, or refuse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recover.enums.choices import Choices
from recover.enums.dependants import Break
from recover.enums.drift import Refusal
from recover.enums.look import refuse
from recover.enums.mending import Mend, validating
from recover.enums.repair import Change
from recover.errors import StepError
from recover.postgres.names import quote_literal
from recover.world import SeeDatabase, Statement


@dataclass(frozen=True)
class Mended:
    """The changes that rewrite dependants, and what takes them back once the labels are the old ones again.

    `early` are those that have to come before any row is written. `rewritten` are (object, definition before,
    definition after).
    """

    early: tuple[Change, ...] = ()
    changes: tuple[Change, ...] = ()
    undo: tuple[str, ...] = ()
    rewritten: tuple[tuple[str, str, str], ...] = ()


def mended(database: SeeDatabase, breaks: Sequence[Break], choices: Choices) -> Mended:
    """What is rewritten. Raises Precondition for what would surely break and is neither rewritten nor to be ignored."""
    refuse(_refusals(breaks, choices))
    wanted = {b.mend: b.object for b in breaks if b.mend and choices.rewrite and b.object not in choices.ignore}
    mends = list(wanted)  # an object that holds labels of several types is rewritten once
    early = [Change(mend.statements[0], ";\n".join(mend.undo[1:])) for mend in mends if mend.guards]
    changes = [change for mend in mends for change in _changes(mend)]
    undo = [sql for mend in mends if not mend.guards for sql in mend.undo]
    valid = [name for name in _sql_functions(breaks, choices) if _is_valid(database, name)]
    proof = [Change(validating(valid, _path(database)), note="these functions still work")] if valid else []
    told = tuple((wanted[mend], mend.before, mend.after) for mend in mends if mend.before != mend.after)
    return Mended(tuple(early), (*changes, *proof), tuple(undo), told)


def _changes(mend: Mend) -> list[Change]:
    """What makes the object again. Of one that guards rows the first of these is taken back by taking it away."""
    if not mend.guards:
        return [Change(sql, note=mend.note) for sql in mend.statements]
    _, made, *rest = mend.statements
    return [Change(made, mend.undo[0], mend.note), *(Change(sql) for sql in rest)]


def _refusals(breaks: Sequence[Break], choices: Choices) -> Iterable[Refusal]:
    for each in breaks:
        rewritten = each.mend is not None and choices.rewrite
        if each.certainty == "possible" or rewritten or each.object in choices.ignore:
            continue
        then = "fails" if each.how == "loud" else "silently matches nothing"
        next = "add --rewrite-dependants" if each.mend else each.next
        leave = f"; or leave it to break: --ignore {quote_literal(each.object).lstrip()}"
        yield Refusal(each.object, f"after the repair it {then}: {each.why}", f"{next}{leave}".removeprefix("; "))


def _sql_functions(breaks: Sequence[Break], choices: Choices) -> list[str]:
    named = [b for b in breaks if b.language == "sql" and b.object not in choices.ignore]
    return list(dict.fromkeys(b.routine for b in named))


def _path(database: SeeDatabase) -> str:
    """The search_path in which this role's functions are called."""
    [row] = database.rows("this role's search_path", Statement("SHOW search_path", role_path=True))
    return str(row["search_path"])


def _is_valid(database: SeeDatabase, name: str) -> bool:
    # What does not work before cannot be held against the repair.
    query = f"SELECT pg_catalog.fmgr_sql_validator({quote_literal(name).lstrip()}::pg_catalog.regprocedure)"
    try:
        database.rows(f"whether {name} works", Statement(query, role_path=True))
    except StepError:
        return False
    return True
