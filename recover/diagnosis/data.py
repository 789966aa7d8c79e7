"""Questions about databases: locks, names, enum labels, the pooler before them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from recover.diagnosis.scene import Scene
from recover.diagnosis.shapes import Shape
from recover.diagnosis.told import Told, yes
from recover.enums.drift import Drift
from recover.enums.expected import Expected
from recover.enums.look import diagnose
from recover.errors import RecoverError
from recover.postgres import catalog
from recover.postgres.statements import one_line
from recover.stack import ServiceState

SHOWN = 120  # characters of a statement


def locks(scene: Scene, shapes: Sequence[Shape]) -> Told:  # noqa: ARG001 - the server says more than its log
    """Who waits for a lock, and who keeps readers out of a table and does nothing?"""
    found = [_waits(row) for row in scene.waits if int(str(row["waits"] or 0)) >= 1]
    found += [_idles(row) for row in scene.idle]
    if found:
        return replace(yes(dict.fromkeys(found)), next=_ending(scene))
    return _unless_unseen(scene, "nobody waits for a lock")


def _ending(scene: Scene) -> tuple[str, ...]:
    """How to end who stands in the way: those that nobody blocks themselves."""
    waiting = {row["pid"] for row in scene.waits}
    pids = [row["blocker"] for row in scene.waits if row["blocker"] not in waiting] + [row["pid"] for row in scene.idle]
    return tuple(
        f"psql -c 'select pg_terminate_backend({pid})'   # as that role: its open transaction is taken back"
        for pid in dict.fromkeys(pids)
    )


def _waits(row: Mapping[str, object]) -> str:
    return (
        f"pid {row['pid']} waits {row['waits']} s for pid {row['blocker']} ({row['application']}, role {row['role']}, "
        f"{row['state']}, its transaction is {row['age']} s old): {plain_sql(row['blocker_query'])}"
    )


def _idles(row: Mapping[str, object]) -> str:
    return (
        f"pid {row['pid']} ({row['application']}, role {row['role']}) is idle in a transaction for {row['age']} s and "
        f"locks everybody out of {row['tables']}: {plain_sql(row['query'])}"
    )


def plain_sql(query: object) -> str:
    """A statement for humans: one line, without the values in it."""
    return re.sub(r"'(?:[^']|'')*'", "'…'", one_line(str(query)))[:SHOWN]


_NAMED = re.compile(r'(?:database "([^"]+)" does not exist|no such database: (\S+))')
_NAME_KEYS = re.compile(r"^(?:PGDATABASE|(?:DB|DATABASE|POSTGRES)_?(?:NAME|DB)|POSTGRES_DB)$")
_URL_KEYS = re.compile(r"^postgres\w*(?:\+\w+)?://[^/]*/([\w-]+)")


def database_name(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Do services ask for a database that there is not, or for another one than the playbook's?"""
    known = _databases(scene)
    recent = [(s.service, text) for s in shapes for text in s.samples if _is_new(scene, s)]
    named = {(service, a or b) for service, text in recent for a, b in _NAMED.findall(text)}
    wrong = [
        f"{service} asks for {name!r}; there are: {', '.join(known)}"
        for service, name in sorted(named)
        if known and name not in known
    ]
    if wrong := [*wrong, *_set_otherwise(scene)]:
        return yes(dict.fromkeys(wrong))
    return _unless_unseen(scene, f"the databases that are asked for are there: {', '.join(known)}")


def _set_otherwise(scene: Scene) -> list[str]:
    """The clients whose settings name another database than the playbook."""
    own = set(scene.source.dbnames.values())
    if not own:
        return []
    return [
        f"{state.name} is set to the database {name!r}, the data is in {', '.join(sorted(own))}"
        for state in scene.states.values()
        if state.running and _is_client(state)
        for name in _configured(state)
        if name not in own
    ]


def _is_client(state: ServiceState) -> bool:
    """It is a client and no server of databases: that one knows other names with good reason."""
    return not any(key.startswith(("POSTGRES_PASSWORD", "PGDATA")) for key in state.environment)


def _configured(state: ServiceState) -> Iterator[str]:
    for key, value in state.environment.items():
        if _NAME_KEYS.match(key) and value:
            yield value
        elif found := _URL_KEYS.match(value):
            yield found[1]


def _is_new(scene: Scene, shape: Shape) -> bool:
    """Was it said by the instance that is there now?"""
    state = scene.states.get(shape.service)
    return not (state and state.started_at and shape.last and shape.last < state.started_at)


def _databases(scene: Scene) -> list[str]:
    for name in scene.source.databases:
        try:
            with scene.database(name) as database:
                return [str(row["name"]) for row in database.rows("the databases", catalog.named("databases"))]
        except RecoverError:
            continue
    return []


_ORM = re.compile(r"'([^']*)' is not among the defined enum values\. Enum name: (\w+)\. Possible values: ([^\n]*)")
_SQL = re.compile(r'invalid input value for enum (?:\w+\.)?"?(\w+)"?: "([^"]*)"')


def enum_labels(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Have the databases the labels that the playbook, or else the log, says the code expects?"""
    expected = dict(scene.source.expected) or dict.fromkeys(scene.source.databases, from_log(shapes))
    wrong, fine, unseen = [], 0, []
    for name, wanted in expected.items():
        if not wanted.types:
            continue
        try:
            with scene.database(name) as database:
                drifts = diagnose(database, wanted, counting=False).drifts
        except RecoverError as error:
            unseen.append(f"{error.what}: {error.why}" if error.why else error.what)
            continue
        fine += len(drifts)
        wrong += [words for drift in drifts if (words := lacks(drift))]
    if wrong:
        return yes(wrong)
    if unseen or not fine:
        said = "; ".join(unseen) or "nothing says which labels the code expects"
        return Told("unknown", said + ("; the log: " + _from_log_words(shapes) if shapes else ""))
    return Told("no", f"the labels of {fine} types are as expected")


def lacks(drift: Drift) -> str:
    """ "public.userrole lacks ADMIN, USER (it has admin, user)", or nothing."""
    missing = [label for label in drift.expected if label not in drift.type.labels]
    if not missing:
        return ""
    return f"{_plain(drift)} lacks {', '.join(missing)} (it has {', '.join(drift.type.labels)})"


def _plain(drift: Drift) -> str:
    return f"{drift.type.schema}.{drift.type.name}"


def from_log(shapes: Sequence[Shape]) -> Expected:
    """What the errors themselves say is expected. SQLAlchemy leaves out the middle of a long list ("..")."""
    types: dict[str, list[str]] = {}
    for text in (text for shape in shapes for text in shape.samples):
        for _, name, values in _ORM.findall(text):
            types.setdefault(name, []).extend(v.strip() for v in values.split(",") if v.strip(" ."))
        for name, value in _SQL.findall(text):
            types.setdefault(name, []).append(value)
    return Expected(types={name: tuple(dict.fromkeys(labels)) for name, labels in types.items()}, source="the log")


def _from_log_words(shapes: Sequence[Shape]) -> str:
    types = from_log(shapes).types
    return "; ".join(f"{name} should have {', '.join(labels)}" for name, labels in types.items())


def pooler(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Is a pooler not ready because it lets nobody in, while PostgreSQL itself does?"""
    poolers = [
        s
        for s in scene.states.values()
        if re.search(r"bouncer|pooler|pgcat|odyssey", s.name) and "exporter" not in s.name
    ]
    if not poolers:
        return Told("no", "there is no pooler")
    direct = bool(_databases(scene))
    refused = [s for s in poolers if s.running and not s.ready and _REFUSES.search(s.detail)]
    refused += [
        s
        for s in poolers
        if s.running and s not in refused and any(_is_new(scene, shape) for shape in shapes) and not s.ready
    ]
    if refused and direct:
        return yes(
            (f"{s.name}: {s.detail or 'its log says so'}; PostgreSQL itself answers" for s in refused),
            *(s.name for s in refused),
        )
    return Told("no", ", ".join(f"{s.name} is {'ready' if s.ready else s.status}" for s in poolers))


_REFUSES = re.compile(r"no such user|authentication failed|auth_file|login failed|password|SASL", re.IGNORECASE)


def _unless_unseen(scene: Scene, words: str) -> Told:
    unseen = [why for what, why in scene.unseen.items() if what.startswith("database ")]
    if unseen or not scene.source.databases:
        return Told("unknown", "; ".join(unseen) or "no database is known")
    return Told("no", words)
