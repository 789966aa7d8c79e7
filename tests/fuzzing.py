"""Mutants of everything that is read from outside: `make fuzz`, and in short form `test_fuzzing.py`.

A mutant is made from a seed file by its number and the run's seed, so that one that fails is made again by
`python tests/fuzzing.py --seed SEED --mutant NUMBER`. Whatever it says, recover has to refuse or read it: no bug (exit
70), no exception, nothing that takes five seconds. JSON is sealed again after most changes, as somebody would who
wants it to be believed.

Nothing is acted on: no service runs, the playbook that runs has only a check, and one that could do more is linted, or
planned against a snapshot.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import signal
import string
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import typer.main
import yaml

from recover import cli, events
from recover.agreement import canonical
from recover.checks import CHECK_TYPES
from recover.drill import scenario
from recover.enums import ledger, planfile
from recover.errors import Bug, RecoverError
from recover.evidence import Evidence
from recover.journal.records import GENESIS, NAME, create, plain, seal
from recover.playbook.load import load
from recover.runtimes.local import LocalRuntime
from recover.session import expected_file
from recover.steps import STEP_TYPES

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "playbooks" / "enum-cascade"
LIMIT = 5.0
"""Seconds after which a mutant counts as one that hangs."""

BATCH = 200
MEMORY = 4 * 2**30

RUN = "20260101-000000-abcd"
LOOKING = """\
recover: 1
name: looking
title: Nothing is done
target: {services: {runtime: local, project: fuzz, files: [local.yaml]}}
variables: {word: {default: hello, help: a word}}
stages:
- stage: All
  steps:
  - {id: first, name: "Look for ${word}", check: [{file: {path: /}}]}
  - {id: second, name: Look again, when: "${word} == 'hello'", needs: [first], check: [{file: {path: /}}]}
"""
STACK = """\
local: 1
services:
  web: {command: [sleep, "3600"], ports: ["${WEB_PORT}"], stop: {signal: INT, within: 15s}}
"""
ACTING = """\
recover: 1
name: acting
title: Planned against a snapshot only
objectives: {rto: 30m, rpo: 0 rows}
target: {services: {runtime: local, project: fuzz, files: [local.yaml]}}
stages:
- stage: All
  steps:
  - {id: stop, name: Stop, service.stop: {except: [web]}}
  - id: start
    name: Start
    for_each: [a, b]
    service.start: {services: [web], wait: started, env: {web: {MODE: "${kept}"}}}
  - id: call
    name: Call
    http.call: {url: "${services.web.url}/x", method: POST}
    done_when: [{http: {get: "${services.web.url}/", expect: {status: 200, json: {a: 1}}}}]
final: [{service: {name: web, as_declared: true}, during: 1s}]
"""
EXPECTED = """\
types: {userrole: [ADMIN, USER], 's1."We ird"': ['on', 'no']}
map: {userstatus: {pending_approval: PENDING}}
columns: {public.accounts.state: [ACTIVE, DISABLED]}
members:
  public.users.role: {type: userrole, enum: app.Role, labels: [A, B], stores: names, pairs: {A: a, B: b}, length: 12}
"""
LEDGER = {
    "id": "20260101-000000-abcd",
    "made_at": "2026-01-01 00:00:00",
    "older": False,
    "labels_after": {"role": ["ADMIN", "USER"]},
    "undo": ["ALTER TYPE role RENAME VALUE 'ADMIN' TO 'admin'"],
    "locked": ["public.users"],
}
REPAIR = {
    "v": 1,
    "sha256": "0" * 64,
    "database": {"system_identifier": "1", "database": "app"},
    "expected": {"types": {"role": ["ADMIN"]}, "map": {}, "columns": {}, "members": {}, "source": "", "notes": []},
    "choices": {"strategy": "rename", "rewrite": False, "ignore": []},
    "labels": {"before": {"role": ["admin"]}, "after": {"role": ["ADMIN"]}},
    "statements": ["ALTER TYPE role RENAME VALUE 'admin' TO 'ADMIN'"],
}

LOOKS = (
    ["status"],
    ["status", "--handover"],
    ["status", "--json"],
    ["show"],
    ["show", "--json"],
    ["runs"],
    ["explain"],
)
_YAML = """~ null true no 0 -1 1e400 0x1f 1:30 '' ' " [] {} [ { ] } - ? : &a *a << --- ... | > ! @ ` # ${ $${ % %s /
${x} ${kept} ${item} ${secret.x} ${services.web.url} ${services..url} ${target.folder} $${x} !!python/object:os.system
../../../etc/passwd /dev/zero /dev/stdin . 1s 0s -5s 99999999999h 1e9d %(v1)s run web first check sql.run command.run
service.start for_each done_when within probe"""
_JSON = "../.. /etc/passwd 2026-01-01 2026-01-01T00:00:00 RunStarted StepDone first done"
WORDS = (
    *_YAML.split(),
    *("", "9" * 400, "a" * 5000, "(" * 200, "[" * 100, "x == 'y'", "select 1; drop table x", '"\\0"', '"\\ud83d"'),
    *("\u202e", "\x1b[2J", "\x85", "\ufeff", "\t"),
)
VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 10**30, -(2**63), 1.5, 1e308, float("nan"), float("inf"), "", "\0", "\ud800"),
    *([], {}, [None], [[]], {"a": None}, {"": ""}, ["a", 1], {"type": "RunProgram"}, "x" * 5000, "9" * 5000),
    *(*_JSON.split(), "\u202e\x1b[2J\n"),
)


@dataclass(frozen=True)
class Failure:
    """A mutant that was not refused as it has to be: `why` is what happened in place of it."""

    number: int
    kind: str
    why: str


class Hangs(BaseException):
    """Raised by the alarm: no handler of the code under test may take it for an error of its own."""


# --- making one -------------------------------------------------------------------------------------


def mutated_text(text: str, dice: random.Random) -> bytes:
    """The text with one to four changes; as bytes, which need not be text any more."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        text = dice.choice(_TEXT_CHANGES)(text, dice)
    data = text.encode("utf-8", "surrogatepass")
    how = dice.random()
    if how < 0.03:
        return text.encode("utf-16", "surrogatepass")
    if how < 0.06 and data:
        at = dice.randrange(len(data))
        return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
    return data


def _some_word(text: str, dice: random.Random) -> str:
    """One word, between what YAML parts words with, becomes another."""
    begin = dice.randrange(len(text) + 1)
    parting = " \n,:[]{}\"'"
    while begin < len(text) and text[begin] in parting:
        begin += 1
    end = begin
    while end < len(text) and text[end] not in parting:
        end += 1
    return text[:begin] + dice.choice(WORDS) + text[end:]


def _some_line(text: str, dice: random.Random) -> str:
    """A line is taken away, said twice, indented, or put somewhere else."""
    lines = text.split("\n")
    at, to = dice.randrange(len(lines)), dice.randrange(len(lines))
    how = dice.randrange(4)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(to, lines[at])
    elif how == 2:
        lines[at] = " " * dice.randrange(1, 5) + lines[at]
    else:
        lines.insert(to, lines.pop(at))
    return "\n".join(lines)


def _insert(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice((dice.choice(WORDS), dice.choice(string.printable))) + text[at:]


def _cut(text: str, dice: random.Random) -> str:
    begin, end = sorted((dice.randrange(len(text) + 1), dice.randrange(len(text) + 1)))
    return text[:begin] + text[min(end, begin + dice.randrange(1, 200)) :]


def _many(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    at = dice.randrange(len(lines))
    return "\n".join([*lines[:at], *[lines[at]] * dice.choice((10, 300)), *lines[at + 1 :]])


def _some_value(text: str, dice: random.Random) -> str:
    """The tree, with a value of another type in one place."""
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    if not isinstance(tree, dict | list):
        return text
    changed = mutated_tree(tree, dice)
    return json.dumps(changed, allow_nan=False, default=str) if _finite(changed) else text


def _finite(tree: object) -> bool:
    try:
        json.dumps(tree, allow_nan=False, default=str)
    except (ValueError, TypeError):
        return False
    return True


_TEXT_CHANGES = (
    _some_word,
    _some_word,
    _some_word,
    _some_line,
    _some_line,
    _insert,
    _cut,
    _many,
    _some_value,
    _some_value,
)


def mutated_tree(tree: Any, dice: random.Random) -> Any:
    """A copy of plain data with something else in one place of it."""
    tree = json.loads(json.dumps(tree, default=str))
    places: list[tuple[Any, Any]] = []
    todo = [tree]
    while todo:
        node = todo.pop()
        for key, value in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
            places.append((node, key))
            if isinstance(value, dict | list):
                todo.append(value)
    if not places:
        return dice.choice(VALUES)
    node, key = dice.choice(places)
    how = dice.randrange(6)
    if how == 0:
        del node[key]
    elif how == 1 and isinstance(node, dict):
        node[str(dice.choice(WORDS))] = node.pop(key)
    elif how == 2 and isinstance(node, list):
        node.insert(key, node[key])
    elif how == 3:
        other, there = dice.choice(places)
        node[key] = json.loads(json.dumps(other[there])) if there in other or isinstance(other, list) else None
    else:
        node[key] = dice.choice(VALUES)
    return tree


def _resealed(body: Any) -> bytes:
    """The file of a plan or a snapshot, with the sha256 that it must have."""
    if not isinstance(body, dict):
        return json.dumps(body).encode("utf-8", "surrogatepass")
    body = {key: value for key, value in body.items() if key != "sha256"}
    try:
        body["sha256"] = sha256(canonical(body)).hexdigest()
    except ValueError:
        body["sha256"] = ""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _chained(bodies: list[Any]) -> bytes:
    """The journal, each record with the hash that it must have."""
    lines, previous = [], GENESIS
    for body in bodies:
        if not isinstance(body, dict):
            lines.append(json.dumps(body).encode() + b"\n")
            continue
        told = {key: value for key, value in body.items() if key != "hash"}
        if "prev" in told:
            told["prev"] = previous
        try:
            line, previous = seal(told)
        except ValueError:
            line = json.dumps(told).encode() + b"\n"
        lines.append(line)
    return b"".join(lines)


# --- what reads it ----------------------------------------------------------------------------------


_BUILD = typer.main.get_command


@cache
def _built(app: typer.Typer) -> Any:
    """The parser of the command line, which costs as much as a mutant."""
    return _BUILD(app)


class Bench:
    """A folder with a seed of each kind, and for each kind how a mutant is made and who reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        replica = self.state / "fuzz" / "replica-local"
        (replica / "run").mkdir(parents=True)
        (replica / ".env").write_text("WEB_PORT=1\n")
        self.replica = replica
        for name, text in (("looking.yml", LOOKING), ("acting.yml", ACTING), ("local.yaml", STACK)):
            (folder / name).write_text(text)
        for words in (
            ("plan", "looking.yml", "-o", "plan.json"),
            ("snapshot", "looking.yml", "-o", "looking.json"),
            ("snapshot", "acting.yml", "-o", "acting.json"),
        ):
            code, said = self.command(*(str(folder / word) if "." in word else word for word in words))
            assert code == 0, said
        self.plan = json.loads((folder / "plan.json").read_text())
        self.snapshot = json.loads((folder / "acting.json").read_text())
        self.run = create(self.state, "fuzz", RUN)
        self.journal = [_record(n, event) for n, event in enumerate(_events(folder / "looking.yml"), 1)]
        (self.run / NAME).write_bytes(_chained(self.journal))
        self.shipped = (SHIPPED / "playbook.yml").read_text()
        self.kinds: Mapping[str, Callable[[random.Random], Iterator[tuple[int, str]]]] = {
            "shipped playbook": self._shipped,
            "playbook": self._playbook,
            "stack file": self._stack,
            "scenario": self._scenario,
            "expected file": self._expected,
            "plan file": self._plan,
            "repair plan": self._repair,
            "snapshot": self._snapshot,
            "journal": self._journal,
            "ledger row": self._ledger,
        }

    def command(self, *words: str) -> tuple[int, str]:
        """The command line in this process: its exit code, and what it said."""
        said = io.StringIO()
        before = sys.argv
        sys.argv = ["recover", *words] + ([] if words[0] == "lint" else ["--state-dir", str(self.state)])
        try:
            with (
                redirect_stdout(said),
                redirect_stderr(said),
                mock.patch.object(typer.main, "get_command", _built),
            ):
                return cli.main(), said.getvalue()
        finally:
            sys.argv = before

    def call(self, function: Callable[[], object]) -> tuple[int, str]:
        """A part of a command that would need more than a file."""
        try:
            function()
        except RecoverError as error:
            return error.exit_code, str(error)
        except OSError as error:
            return 1, str(error)
        return 0, ""

    def _write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def _shipped(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        path = self._write("shipped.yml", mutated_text(self.shipped, dice))
        yield self.command("lint", path)

    def _playbook(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        path = self._write("mutant.yml", mutated_text(ACTING, dice))
        yield self.command("lint", path)
        yield self.command("plan", path, "--against", str(self.folder / "acting.json"))

    def _stack(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        text = dice.choice((STACK, (SHIPPED / "stack" / "local.yaml").read_text()))
        path = Path(self._write("stack.yaml", mutated_text(text, dice)))

        def read() -> None:
            runtime = LocalRuntime(path, self.replica)
            for name in runtime.names():
                runtime.state(name)
                runtime.address(name)

        yield self.call(read)

    def _scenario(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        folder = self.folder / "playbooks" / "fuzzed"
        if not folder.exists():
            shutil.copytree(SHIPPED, folder)
        path = dice.choice(sorted((SHIPPED / "scenarios").glob("*.yml")))
        mutant = folder / "scenarios" / path.name
        mutant.write_bytes(mutated_text(path.read_text(), dice))
        with chdir(self.folder):
            yield self.call(lambda: scenario.find(f"fuzzed/{mutant.stem}"))

    def _expected(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        path = Path(self._write("expected.yml", mutated_text(EXPECTED, dice)))
        yield self.call(lambda: expected_file.text(expected_file.read(path)))

    def _plan(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        body = self.plan
        for _ in range(dice.choice((1, 1, 2, 4))):
            body = mutated_tree(body, dice) if isinstance(body, dict | list) else body
        content = _resealed(body) if dice.random() < 0.8 else mutated_text(json.dumps(self.plan), dice)
        yield self.command("run", "--plan", self._write("mutant.json", content), "--yes")

    def _repair(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        body = mutated_tree(REPAIR, dice)
        path = Path(self._write("repair.json", json.dumps(body).encode("utf-8", "surrogatepass")))

        def read() -> None:
            plan = planfile.read(path)
            planfile.identified(plan.database)
            sorted({label for labels in plan.before.values() for label in labels})
            expected_file.text(plan.expected)
            asdict(plan.choices)

        yield self.call(read)

    def _snapshot(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        body = self.snapshot
        for _ in range(dice.choice((1, 1, 2, 4))):
            body = mutated_tree(body, dice) if isinstance(body, dict | list) else body
        path = self._write("mutant.json", _resealed(body))
        yield self.command("plan", str(self.folder / "acting.yml"), "--against", path)

    def _journal(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        bodies: Any = self.journal
        for _ in range(dice.choice((1, 1, 2, 4))):
            bodies = mutated_tree(bodies, dice) if isinstance(bodies, list) else bodies
        content = _chained(bodies if isinstance(bodies, list) else [bodies])
        if dice.random() < 0.2:
            content = mutated_text(content.decode("utf-8", "surrogatepass"), dice)
        try:
            (self.run / NAME).write_bytes(content)
            for words in dice.sample(LOOKS, 2):
                run = [] if words == ["runs"] else [self.run.name]
                yield self.command(words[0], *run, "--project", "fuzz", *words[1:])
            if dice.random() < 0.5:
                yield self.command("resume", self.run.name, "--yes")
        finally:
            (self.run / NAME).write_bytes(_chained(self.journal))
            for other in (self.state / "fuzz").glob(f"*/{NAME}"):
                if other.parent != self.run:
                    shutil.rmtree(other.parent)

    def _ledger(self, dice: random.Random) -> Iterator[tuple[int, str]]:
        row = {**LEDGER, **{name: value for name, value in mutated_tree(LEDGER, dice).items() if name in LEDGER}}

        class Database:
            def rows(self, about: str, _statement: object) -> list[Any]:
                return [{"there": True}] if about == "recover's own tables" else [row]

        yield self.call(lambda: ledger.find(Database(), dice.choice((None, LEDGER["id"]))))  # type: ignore[arg-type]


def _events(playbook: Path) -> Iterator[events.Event]:
    """A run with something of everything, whose playbook only looks: it was killed in its second step."""
    hashes = {spec.id: spec.sha256 for spec in load(playbook, {}, STEP_TYPES, CHECK_TYPES).steps}
    act = {"type": "Start", "service": "web", "why": "it is stopped"}
    touches = ("service:web",)
    yield events.RunStarted(
        RUN, str(playbook), "local", hashes, "ops", "here", "1", {"word": "hello"}, {"main.oid": "1"}
    )
    yield events.StepStarted("first", "Look", "All")
    yield events.ActionStarted("first", "start web", "it is stopped", touches, act)
    yield events.ActionDone("first", "start web", {"rows": 1, "ok": True}, 0.1)
    yield events.CheckAnswered("first", Evidence("is it there?", "yes", passed=True))
    yield events.StepFailed("first", "it is not", "here:1:1", "because", "recover resume")
    yield events.RunEnded(1, "stopped", 1.0)
    yield events.RunResumed("ops", "here", hashes)
    yield events.RunTakenOver("ops", "there", "it hung", "nobody")
    yield events.StepNoLongerTrue("first", "it is gone")
    yield events.StepApproved("first", "ops", "here", "yes", "terminal")
    yield events.StepMarked("first", "retry", "ops", "seen")
    yield events.RollbackStarted(("first",), "wanted")
    yield events.UndoStarted(3, "first", "stop web", touches, act)
    yield events.UndoDone(3, "first", "stop web", "done", 0.1)
    yield events.RollbackFailed("first", "it is stuck", "", "", "")
    yield events.RollbackDone(("first",))
    yield events.TargetBound({"other.oid": "2"})
    yield events.ScreenLost("stderr", "gone")
    yield events.StepStarted("first", "Look", "All")
    yield events.StepDone("first", "done", 0.2)
    yield events.StepStarted("second", "Look", "All")
    yield events.ActionStarted("second", "start web", "it is stopped", touches, act)


def _record(n: int, event: events.Event) -> dict[str, object]:
    at = f"2026-01-01T00:00:{n:02d}.000000+00:00"
    data = plain(event)
    return {"v": 1, "n": n, "at": at, "epoch": 1, "event": type(event).__name__, "data": data, "prev": ""}


# --- trying it --------------------------------------------------------------------------------------


def failure(bench: Bench, seed: int, number: int) -> Failure | None:
    """What is wrong with how this mutant is taken, or None."""
    dice = random.Random(f"{seed}:{number}")
    kind = list(bench.kinds)[number % len(bench.kinds)]
    begun = time.monotonic()
    try:
        with _alarm():
            for code, said in bench.kinds[kind](dice):
                if code == Bug.exit_code or "Traceback" in said:
                    return Failure(number, kind, f"exit {code}: {_why(said)}")
    except Hangs:
        return Failure(number, kind, f"it hangs: {LIMIT:g} s")
    except Exception as error:
        return Failure(number, kind, f"{type(error).__name__}: {error}"[:500])
    spent = time.monotonic() - begun
    return Failure(number, kind, f"it took {spent:.1f} s") if spent > LIMIT else None


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Hangs

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 2 * LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _why(said: str) -> str:
    """What the report file of a bug says last, and where it happened."""
    name = next((word for word in said.split() if "recover-bug-" in word), "")
    if not name:
        return said[-500:]
    path = Path(name)
    lines = path.read_text().splitlines()
    path.unlink()
    places = [line.strip() for line in lines if line.strip().startswith("File ") and "recover/" in line]
    return f"{lines[-1][:300]} {places[-1] if places else ''}"


def try_all(folder: Path, seed: int, numbers: range) -> list[Failure]:
    """Every one that fails, of these mutants."""
    folder.mkdir(parents=True)
    tempfile.tempdir = str(folder)
    try:
        bench = Bench(folder)
        found = (failure(bench, seed, number) for number in numbers)
        return [each for each in found if each is not None]
    finally:
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)


def _batch(folder: Path, seed: int, first: int) -> list[Failure]:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return try_all(folder / f"{os.getpid()}-{first}", seed, range(first, first + BATCH))


def main() -> int:
    """Try mutants until so many are tried, or time is up; 0 when none failed."""
    parser = argparse.ArgumentParser(description="Mutants of everything that recover reads from outside.")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--time", type=float, default=300.0, help="seconds, after which no more are begun")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--mutant", type=int, help="only this one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recover-fuzz-") as name:
        folder = Path(name)
        if asked.mutant is not None:
            found = try_all(folder / "one", asked.seed, range(asked.mutant, asked.mutant + 1))
            tried = 1
        else:
            found, tried = _all(folder, asked)
    for each in found:
        again = f"python tests/fuzzing.py --seed {asked.seed} --mutant {each.number}"
        sys.stdout.write(f"{each.kind}: {each.why}\n    {again}\n")
    sys.stdout.write(f"{tried} mutants of seed {asked.seed}: {len(found)} failed\n")
    return 1 if found else 0


def _all(folder: Path, asked: argparse.Namespace) -> tuple[list[Failure], int]:
    with ProcessPoolExecutor(asked.jobs) as pool:
        batches = [pool.submit(_batch, folder, asked.seed, first) for first in range(0, asked.count, BATCH)]
        wait(batches, asked.time)
        pool.shutdown(cancel_futures=True)  # those that were begun come to their end
    done = [batch.result() for batch in batches if not batch.cancelled()]
    return list(chain.from_iterable(done)), len(done) * BATCH


if __name__ == "__main__":
    sys.exit(main())
