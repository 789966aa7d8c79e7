"""Questions about databases: locks, names, enum labels, the pooler before them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from recover.diagnosis.scene import Scene, words
from recover.diagnosis.shapes import CUT, Shape
from recover.diagnosis.told import Told, yes
from recover.enums.drift import Drift
from recover.enums.expected import Expected
from recover.enums.look import diagnose
from recover.errors import RecoverError
from recover.postgres import catalog
from recover.postgres.statements import one_line
from recover.secrets import beginning
from recover.stack import ServiceState
from recover.world import Row, SeeDatabase

SHOWN = 120  # characters of a statement
ENDED = 3  # sessions that are named to be ended: more would leave no room for how to go on
WAITS, IDLES = 1, 2  # seconds for which a lock is waited for, or held by one that does nothing


def locks(scene: Scene, shapes: Sequence[Shape]) -> Told:  # noqa: ARG001 - the server says more than its log
    """Who waits for a lock, and who keeps readers out of a table and does nothing? For a moment that is no fault."""
    waits = [row for row in scene.waits if _seconds(row["waits"]) >= WAITS]
    idle = [row for row in scene.idle if _seconds(row["age"]) >= IDLES]
    if found := [*map(_waits, waits), *map(_idles, idle)]:
        return replace(yes(dict.fromkeys(found)), next=_ending(scene, waits, idle))
    return _unless_unseen(scene, "nobody waits for a lock")


def _seconds(told: object) -> int:
    """None is what the server hides from this role."""
    return int(str(told or 0))


def _ending(scene: Scene, waits: Sequence[Row], idle: Sequence[Row]) -> tuple[str, ...]:
    """How to end who stands in the way: those that nobody blocks themselves."""
    waiting = {row["pid"] for row in waits}
    blockers = [(row["blocker"], row) for row in waits if row["blocker"] not in waiting]
    pids = dict([*blockers, *((row["pid"], row) for row in idle)])
    return tuple(
        f"psql{scene.source.psql(str(row.get('database')))} -c 'select pg_catalog.pg_terminate_backend({pid})'"
        "   # as that role: its open transaction is taken back"
        for pid, row in [*pids.items()][:ENDED]
    )


def _waits(row: Mapping[str, object]) -> str:
    waits = f"pid {row['pid']} waits {row['waits']} s for pid {row['blocker']}"
    if row["state"] is None:
        return f"{waits} (role {row['role']}; this role may not see what it does)"
    return (
        f"{waits} ({row['application']}, role {row['role']}, {row['state']}, "
        f"its transaction is {row['age']} s old): {plain_sql(row['blocker_query'])}"
    )


def _idles(row: Mapping[str, object]) -> str:
    return (
        f"pid {row['pid']} ({row['application']}, role {row['role']}) is idle in a transaction for {row['age']} s and "
        f"locks everybody out of {row['tables']}: {plain_sql(row['query'])}"
    )


def plain_sql(query: object) -> str:
    """A statement for humans: one line, without the values in it."""
    return beginning(_VALUES.sub(lambda found: found["name"] or "'…'", one_line(str(query))), SHOWN)


_VALUES = re.compile(
    r'(?P<name>"[^"]*+")'
    r"|(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*(?:'|\\?$)|'[^']*+(?:''[^']*+)*+(?:'|$)"
    r"|(?<![\w$])(?P<dollar>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=dollar)|$)",
    re.DOTALL,
)
"""Quoted values, also one whose end is missing: the server keeps 1024 bytes of a statement. A quoted name is none, and
no value begins in it.
"""


_NAMED = re.compile(r'(?:database \\?"([^"\\]+)\\?" does not exist|no such database: ([^\s"\\]+))')
_NAME_KEYS = re.compile(r"^(?:PGDATABASE|(?:DB|DATABASE|POSTGRES)_?(?:NAME|DB)|POSTGRES_DB)$")
_URL_KEYS = re.compile(r"^postgres\w*(?:\+\w+)?://[^/]*/([\w-]+)")


def database_name(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Do services ask for a database that there is not, or for another one than the playbook's?

    A server's own line does not say who asked: its health check may do so all day, and nothing is wrong.
    """
    known = _databases(scene)
    named = {
        (shape.service, a or b)
        for shape in shapes
        if scene.is_new(shape) and not _is_server(scene.states.get(shape.service))
        for text in shape.samples
        for a, b in _NAMED.findall(text)
    }
    wrong = [
        f"{service} asks for {name!r}; there are: {', '.join(known)}"
        for service, name in sorted(named)
        if known and name not in known
    ]
    if wrong := [*wrong, *(_set_otherwise(scene) if scene.fails else ())]:
        return yes(dict.fromkeys(wrong))
    return _unless_unseen(scene, f"the databases that are asked for are there: {', '.join(known)}")


_REFUSED_AS = re.compile(r'password authentication failed for (?:user|role) \\?"([^"\\]+)')


def credentials(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Is a service refused for its password? Certain where the playbook's own password is refused as well.

    A pooler has passwords of its own: what it says is another cause's.
    """
    said = [shape for shape in shapes if scene.is_new(shape) and not _POOLERS.search(shape.service)]
    roles = {(s.service, role) for s in said for text in s.samples for role in _REFUSED_AS.findall(text)}
    ours = [
        why for what, why in scene.unseen.items() if what.startswith("database ") and "password authentication" in why
    ]
    if not (said or ours):
        return Told("no", "no service is refused for its password")
    refused = [f"{service} says that role {role!r} is refused" for service, role in sorted(roles)]
    unnamed = {shape.service for shape in said} - {service for service, _ in roles}
    refused += [f"{service} says that it is refused, and not as which role" for service in sorted(unnamed)]
    told = "; ".join([*refused, *(f"ours is refused too: {why}" for why in ours)])
    return Told("yes" if said and ours else "unknown", told, tuple(dict.fromkeys(s.service for s in said)))


def _set_otherwise(scene: Scene) -> list[str]:
    """The clients whose settings name another database than the playbook, and one that could be taken for it."""
    own = set(scene.source.dbnames.values())
    return [
        f"{state.name} is set to the database {name!r}, the data is in {', '.join(sorted(own))}"
        for state in scene.states.values()
        if state.running and not (_is_server(state) or "exporter" in state.name)
        for name in _configured(state)
        if name not in own and _could_be_taken_for(own, name)
    ]


def _could_be_taken_for(own: Collection[str], name: str) -> bool:
    """Services may have databases of their own; this one has a name like the right one, or is everybody's first."""
    return bool(own) and (name == "postgres" or bool(get_close_matches(name, own, cutoff=0.6)))


def _is_server(state: ServiceState | None) -> bool:
    """It is a server of databases and no client: that one knows other names with good reason."""
    if state is None or _BESIDE.search(state.name):
        return False
    made = {**state.declared_settings, **state.settings}
    told = f"{state.name} {made.get('image', '')} {made.get('command', '')}"
    return "PGDATA" in {**state.declared, **state.environment} or bool(_SERVER.search(told))


_BESIDE = re.compile(r"exporter|bouncer|pooler|backup|migrat")
_SERVER = re.compile(r"\b(?:postgres|postgresql|postgis|timescaledb)\b(?!://)")


def _configured(state: ServiceState) -> Iterator[str]:
    for key, value in state.environment.items():
        if _NAME_KEYS.match(key) and value:
            yield value
        elif found := _URL_KEYS.match(value):
            yield found[1]


def _databases(scene: Scene) -> list[str]:
    for name in scene.source.databases:
        try:
            with scene.database(name) as database:
                return [str(row["name"]) for row in database.rows("the databases", catalog.named("databases"))]
        except RecoverError:
            continue
    return []


_ORM = re.compile(
    r"'([^']*)' is not among the defined enum values\. Enum name: (\w+)\. "
    r'Possible values: ((?:[^\n"\\]|\\u)*)'  # where it is quoted, the quote's end is its end
)
_PARTIAL = re.compile(rf"\.\.$|\\|{CUT}")
_SQL = re.compile(r'invalid input value for enum (?:\w+\.)?(?:\\?")?(\w+)(?:\\?")?: \\?"([^"\\]*)\\?"')


def enum_labels(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Have the databases the labels that the playbook, and the log of what runs now, say the code expects?

    A label that only a statement used may be anybody's mistake: it proves nothing.
    """
    shapes = [shape for shape in shapes if scene.is_new(shape)]
    told, used = from_log(shapes), from_statements(shapes)
    wrong, fine, guessed, unseen = list[str](), 0, list[str](), list[str]()
    for name in scene.source.databases:
        known = scene.source.expected.get(name, Expected())
        wanted = replace(known, types={**_besides(told, known), **known.types})
        try:
            with scene.database(name) as database:
                found = diagnose(database, wanted, counting=False)
                also = diagnose(database, replace(used, types=_besides(used, wanted)), counting=False)
                wrong += [*filter(None, map(lacks, found.drifts)), *_held(database, wanted, found.drifts, shapes)]
        except RecoverError as error:
            unseen.append(words(error))
            continue
        fine += len(found.drifts)
        unseen += [f"{r.object}: {r.reason}" for r in found.blocked if r.object in known.types]
        guessed += [f"{lack}, and a statement used that" for lack in map(lacks, also.drifts) if lack]
    if wrong and scene.answers and not (scene.fails or any(map(scene.is_current, shapes))):
        return Told("unknown", "; ".join(["nothing fails for it, so the code that runs may not expect them", *wrong]))
    if wrong:
        return yes(wrong)
    if unseen or guessed or not fine:
        said = [_from_log_words(told) if unseen else "", *unseen, *guessed]
        return Told("unknown", "; ".join(filter(None, said)) or _nothing_known(scene, told))
    return Told("no", f"the labels of {fine} types are as expected")


def _nothing_known(scene: Scene, told: Expected) -> str:
    if told.types and not scene.source.databases:
        return f"{_from_log_words(told)}; no database is known in which that could be looked at (--dsn)"
    return "nothing says which labels the code expects"


def _besides(more: Expected, known: Expected) -> dict[str, tuple[str, ...]]:
    """The types that only the one speaks of."""
    bare = {name.rpartition(".")[2].strip('"') for name in known.types}
    return {name: labels for name, labels in more.types.items() if name not in bare}


def _held(database: SeeDatabase, wanted: Expected, drifts: Sequence[Drift], shapes: Sequence[Shape]) -> Iterable[str]:
    """The labels that the log says were read, that nobody expects, and that rows hold: the type may have both."""
    if not any(_read(drift, shapes) for drift in drifts):
        return
    counted = diagnose(database, wanted)
    for drift in counted.drifts:
        for label in _read(drift, shapes):
            if places := counted.users(drift, label):
                yield f"rows of {', '.join(map(str, places))} hold {label}, which is not expected"


def _read(drift: Drift, shapes: Sequence[Shape]) -> list[str]:
    named = {value for _, value, name, _ in _told_by_orm(shapes) if name == drift.type.name}
    return [label for label in drift.type.labels if label in named and label not in drift.expected]


def lacks(drift: Drift) -> str:
    """ "public.userrole lacks ADMIN, USER (it has admin, user)", or nothing."""
    missing = [label for label in drift.expected if label not in drift.type.labels]
    if not missing:
        return ""
    return f"{_plain(drift)} lacks {', '.join(missing)} (it has {', '.join(drift.type.labels)})"


def _plain(drift: Drift) -> str:
    return f"{drift.type.schema}.{drift.type.name}"


def from_log(shapes: Sequence[Shape]) -> Expected:
    """What SQLAlchemy's own errors say is expected. It leaves out the middle of a long list, and the end of a long
    label (".."): those are left out here too, and so is what a JSON log spells otherwise, or the cut of a long line.
    """
    types: dict[str, list[str]] = {}
    for _, _, name, values in _told_by_orm(shapes):
        labels = (label.strip() for label in values.split(","))
        types.setdefault(name, []).extend(label for label in labels if label and not _PARTIAL.search(label))
    return _expected(types)


def from_statements(shapes: Sequence[Shape]) -> Expected:
    """The labels that statements used, and that PostgreSQL did not know."""
    types: dict[str, list[str]] = {}
    for shape in shapes:
        for text in shape.samples:
            for name, value in _SQL.findall(text):
                types.setdefault(name, []).append(value)
    return _expected(types)


def _told_by_orm(shapes: Sequence[Shape]) -> Iterator[tuple[Shape, str, str, str]]:
    for shape in shapes:
        for text in shape.samples:
            for value, name, values in _ORM.findall(text):
                yield shape, value, name, values


def _expected(types: Mapping[str, Sequence[str]]) -> Expected:
    return Expected(types={name: tuple(dict.fromkeys(labels)) for name, labels in types.items()}, source="the log")


def _from_log_words(told: Expected) -> str:
    return "; ".join(f"the log: {name} should have {', '.join(labels)}" for name, labels in told.types.items())


def pooler(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Is a pooler not ready because it lets nobody in, while PostgreSQL itself does?"""
    poolers = [s for s in scene.states.values() if _POOLERS.search(s.name) and "exporter" not in s.name]
    if not poolers:
        return Told("no", "there is no pooler")
    direct = bool(_databases(scene))
    refused = [s for s in poolers if s.running and not s.ready and _REFUSES.search(s.detail)]
    refused += [s for s in poolers if s.running and s not in refused and any(map(scene.is_new, shapes)) and not s.ready]
    if refused and not direct:
        return Told(
            "unknown", f"whether PostgreSQL itself answers cannot be seen; {refused[0].name}: {refused[0].detail}"
        )
    if refused:
        return yes(
            (f"{s.name}: {s.detail or 'its log says so'}; PostgreSQL itself answers" for s in refused),
            *(s.name for s in refused),
        )
    return Told("no", ", ".join(f"{s.name} is {'ready' if s.ready else s.status}" for s in poolers))


_POOLERS = re.compile(r"bouncer|pooler|pgcat|odyssey")
_REFUSES = re.compile(r"no such user|authentication failed|auth_file|login failed|password|SASL", re.IGNORECASE)


def _unless_unseen(scene: Scene, words: str) -> Told:
    unseen = [why for what, why in scene.unseen.items() if what.startswith("database ")]
    if unseen or not scene.source.databases:
        return Told("unknown", "; ".join(unseen) or "no database is known")
    return Told("no", words)
