"""Random types, columns, dependants and maps: do and undo is the identity, twice is once, a refusal changes nothing."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from conftest import query
from enum_worlds import Sql, catalog, rows
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from recover.enums.choices import Choices
from recover.enums.expected import Expected
from recover.enums.ledger import new_id
from recover.enums.look import diagnose
from recover.enums.planning import plan
from recover.enums.repair import Repair, doing, undoing
from recover.errors import Precondition
from recover.postgres.names import quote_ident, quote_literal
from recover.postgres.session import Server, Session

pytestmark = pytest.mark.postgres
LIMITS = {"lock_timeout": 2, "statement_timeout": 20}
LABELS = ("a", "A", "b", "B", "it's", "IT'S", 'x"y', "back\\slash", "é", "c d", "~retired:a")
TWINS = (("a", "A"), ("B", "b"), ("it's", "IT'S"), ("é", "É"), ("A", "a", "~retired:a"))
SHAPES = ("plain", "array", "domain", "generated")
BOUND = (
    "create view {v} as select id from {t} where {c} = {l}::{e}",
    "create index on {t} (id) where {c} = {l}::{e}",
    "alter table {t} add check ({c} <> {l}::{e} or id > 0)",
    "create policy p_{n} on {t} using ({c} = {l}::{e})",
)
TEXT = (
    "create view {v} as select id from {t} where {c}::text = {l}",
    "create policy p_{n} on {t} using ({c}::text <> {l})",
    "alter table {t} add check ({c}::text <> {l} or id > 0)",
    "create function {v}() returns bigint language sql stable as $q$ select 1::bigint from {t} where c::text = {l} $q$",
)


def literal(label: str) -> str:
    return quote_literal(label).lstrip()


@dataclass(frozen=True)
class World:
    """One random database: its type, tables, rows and dependants as SQL, and what the code expects."""

    labels: tuple[str, ...]
    expected: tuple[str, ...]
    map: dict[str, str]
    shapes: tuple[str, ...]
    held: tuple[tuple[int, ...], ...]
    default: int | None
    unique: bool
    keyless: bool
    dependants: tuple[tuple[str, int], ...] = ()
    name: str = field(default="Ty pe")

    @property
    def sql(self) -> str:
        type = quote_ident(self.name)
        parts = [f"create type {type} as enum ({', '.join(map(literal, self.labels))})", f"create domain d as {type}"]
        kinds = {"plain": type, "array": f"{type}[]", "domain": "d"}
        default = "" if self.default is None else f" default {literal(self.labels[self.default % len(self.labels)])}"
        for at, shape in enumerate(self.shapes):
            key = "" if self.keyless else " primary key"
            unique = ", unique (n, c)" if self.unique and shape == "plain" else ""
            more = f", g {type} generated always as (c) stored" if shape == "generated" else ""
            kind = kinds.get(shape, type)
            told = default if shape in ("plain", "generated") else ""
            parts.append(f"create table t{at} (id int{key}, n int, c {kind}{told}{more}{unique})")
            parts += [self._row(at, shape, number, value) for number, value in enumerate(self.held[at], 1)]
        for number, (made, label) in enumerate(self.dependants):
            words = {"t": "t0", "c": "c", "e": type, "v": f"v{number}", "n": str(number)}
            parts.append(made.format(l=literal(self.labels[label % len(self.labels)]), **words))
        return ";".join(parts)

    def _row(self, table: int, shape: str, number: int, value: int) -> str:
        if value < 0:
            return f"insert into t{table} (id, n, c) values ({number}, {number % 3}, null) on conflict do nothing"
        label = literal(self.labels[value % len(self.labels)])
        other = literal(self.labels[(value + number) % len(self.labels)])
        held = f"array[{label}, {other}]::{quote_ident(self.name)}[]" if shape == "array" else label
        return f"insert into t{table} (id, n, c) values ({number}, {number % 3}, {held}) on conflict do nothing"

    @property
    def wanted(self) -> Expected:
        type = quote_ident(self.name)
        return Expected(types={type: self.expected}, map={type: self.map} if self.map else {})


@st.composite
def worlds(draw: st.DrawFn) -> World:
    one = st.lists(st.sampled_from(LABELS), min_size=1, max_size=5, unique=True)
    pairs = st.lists(st.sampled_from(TWINS), min_size=1, max_size=2, unique=True)
    twins = pairs.map(lambda some: list(dict.fromkeys(label for pair in some for label in pair)))
    labels = tuple(draw(one | twins))
    fresh = [*{label.upper() for label in labels}, *{label.lower() for label in labels}, *labels, "new"]
    any_of_them = st.lists(st.sampled_from(sorted(set(fresh))), min_size=1, max_size=5, unique=True)
    alike = {label.removeprefix("~retired:").casefold(): label.removeprefix("~retired:") for label in labels}
    one_of_each = st.tuples(*(st.sampled_from(sorted({word.upper(), word.lower()})) for word in alike.values()))
    expected = tuple(draw(any_of_them | one_of_each))
    map = draw(st.dictionaries(st.sampled_from(labels), st.sampled_from(expected), max_size=3))
    shapes = ("plain", *draw(st.lists(st.sampled_from(SHAPES), max_size=2)))
    held = tuple(tuple(draw(st.lists(st.integers(-1, 4), max_size=6))) for _ in shapes)
    made = st.tuples(st.sampled_from((*BOUND, *TEXT)), st.integers(0, 4))
    return World(
        labels, expected, map, shapes, held,
        draw(st.none() | st.integers(0, 4)),
        draw(st.integers(0, 9)) == 0,
        draw(st.integers(0, 9)) == 0,
        tuple(draw(st.lists(made, max_size=2))),
    )  # fmt: skip


def meaning(admin_sql: Sql, world: World) -> list[Counter[str]]:
    """Per table how often each value is held, as text."""
    return [
        Counter(dict(admin_sql(f"select coalesce(c::text, 'NULL'), count(*) from t{at} group by 1")))
        for at in range(len(world.shapes))
    ]


def mapped(counted: Counter[str], shape: str, into: dict[str, str], admin_sql: Sql) -> Counter[str]:
    """What it has to be after the repair: every label in its new spelling, arrays element by element."""
    new: Counter[str] = Counter()
    for value, rows_ in counted.items():
        if shape == "array" and value != "NULL":
            [(elements,)] = admin_sql("select %s::text[]", value)
            [(spelled,)] = admin_sql("select (%s::text[])::text", [into.get(e, e) for e in elements])
            new[spelled] += rows_
        else:
            new[into.get(value, value)] += rows_
    return new


def spellings(repair: Repair, world: World) -> dict[str, str]:
    """Old label to what a row that held it is to hold: retired ones hold the survivor's new spelling."""
    [(type, _)] = repair.before.items()
    renamed = {old: new for name, old, new in repair.renames if name == type}
    given = {**world.map}
    into = {old: new for old, new in renamed.items() if not new.startswith("~retired:")}
    for old, new in renamed.items():
        if new.startswith("~retired:"):
            alike = [e for e in world.expected if e.casefold() == old.removeprefix("~retired:").casefold()]
            into[old] = given.get(old) or (old if old in world.expected else alike[0])
    for label in world.labels:
        if label.startswith("~retired:") and label not in into and label not in world.expected:
            bare = label.removeprefix("~retired:")
            alike = [e for e in world.expected if e.casefold() == bare.casefold()]
            into[label] = given.get(label) or given.get(bare) or (alike[0] if len(alike) == 1 else label)
    return into


EMPTY = """
drop schema public cascade; drop schema if exists recover cascade;
create schema public authorization pg_database_owner; grant usage on schema public to public
"""


@given(world=worlds())
@settings(phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_do_and_undo_is_the_identity_twice_is_once_and_a_refusal_changes_nothing(
    database: Server, admin_sql: Sql, world: World
) -> None:
    admin_sql(EMPTY)  # one database for all examples
    query(database, world.sql)
    with closing(Session(database)) as session:
        check(session, admin_sql, world)


def check(session: Session, admin_sql: Sql, world: World) -> None:
    def state() -> object:
        return catalog(admin_sql), rows(admin_sql)

    before, held = state(), meaning(admin_sql, world)
    try:
        repair = plan(session, diagnose(session, world.wanted), Choices(rewrite=True))
    except Precondition:
        event("refused")
        assert state() == before
        return
    if repair is None:
        event("nothing to do")
        assert state() == before
        return
    event("merged" if repair.written else "renamed" if repair.renames else "added")
    session.execute(doing(repair, new_id()), **LIMITS)
    after = state()
    into = spellings(repair, world)
    now = meaning(admin_sql, world)
    for shape, was, is_ in zip(world.shapes, held, now, strict=True):
        assert is_ == mapped(was, shape, into, admin_sql)
    assert set(world.expected) <= {label for (label,) in admin_sql("select enumlabel::text from pg_enum")}
    written = admin_sql("select count(*) from recover.enum_repairs")
    assert plan(session, diagnose(session, world.wanted), Choices(rewrite=True)) is None
    assert (state(), admin_sql("select count(*) from recover.enum_repairs")) == (after, written)

    session.execute(undoing(repair), **LIMITS)
    added = [change for change in repair.closing if "ADD VALUE" in change.sql]
    assert without_added(state(), before, len(added)) == without_files(before)


def without_files(state: object) -> object:
    """A REINDEX makes new files."""
    made, rows_ = state  # type: ignore[misc]  # (catalog, rows)
    return {k: v for k, v in made.items() if not k.startswith("file ")}, rows_


def without_added(state: object, before: object, added: int) -> object:
    """The state without the labels that the repair added: there is no taking them away."""
    made, rows_ = without_files(state)  # type: ignore[misc]
    old = without_files(before)[0]  # type: ignore[index]
    new = {k for k in made if k.startswith("label ") and k not in old}
    assert len(new) == added
    return {k: v for k, v in made.items() if k not in new}, rows_
