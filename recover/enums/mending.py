"""Rewriting a text-bound object exactly: the statements that do it after the renames, and what takes it back. Pure.

Everything that a replacement keeps by itself (owner, grants, comments, what depends on it) is left to the server;
what it would lose (the options of a view, the state of a trigger, a comment) is said again, or there is no mend.
Sources: PostgreSQL documentation, CREATE VIEW, ALTER POLICY, ALTER TABLE, CREATE RULE, CREATE FUNCTION.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recover.enums.drift import EnumType
from recover.enums.lexing import tokens
from recover.enums.positions import NOTHING, Columns, cast_of, parts_of
from recover.enums.rewriting import Literal, exchanged, in_array
from recover.postgres.names import PATH, quote_ident, quote_literal


@dataclass(frozen=True)
class Mend:
    """An exact rewriting. `statements` run after the renames; `undo` after the renames were taken back.

    One that `guards` rows begins both with the same statement, which takes the object away: that runs before any row
    is written, and what makes it again after every row is as it will be.
    """

    before: str
    after: str
    statements: tuple[str, ...]
    undo: tuple[str, ...]
    note: str = ""
    guards: bool = False


@dataclass(frozen=True)
class Spelling:
    """How one type's labels are spelled anew; how the server names the type, and the columns that the object uses."""

    type: EnumType
    renames: Mapping[str, str]
    spelled: str
    columns: Columns = NOTHING


def respelled(text: str, spellings: Iterable[Spelling], hits: Mapping[int, str]) -> str:
    """The text with the hits (place: new spelling) and all constants of the types spelled anew.

    The server spells a constant by its label now; after the renames that text would be refused.
    """

    sql = tokens(text)
    places = {token.start: at for at, token in enumerate(sql.all)}
    by_name = {parts_of(spelling.spelled): spelling for spelling in spellings}

    def new(literal: Literal) -> str | None:
        if literal.start in hits:
            return hits[literal.start]
        cast = cast_of(sql, places[literal.start])
        spelling = by_name.get(cast.parts) if cast else None
        if cast is None or spelling is None:
            return None
        return in_array(literal.value, spelling.renames) if cast.array else spelling.renames.get(literal.value)

    return exchanged(text, new)


def of_definition(
    row: Mapping[str, Any], spellings: Iterable[Spelling], hits: Sequence[Mapping[int, str]]
) -> Mend | None:
    """The mend of what the server deparsed, or None when there is no exact one; `hits` of each of its texts."""
    makers = {
        "view": _view,
        "policy": _policy,
        "check": _check,
        "domain check": _domain_check,
        "rule": _rule,
        "trigger": _trigger,
        "default": _default,
        "domain default": _domain_default,
    }
    if row["kind"] not in makers or not row["plain"]:
        return None
    before = row["definition"], row["more"] if row["kind"] == "policy" else ""
    after = tuple(respelled(text, spellings, found) for text, found in zip(before, [*hits, {}], strict=False))
    do, undo, note = makers[row["kind"]](row, before, after)
    shown = [" / ".join(part for part in texts if part) for texts in (before, after)]
    return Mend(shown[0], shown[1], tuple(do), tuple(undo), note, guards=row["kind"] in ("check", "domain check"))


Made = tuple[Sequence[str], Sequence[str], str]
Texts = tuple[str, ...]


def _view(row: Mapping[str, Any], before: Texts, after: Texts) -> Made:
    options = ", ".join(_option(text) for text in row["options"] or ())
    head = f"CREATE OR REPLACE VIEW {row['relation']}{f' WITH ({options})' if options else ''} AS\n"
    return [head + after[0].rstrip().removesuffix(";")], [head + before[0].rstrip().removesuffix(";")], ""


def _option(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name}={quote_literal(value).lstrip()}"


def _policy(row: Mapping[str, Any], before: Texts, after: Texts) -> Made:
    def alter(texts: Texts) -> str:
        using = f" USING ({texts[0]})" if texts[0] else ""
        check = f" WITH CHECK ({texts[1]})" if texts[1] else ""
        return f"ALTER POLICY {quote_ident(row['name'])} ON {row['relation']}{using}{check}"

    return [alter(after)], [alter(before)], ""


def _check(row: Mapping[str, Any], before: Texts, after: Texts) -> Made:
    table, name = f"ALTER TABLE {row['relation']}", quote_ident(row["name"])
    comment = f"COMMENT ON CONSTRAINT {name} ON {row['relation']} IS {quote_literal(row['more'])}"
    do, undo = (_anew(table, name, text, comment if row["more"] else "") for text in (after[0], before[0]))
    return do, undo, "the table is locked and scanned once to validate it"


def _domain_check(row: Mapping[str, Any], before: Texts, after: Texts) -> Made:
    domain, name = f"ALTER DOMAIN {row['relation']}", quote_ident(row["name"])
    comment = f"COMMENT ON CONSTRAINT {name} ON DOMAIN {row['relation']} IS {quote_literal(row['more'])}"
    do, undo = (_anew(domain, name, text, comment if row["more"] else "") for text in (after[0], before[0]))
    return do, undo, "every table with the domain is locked and scanned once to validate it"


def _anew(alter: str, name: str, definition: str, comment: str) -> list[str]:
    told = [comment] if comment else []
    drop, add = f"{alter} DROP CONSTRAINT {name}", f"{alter} ADD CONSTRAINT {name} {definition}"
    if definition.endswith((" NOT VALID", " NOT ENFORCED")):
        return [drop, add, *told]
    return [drop, f"{add} NOT VALID", f"{alter} VALIDATE CONSTRAINT {name}", *told]


def _rule(_row: Mapping[str, Any], before: Texts, after: Texts) -> Made:
    do, undo = (re.sub(r"^CREATE RULE", "CREATE OR REPLACE RULE", text).rstrip(";") for text in (after[0], before[0]))
    return [do], [undo], ""


def _trigger(row: Mapping[str, Any], before: Texts, after: Texts) -> Made:
    name, table = quote_ident(row["name"]), row["relation"]
    how = {"O": "", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[row["more"]]
    state = [f"ALTER TABLE {table} {how} TRIGGER {name}"] if how else []
    comment = row["options"][0]
    told = [f"COMMENT ON TRIGGER {name} ON {table} IS {quote_literal(comment)}"] if comment else []
    drop = f"DROP TRIGGER {name} ON {table}"
    return [drop, after[0], *state, *told], [drop, before[0], *state, *told], ""


def _default(row: Mapping[str, Any], before: Texts, after: Texts) -> Made:
    alter = f"ALTER TABLE ONLY {row['relation']} ALTER COLUMN {quote_ident(row['name'])} SET DEFAULT"
    return [f"{alter} {after[0]}"], [f"{alter} {before[0]}"], ""


def _domain_default(row: Mapping[str, Any], before: Texts, after: Texts) -> Made:
    alter = f"ALTER DOMAIN {row['relation']} SET DEFAULT"
    return [f"{alter} {after[0]}"], [f"{alter} {before[0]}"], ""


def of_body(row: Mapping[str, Any], spellings: Iterable[Spelling], hits: Mapping[int, str]) -> Mend | None:
    """The mend of a function: its body with the hits exchanged, everything else as the server spells it."""
    body, definition = row["body"], row["definition"].rstrip()
    at = definition.rfind(body)
    if at < 0:
        return None
    after = exchanged(body, lambda literal: hits.get(literal.start))
    new = respelled(definition[:at], spellings, {}) + after + definition[at + len(body) :]
    return Mend(body, after, (new,), (definition,))


def refresh(row: Mapping[str, Any]) -> Mend:
    """The mend of a materialized view that keeps labels as text."""
    statement = f"REFRESH MATERIALIZED VIEW {row['relation']}"
    return Mend(row["definition"], row["definition"], (statement,), (statement,), "it is locked while it is made again")


def reindex(row: Mapping[str, Any]) -> Mend:
    """The mend of an index over a function of the labels."""
    statement = f"REINDEX INDEX {row['name']}"
    return Mend(row["definition"], row["definition"], (statement,), (statement,), "writers of its table wait meanwhile")


def validating(functions: Sequence[str], path: str) -> str:
    """A statement that fails when one of these SQL functions is no longer valid in that search_path.

    It is parsed, and nothing of it is carried out. Source: fmgr_sql_validator, which looks at no body while
    check_function_bodies is off.
    """
    found, ours = (
        f"PERFORM pg_catalog.set_config('search_path', {quote_literal(p).lstrip()}, true), "
        f"pg_catalog.set_config('check_function_bodies', '{checked}', true); "
        for p, checked in ((path, "on"), (PATH, "off"))
    )
    oids = ", ".join(f"{quote_literal(name).lstrip()}::pg_catalog.regprocedure" for name in functions)
    body = (
        "DECLARE f pg_catalog.regprocedure; BEGIN "
        f"FOREACH f IN ARRAY ARRAY[{oids}]::pg_catalog.regprocedure[] LOOP "
        f"BEGIN {found}PERFORM pg_catalog.fmgr_sql_validator(f); {ours}"
        "EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION USING ERRCODE = 'RV007', "
        "MESSAGE = 'function ' || f::pg_catalog.text || ' would no longer work: ' || SQLERRM; END; END LOOP; END"
    )
    return f"DO {quote_literal(body).lstrip()}"
