"""The enum doctor beside bare SQL and beside a tool that swaps types, on one server and on the same rows.

1. diff of 500 enum types over 2,000 tables (aim: <= 300 ms after start-up, < 100 MB), beside two bare queries.
2. The repair of the incident's 8 types on 5 million rows, beside its RENAME VALUE statements in one transaction
   of psql (aim: <= 5 x), and beside alembic-postgresql-enum, which pip brings into a folder of the benchmark's own.
3. A merge with 0.1 % of the rows on the losing label, beside the UPDATE of those rows (aim: <= 1.5 x).

Each side is timed in turn, medians are printed. "after start-up" is a command without the median of
`recover enums --help`; "in process" is the same command in a process that has imported everything already.

Run: make bench-enums, or .venv/bin/python benchmarks/enums.py [--rows N] [--rounds N] [--only diff|rows]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recover.drill.postgres import Cluster, binaries, server

HERE = Path(__file__).parent
ROOT = HERE.parent
STACK = ROOT / "playbooks/enum-cascade/stack"
RECOVER = str(Path(sys.executable).parent / "recover")
PASSWORD = "benchmark"
DRIFT = 4

# The command in this process, timed once everything it needs is imported.
IN_PROCESS = """
import contextlib, io, sys, time
import psycopg, yaml, typer
import recover.session.enums, recover.session.doctor, recover.session.expected_file, recover.cli.enums
from recover.cli import main
sys.argv[0] = "recover"
began = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    code = main()
print(time.perf_counter() - began)
sys.exit(code)
"""

CATALOG = """
select t.oid, n.nspname, t.typname, e.enumlabel from pg_type t join pg_enum e on e.enumtypid = t.oid
    join pg_namespace n on n.oid = t.typnamespace order by t.oid, e.enumsortorder;
select a.attrelid::regclass, a.attname, a.atttypid from pg_attribute a join pg_type t on t.oid = a.atttypid
    where t.typtype = 'e';
"""

NAMES = {
    "userrole": (("admin", "user"), (("users", "role"), ("invitations", "role"))),
    "userstatus": (("pending_approval", "active", "disabled"), (("users", "status"),)),
    "taskstatus": (
        ("pending", "in_progress", "completed", "cancelled"),
        (("tasks", "status"), ("task_history", "status")),
    ),
    "taskpriority": (("low", "medium", "high", "urgent"), (("tasks", "priority"),)),
    "tasktype": (("general", "research", "coding", "meeting"), (("tasks", "type"),)),
    "documentstatus": (("uploaded", "processing", "completed", "failed"), (("documents", "status"),)),
}
KEPT = {"eventcategory": ("work", "personal", "health", "deadline"), "googleservice": ("calendar", "drive", "gmail")}


@dataclass(frozen=True)
class Bench:
    """The server of the wheel, and a folder for files."""

    port: int
    folder: Path

    def url(self, dbname: str, *, scheme: str = "postgresql", user: str = "app") -> str:
        return f"{scheme}://{user}:{PASSWORD}@127.0.0.1:{self.port}/{dbname}"

    def psql(self, dbname: str, script: str, *words: str, user: str = "app") -> str:
        """Run a script; its output, bare. Ends the benchmark with psql's words when it fails."""
        flags = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *words, self.url(dbname, user=user)]
        return run([str(binaries() / "psql"), *flags], script)

    def wal(self) -> int:
        """Bytes of write-ahead log so far."""
        return int(self.psql("app", "select pg_current_wal_lsn() - '0/0'"))

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


def run(words: list[str], script: str = "", allowed: tuple[int, ...] = (0,), **env: str) -> str:
    """Run a program; its output. Ends the benchmark with its words when it fails."""
    done = subprocess.run(
        words, input=script, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **env}
    )
    if done.returncode not in allowed:
        sys.exit(f"{words[0]} {words[-1]}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def ours(*words: str, allowed: tuple[int, ...] = (0,)) -> float:
    """Seconds that `recover enums …` takes from its start to its end."""
    return timed(lambda: run([RECOVER, "enums", *words], allowed=allowed))


def in_process(*words: str, allowed: tuple[int, ...] = (0,)) -> float:
    """Seconds that the same command takes in a process that has imported everything."""
    return float(run([sys.executable, "-c", IN_PROCESS, "enums", *words], allowed=allowed).split()[-1])


def peak(*words: str) -> float:
    """MiB of memory that `recover enums …` had at its most (getrusage of that one child)."""
    child = subprocess.Popen([RECOVER, "enums", *words], stdout=subprocess.DEVNULL, cwd=ROOT)
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0  # waited for already
    return usage.ru_maxrss / 1024


def line(what: str, seconds: list[float], beside: float | None = None, less: float = 0.0) -> float:
    """Print the median in ms, less so many seconds, and how many times `beside` that is; return it."""
    median = statistics.median(seconds) - less
    ratio = f"{median / beside:8.2f} x" if beside else ""
    print(f"  {what:<58} {median * 1000:9.1f} ms {ratio}", flush=True)
    return median


def diff_of_a_catalog(bench: Bench, rounds: int, start: float) -> None:
    """500 types, 2,000 tables; every tenth type has drifted."""
    bench.psql("postgres", "create database catalog owner app;", user="postgres")
    bench.psql("catalog", (HERE / "enums_catalog.sql").read_text())
    labels = {
        n: [name.upper() if n % 10 == 0 else name for name in ("new", "open", "held", "done", "gone")]
        for n in range(500)
    }
    text = "types:\n" + "".join(f"  kind_{n}: [{', '.join(names)}]\n" for n, names in labels.items())
    words = ["diff", "--dsn", bench.url("catalog"), "--expected", str(bench.file("catalog.yaml", text))]
    print("diff of 500 enum types over 2,000 tables")
    bare, whole, warm = [], [], []
    for _ in range(rounds):
        bare.append(timed(lambda: bench.psql("catalog", CATALOG)))
        whole.append(ours(*words, allowed=(DRIFT,)))
        warm.append(in_process(*words, allowed=(DRIFT,)))
    base = line("two bare queries in psql", bare)
    line("recover enums diff, after start-up", whole, base, less=start)
    line("recover enums diff, in process", warm, base)
    print(f"  {'memory at its most':<58} {peak(*words):9.1f} MiB")


def renames(*, back: bool = False) -> str:
    """The bare statements, one transaction."""
    pairs = [(type, old, upper(old)) for type, (labels, _) in NAMES.items() for old in labels]
    turned = [(type, new, old) for type, old, new in reversed(pairs)] if back else pairs
    body = "".join(f"alter type {type} rename value '{old}' to '{new}';\n" for type, old, new in turned)
    return f"begin;\n{body}commit;\n"


def upper(label: str) -> str:
    """The member's name, which is what the code expects."""
    return {"pending_approval": "PENDING"}.get(label, label.upper())


def expected() -> str:
    """The expected file of the incident."""
    types = {name: [upper(label) for label in labels] for name, (labels, _) in NAMES.items()}
    types["documentstatus"].append("ARCHIVED")
    lines = [f"  {name}: [{', '.join(labels)}]" for name, labels in {**types, **KEPT}.items()]
    return "\n".join(["types:", *lines, "map: {userstatus: {pending_approval: PENDING}}"]) + "\n"


def fill(bench: Bench, rows: int) -> None:
    """The incident's schema by its own migration, and so many users."""
    files = {name: str(bench.file(name.lower(), PASSWORD)) for name in ("DATABASE_PASSWORD_FILE", "JWT_KEY_FILE")}
    env = {"DATABASE_PORT": str(bench.port), "DATABASE_NAME": "app", "PYTHONPATH": str(STACK), **files}
    ini = str(STACK / "alembic.ini")
    words = [sys.executable, "-m", "alembic", "-c", ini, "upgrade", "head"]
    subprocess.run(words, check=True, capture_output=True, cwd=STACK, env={**os.environ, **env})
    bench.psql("app", "alter type documentstatus add value 'ARCHIVED'")  # so that each round does the same
    took = timed(
        lambda: bench.psql("app", (HERE / "enums_rows.sql").read_text(), "-v", f"rows={rows}", user="postgres")
    )
    size = bench.psql("app", "select pg_size_pretty(pg_database_size('app'))").strip()
    print(f"{rows:,} users, {size}, filled in {took:.0f} s", flush=True)


def repair_of_the_incident(bench: Bench, rounds: int, start: float) -> None:
    """Bare renames and ours, each taken back before the next."""
    words = ["--dsn", bench.url("app")]
    repair = ["repair", *words, "--expected", str(bench.file("expected.yaml", expected())), "--yes"]
    bare, whole, warm, undo, wal = [], [], [], [], []
    for _ in range(rounds):
        bare.append(timed(lambda: bench.psql("app", renames())))
        bench.psql("app", renames(back=True))
        before = bench.wal()
        whole.append(ours(*repair))
        wal.append(bench.wal() - before)
        undo.append(ours("undo", *words, "--yes"))
        warm.append(in_process(*repair))
        ours("undo", *words, "--yes")
    print("repair of the incident's types")
    base = line("the RENAME VALUE statements in one transaction of psql", bare)
    line("recover enums repair, after start-up", whole, base, less=start)
    line("recover enums repair, in process", warm, base)
    line("recover enums undo, after start-up", undo, base, less=start)
    print(f"  {'write-ahead log of the repair':<58} {statistics.median(wal) / 1e3:9.1f} kB")
    swap_by_alembic(bench, base)


def swap_by_alembic(bench: Bench, base: float) -> None:
    """The same label change by alembic-postgresql-enum; leaves the database with the new labels."""
    site = bench.folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    run([*pip, "alembic-postgresql-enum"])
    asked = [
        (
            name,
            [upper(old) for old in labels] + ["ARCHIVED"] * (name == "documentstatus"),
            columns,
            [(old, upper(old)) for old in labels],
        )
        for name, (labels, columns) in NAMES.items()
    ]
    before = bench.wal()
    url = bench.url("app", scheme="postgresql+psycopg")
    seconds = float(
        run([sys.executable, str(HERE / "enums_swap.py"), url, json.dumps(asked)], PYTHONPATH=str(site)).split()[-1]
    )
    line("alembic-postgresql-enum: swaps the types, once", [seconds], base)
    print(f"  {'its write-ahead log':<58} {(bench.wal() - before) / 1e6:9.1f} MB", flush=True)


def merge(bench: Bench, rounds: int, start: float) -> None:
    """0.1 % of the users on `admin`, the others on ADMIN and USER; expected is ADMIN, USER."""
    loser = "update users set role = 'admin' where id % 1000 = 0;"
    reset = "update users set role = 'admin' where id % 1000 = 0 and role <> 'admin'; vacuum users; checkpoint;"
    bench.psql("app", "alter type userrole add value 'admin'", user="postgres")
    bench.psql("app", f"{loser} vacuum analyze users; checkpoint;", user="postgres")
    words = ["--dsn", bench.url("app")]
    file = bench.file("merge.yaml", "types: {userrole: [ADMIN, USER]}\nmap: {userrole: {admin: ADMIN}}\n")
    repair = ["repair", *words, "--expected", str(file), "--yes"]
    bare, whole, warm, undo = [], [], [], []
    for _ in range(rounds):
        bare.append(timed(lambda: bench.psql("app", "update users set role = 'ADMIN' where role = 'admin'")))
        bench.psql("app", reset, user="postgres")
        whole.append(ours(*repair))
        undo.append(ours("undo", *words, "--yes"))
        bench.psql("app", "vacuum users; checkpoint;", user="postgres")
        warm.append(in_process(*repair))
        ours("undo", *words, "--yes")
        bench.psql("app", "vacuum users; checkpoint;", user="postgres")
    print("merge of 0.1 % of the rows")
    base = line("the UPDATE of those rows in psql", bare)
    line("recover enums repair, after start-up", whole, base, less=start)
    line("recover enums repair, in process", warm, base)
    line("recover enums undo, after start-up", undo, base, less=start)


@contextmanager
def started() -> Iterator[Bench]:
    """A server of its own in a folder of its own; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-enums-") as name:
        cluster = Cluster(Path(name) / "cluster" / "data", PASSWORD, "app", PASSWORD, "app")
        with server(cluster) as running:
            yield Bench(running.port, Path(name))


def main() -> None:
    """Print all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("diff", "rows"))
    given = parser.parse_args()
    with started() as bench:
        start = line("start-up: recover enums --help", [ours("--help") for _ in range(2 * given.rounds)])
        if given.only != "rows":
            diff_of_a_catalog(bench, given.rounds, start)
        if given.only != "diff":
            fill(bench, given.rows)
            repair_of_the_incident(bench, given.rounds, start)
            merge(bench, given.rounds, start)


if __name__ == "__main__":
    main()
