"""How many small bugs the tests see: each mutant is run against the tests that reach it, until one fails.

mutmut leaves out what stands in a class body or under a decorator (dataclasses and properties, most of this code), and
cosmic-ray runs one command for every mutant; so the mutants are made here, from the standard `ast`.

- Drawn: of all mutants those with the least hash of the seed and their own text. An edit elsewhere changes no draw, and
  two versions of the code are measured on the same mutants, as far as both have the line.
- The tests that reach a line are recorded once per test file and again when that file changed. Only those of NEAR are
  looked at, without LONG ones: a bug that only a drill or a whole command sees counts as survived.
- Mutants live in a copy of the tree. A pytest that has collected all tests there forks for each mutant and gives the
  function that it changes another code; what runs with an import is mutated in a pytest of its own.
- All runs of a tree share one PostgreSQL. Every process of a run is found by its environment and ended with it.
- `mutants.toml` names survivors with a reason. Those that no test can see are equivalent, and out of the score.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from types import CodeType, FunctionType
from typing import Any

import pytest

HERE = Path(__file__).resolve()
KNOWN = HERE.with_suffix(".toml")
ENGINE = ("acting", "agreement", "choosing", "engine", "guarding", "plan", "previewing", "probing", "undoing")
ROOMS = ("journal", "steps", "checks", "enums")
NEAR = ("checks", "steps", "enums", "journal", "playbook", "report", "test_*.py")
LONG = ("test_properties.py", "test_killed.py", "test_commit_killed.py", "test_postgresqls.py")
SKIPPED = ("annotation", "returns", "decorator_list")
MARK, RECORD, SHARED, SERVE = (f"RECOVER_MUTANT{each}" for each in ("", "_RECORD", "_POSTGRES", "_SERVE"))
CONFTEST = "tests/conftest.py"
KEEPER = """
import json, os, sys
from dataclasses import asdict
def test_a_server_is_kept(postgres_server):
    with open(os.environ["KEPT"] + ".new", "w") as file:
        json.dump(asdict(postgres_server.running), file, default=str)
    os.rename(file.name, os.environ["KEPT"])
    sys.stdin.read()
"""
PYTEST = ["nice", "-n", "5", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
PYTEST += ["-o", "addopts=--import-mode=importlib"]
EITHER, PURE = "not nightly and not docker", "not nightly and not docker and not postgres"
COPIED_NOT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".mutants", ".hypothesis", "__pycache__")

# --- the mutants ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One change of one line. `nth` tells it from equal changes of equal lines in the same function."""

    file: str
    inside: str
    text: str
    change: str
    nth: int
    line: int = 0
    end: int = 0

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What it is, wherever the line stands."""
        return self.file, self.inside, self.text, self.change, self.nth

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.inside or 'the module'}: {self.change}"


def files(root: Path) -> list[str]:
    """The code that is mutated, as paths below the root."""
    rooms = [path for room in ROOMS for path in (root / "recover" / room).rglob("*.py")]
    engine = [path for name in ENGINE if (path := root / "recover" / f"{name}.py").exists()]
    return sorted(str(path.relative_to(root)) for path in (*rooms, *engine))


def mutants(file: str, source: str) -> Iterator[tuple[Mutant, Callable[[], str]]]:
    """Every mutant of a file, and what makes its source."""
    tree, lines, seen = ast.parse(source), source.splitlines(), Counter[tuple[str, ...]]()
    for site in _sites(tree, (), None):
        for new in _alternatives(site.node):
            first = site.statement.lineno
            change = f"{_shown(site.node)} → {_shown(new)}"
            words = file, site.inside, lines[first - 1].strip(), change
            line = getattr(site.node, "lineno", first)
            yield Mutant(*words, seen[words], line, _header_end(site.statement)), _maker(tree, site, new)
            seen[words] += 1


@dataclass(frozen=True)
class Site:
    """A node, the place that holds it, the statement it is in, and the function or class around it."""

    node: ast.AST
    owner: ast.AST
    field: str
    index: int | None
    statement: ast.stmt
    inside: str

    def put(self, node: ast.AST) -> None:
        """Have that node there."""
        if self.index is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.index] = node


def _maker(tree: ast.AST, site: Site, new: ast.AST) -> Callable[[], str]:
    def made() -> str:
        with _one_at_a_time:
            site.put(new)
            try:
                return ast.unparse(ast.fix_missing_locations(tree))
            finally:
                site.put(site.node)

    return made


_one_at_a_time = Lock()


def _sites(owner: ast.AST, names: tuple[str, ...], statement: ast.stmt | None) -> Iterator[Site]:
    for field, value in ast.iter_fields(owner):
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, node in children:
            if not isinstance(node, ast.AST) or field in SKIPPED or _inert(node):
                continue
            if isinstance(owner, ast.JoinedStr) and isinstance(node, ast.Constant):
                continue  # the words of a message
            around = node if isinstance(node, ast.stmt) else statement
            inner = (*names, node.name) if isinstance(node, ast.FunctionDef | ast.ClassDef) else names
            if around is not None:
                yield Site(node, owner, field, index, around, ".".join(names))
            yield from _sites(node, inner, around)


def _inert(node: ast.AST) -> bool:
    """What does nothing when it runs: imports, docstrings, assertions for the type checker, the types of names."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


_COMPARED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COMPUTED: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
    ast.Pow: ast.Mult,
}


def _with(node: ast.AST, **fields: object) -> Any:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _without(values: Sequence[Any], at: int) -> list[Any]:
    return [value for n, value in enumerate(values) if n != at]


def _alternatives(node: ast.AST) -> Iterator[ast.AST]:
    maker = _MAKERS.get(type(node))
    if maker is not None:
        yield from maker(node)


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    for at, op in enumerate(node.ops):
        yield _with(node, ops=[*node.ops[:at], _COMPARED[type(op)](), *node.ops[at + 1 :]])


def _boolean(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for at in range(len(node.values)):
        yield _with(node, values=_without(node.values, at))


def _computed(node: ast.BinOp) -> Iterator[ast.AST]:
    if type(node.op) in _COMPUTED:
        yield _with(node, op=_COMPUTED[type(node.op)]())


def _unary(node: ast.UnaryOp) -> Iterator[ast.AST]:
    yield node.operand


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and not any(letter.isspace() for letter in value):  # sentences are no decisions
        yield ast.Constant("" if value else "x")


def _negated(node: ast.If | ast.While | ast.IfExp) -> Iterator[ast.AST]:
    yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))


def _filtered(node: ast.comprehension) -> Iterator[ast.AST]:
    for at, test in enumerate(node.ifs):
        yield _with(node, ifs=[*node.ifs[:at], ast.UnaryOp(ast.Not(), test), *node.ifs[at + 1 :]])
        yield _with(node, ifs=_without(node.ifs, at))


def _call(node: ast.Call) -> Iterator[ast.AST]:
    for at, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            yield _with(node, keywords=_without(node.keywords, at))


def _returned(node: ast.Return) -> Iterator[ast.AST]:
    if node.value is None:
        yield ast.Pass()
    elif not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield ast.Return(ast.Constant(None))


def _removed(_node: ast.AST) -> Iterator[ast.AST]:
    yield ast.Pass()


def _assigned(node: ast.Assign) -> Iterator[ast.AST]:
    if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
        yield ast.Pass()


def _augmented(node: ast.AugAssign) -> Iterator[ast.AST]:
    yield ast.Pass()
    if type(node.op) in _COMPUTED:
        yield _with(node, op=_COMPUTED[type(node.op)]())


_MAKERS: Mapping[type[ast.AST], Callable[[Any], Iterator[ast.AST]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.BinOp: _computed,
    ast.UnaryOp: _unary,
    ast.Constant: _constant,
    ast.If: _negated,
    ast.While: _negated,
    ast.IfExp: _negated,
    ast.comprehension: _filtered,
    ast.Call: _call,
    ast.Return: _returned,
    ast.Raise: _removed,
    ast.Expr: _removed,
    ast.Delete: _removed,
    ast.Break: _removed,
    ast.Continue: _removed,
    ast.Assign: _assigned,
    ast.AugAssign: _augmented,
}


def _shown(node: ast.AST) -> str:
    """The node on one line; of a compound statement its head."""
    text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).strip()
    return " ".join((text.split("\n")[0] if isinstance(node, ast.stmt) else text).split())


def _header_end(statement: ast.stmt) -> int:
    body = getattr(statement, "body", None)
    return body[0].lineno - 1 if body else statement.end_lineno or statement.lineno


def draw(root: Path, seed: int, number: int, only: str) -> dict[Mutant, Callable[[], str]]:
    """That many mutants; the first of a longer draw are those of a shorter one."""
    found: dict[Mutant, Callable[[], str]] = {}
    for file in files(root):
        found |= {mutant: make for mutant, make in mutants(file, (root / file).read_text()) if only in str(mutant)}

    def order(mutant: Mutant) -> bytes:
        return hashlib.sha256(json.dumps([seed, *mutant.key]).encode()).digest()

    return {mutant: found[mutant] for mutant in sorted(found, key=order)[:number]}


# --- the plugin of pytest ---------------------------------------------------------------------------------------------


def pytest_configure(config: Any) -> None:
    """Try properties with the same examples each time, however slow the machine is; record or serve, as it is told."""
    from hypothesis import settings

    settings.register_profile("mutants", deadline=None, derandomize=True)
    settings.load_profile("mutants")
    if folder := os.environ.get(RECORD):
        config.pluginmanager.register(Recorder(Path.cwd(), Path(folder)))
    if shared := os.environ.get(SHARED):
        _share(config, json.loads(shared))
    if replies := os.environ.get(SERVE):
        config.pluginmanager.register(Server(Path(replies)))


def _share(config: Any, running: Mapping[str, Any]) -> None:
    """Have tests/conftest.py use the running server, with names of databases that no other run has."""
    [module] = [m for m in config.pluginmanager.get_plugins() if str(getattr(m, "__file__", "")).endswith(CONFTEST)]
    there = module.Running(**{**running, "data": Path(running["data"])})
    module.server = lambda _cluster, **_how: nullcontext(there)
    vars(module)["_numbers"] = count(time.time_ns())


class Recorder:
    """Writes for every test what it took, whether it failed, and which lines of functions it ran; a file per file."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder, self.files = root, folder, files(root)
        self.tests: dict[str, dict[str, Any]] = {}
        self.file, self.cover = "", self._fresh()

    def _fresh(self) -> Any:
        import coverage

        cover = coverage.Coverage(data_file=None, include=[str(self.root / file) for file in self.files])
        cover.set_option("run:disable_warnings", ["no-data-collected"])
        cover.start()
        return cover

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """The lines that follow are this test's."""
        file = nodeid.partition("::")[0]
        if file != self.file:
            self._write()
            self.file, self.cover = file, self._fresh()
        self.cover.switch_context(nodeid)
        self.tests[nodeid] = {"seconds": -time.perf_counter(), "cpu": -_cpu(), "failed": False, "lines": {}}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember a failure."""
        self.tests[report.nodeid]["failed"] |= report.failed

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """It is over."""
        self.tests[nodeid]["seconds"] += time.perf_counter()
        self.tests[nodeid]["cpu"] += _cpu()

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """The last file is over; of one that was cut off nothing is written."""
        if exitstatus in (0, 1):
            self._write()

    def _write(self) -> None:
        self.cover.stop()
        data = self.cover.get_data()
        for path in data.measured_files():
            source = Path(path).read_text()
            lines, inner = source.splitlines(), _lines_of_functions(source)
            for line, tests in data.contexts_by_lineno(path).items():
                for test in tests if line in inner else ():
                    if test in self.tests:
                        ran = self.tests[test]["lines"].setdefault(str(Path(path).relative_to(self.root)), [])
                        ran.append(lines[line - 1].strip())
        if self.file:
            _kept(self.root / self.file, self.root, self.folder).write_text(json.dumps(self.tests))
        self.tests = {}


def _cpu() -> float:
    return sum(os.times()[:4])


def _kept(path: Path, root: Path, folder: Path) -> Path:
    """Where the record of a test file is, of the file as it is now."""
    name = ".".join(path.relative_to(root).parts[1:])
    return folder / f"{name}.{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.json"


def _lines_of_functions(source: str) -> set[int]:
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return {line for each in functions for line in range(each.body[0].lineno, (each.end_lineno or 0) + 1)}


class Server:
    """In place of running the tests: reads orders from stdin, forks for each, and writes the reply to a file."""

    def __init__(self, replies: Path) -> None:
        self.replies, self.failed = replies, list[str]()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember a failure."""
        if report.failed:
            self.failed.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Serve until stdin ends."""
        items = {item.nodeid: item for item in session.items}
        for file in files(Path.cwd()):
            importlib.import_module(_module_name(file))
        gc.freeze()
        self._reply("ready")
        for line in sys.stdin:
            self._reply(self._carry_out(items, json.loads(line)))
        return True

    def _carry_out(self, items: Mapping[str, Any], order: Mapping[str, Any]) -> str:
        if lost := [test for test in order["tests"] if test not in items]:
            return f"lost {lost[0]}"
        result = self.replies.with_suffix(".result")
        result.write_text("crash")
        if not (child := os.fork()):
            self._run(items, order, result)
        until = time.monotonic() + order["limit"]
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "time"
            time.sleep(0.02)
        return result.read_text()

    def _run(self, items: Mapping[str, Any], order: Mapping[str, Any], result: Path) -> None:
        """Run the tests in this process, and end it."""
        try:
            os.environ[MARK] = order["mark"]
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nothing, stream)
            try:
                _give_code(order["file"], order["function"], order["source"])
            except (LookupError, ValueError):
                result.write_text("cold")
                return
            chosen = [items[test] for test in order["tests"]]
            for item, following in zip(chosen, [*chosen[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.failed:
                    break
            result.write_text(self.failed[0] if self.failed else "passed")
        finally:
            os._exit(0)

    def _reply(self, reply: str) -> None:
        new = self.replies.with_suffix(".new")
        new.write_text(reply)
        new.rename(self.replies)


def _module_name(file: str) -> str:
    return ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")


def _give_code(file: str, function: Sequence[str], source: str) -> None:
    """Have the function behave as in that source, whoever holds it. Raises where that cannot be done."""
    holder: Any = sys.modules[_module_name(file)]
    code = compile(source, str(Path.cwd() / file), "exec", dont_inherit=True)
    for name in function:
        holder = vars(holder)[name]
        [code] = [c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name]
    for wrapper in ("fget", "func", "__func__"):
        holder = getattr(holder, wrapper, holder)
    while hasattr(holder, "__wrapped__"):
        holder = holder.__wrapped__
    if not isinstance(holder, FunctionType) or holder.__code__.co_freevars != code.co_freevars:
        raise LookupError(function)
    holder.__code__ = code


# --- running ----------------------------------------------------------------------------------------------------------


class Tree:
    """A copy of the project that mutants are written into, and pytest is run in."""

    def __init__(self, root: Path, folder: Path, marked: str) -> None:
        self.path, self.scratch, self.marked = folder / "tree", folder / "scratch", marked
        shutil.copytree(root, self.path, ignore=COPIED_NOT)
        (folder / "plugin").mkdir()
        shutil.copy(HERE, folder / "plugin" / "mutants.py")
        self.environment: dict[str, str] = {
            **os.environ,
            "PYTHONPATH": f"{self.path}{os.pathsep}{folder / 'plugin'}",
            "RECOVER_TEST_POSTGRES": "wheel",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            MARK: str(folder),
        }
        self.server: subprocess.Popen[str] | None = None

    @contextmanager
    def serving(self) -> Iterator[Tree]:
        """With a PostgreSQL for all runs of this tree, where they need one."""
        folder = self.path.parent
        kept, keeper = folder / "kept.json", self.path / "tests" / "test_keeper.py"
        keeper.write_text(KEEPER)
        postgres = None
        if self.marked == EITHER:
            postgres = self._start(kept, f"--basetemp={folder / 'postgres'}", str(keeper), KEPT=str(kept))
            self.environment[SHARED] = kept.read_text()
        keeper.unlink()
        try:
            yield self
        finally:
            for running in (self.server, postgres):
                if running is not None:
                    running.communicate()

    def _start(self, ready: Path, *words: str, **more: str) -> subprocess.Popen[str]:
        """A pytest that stays, when it has written the file `ready`."""
        log, environment = self.path.parent / "log", {**self.environment, MARK: "", **more}
        with log.open("w") as out:
            running = subprocess.Popen(
                [*PYTEST, "-s", "-m", self.marked, *words],
                cwd=self.path,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                text=True,
            )
        while not ready.exists():
            if running.poll() is not None:
                raise SystemExit(f"pytest ended: {' '.join(words)}\n{log.read_text()}")
            time.sleep(0.1)
        return running

    def serve(self, tests: Sequence[str]) -> None:
        """Collect these test files, to fork from."""
        ready = self.path.parent / "reply"
        self.server = self._start(ready, "-p", "mutants", f"--basetemp={self.scratch}", *tests, **{SERVE: str(ready)})

    def ask(self, **order: object) -> str:
        """What the server says to an order: "passed", the test that failed, "time", "crash", or "cold"."""
        assert self.server is not None
        assert self.server.stdin is not None
        reply = self.path.parent / "reply"
        reply.unlink()
        self.server.stdin.write(json.dumps({**order, "mark": self.environment[MARK]}) + "\n")
        self.server.stdin.flush()
        while not reply.exists():
            if self.server.poll() is not None:
                raise SystemExit(f"the server ended:\n{(self.path.parent / 'log').read_text()}")
            time.sleep(0.02)
        self.clean()
        if reply.read_text().startswith("lost"):
            raise SystemExit(f"{reply.read_text()}: it was recorded, and is not collected")
        return reply.read_text()

    def write(self, file: str, source: str) -> None:
        """Have that source there, and none compiled that looks as old."""
        path = self.path / file
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        path.write_text(source)

    def pytest(self, tests: Sequence[str], *words: str, limit: float | None = None, **more: str) -> tuple[int, str]:
        """Exit code and output; -1 when it took longer than `limit` seconds. Nothing of it is left."""
        names = self.path.parent / "tests.txt"
        names.write_text("\n".join(tests))
        command = [
            *PYTEST,
            "-m",
            self.marked,
            "--tb=no",
            "-rfE",
            "-p",
            "mutants",
            f"--basetemp={self.scratch}",
            *words,
            f"@{names}",
        ]
        environment = {**self.environment, **more}
        pipe = subprocess.PIPE
        running = subprocess.Popen(
            command, cwd=self.path, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        try:
            output = running.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            return -1, ""
        finally:
            self.clean()
        return running.returncode, output

    def clean(self) -> None:
        """End what a test run left behind, and remove its files."""
        mark = f"{MARK}={self.environment[MARK]}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
        shutil.rmtree(self.scratch, ignore_errors=True)


Tests = Mapping[str, Mapping[str, Any]]


def record(root: Path, trees: Sequence[Tree], kept: Path) -> Tests:
    """What each test reaches. Kept in the folder for test files that stay as they are."""
    kept.mkdir(parents=True, exist_ok=True)
    known: dict[str, Mapping[str, Any]] = {}
    stale = [path for path in near(root) if not _kept(path, root, kept).exists()]
    if stale:
        print(f"recording which lines {len(stale)} test files reach …", flush=True)
    shares = [stale[n :: len(trees)] for n in range(len(trees))]
    list(_each(trees, [share for share in shares if share], lambda tree, share: _recorded(tree, root, share, kept)))
    for path in near(root):
        known |= json.loads(_kept(path, root, kept).read_text())
    if failed := [test for test, told in known.items() if told["failed"]]:
        print(f"{len(failed)} tests fail without a mutant and are left out:", *failed, sep="\n  ")
    return {test: told for test, told in known.items() if not told["failed"]}


def near(root: Path) -> list[Path]:
    """The test files that are looked at."""
    found = [path for name in NEAR for path in (root / "tests").glob(name if "." in name else f"{name}/test_*.py")]
    return sorted(path for path in found if path.name not in LONG)


def _recorded(tree: Tree, root: Path, share: Sequence[Path], kept: Path) -> None:
    code, output = tree.pytest([str(path.relative_to(root)) for path in share], **{RECORD: str(kept)})
    if code not in (0, 1):
        raise SystemExit(f"nothing can be recorded:\n{output}")
    for path in share:
        if not (data := _kept(path, root, kept)).exists():
            data.write_text("{}")  # all of its tests are left out


def reaching(mutant: Mutant, source: str, tests: Tests, budget: float) -> list[str]:
    """The tests that run the mutant's line, those of its module first and the short before the long.

    A line outside of functions runs with the import: it belongs to each test that runs anything of the file. Together
    they took `budget` seconds of CPU when they were recorded, beside what the database took.
    """
    lines, inner = source.splitlines(), _lines_of_functions(source)
    texts = {text.strip() for text in lines[mutant.line - 1 : mutant.end]} | {mutant.text}
    texts = {text for text in texts if len(text) > 3} if mutant.line in inner else set()
    *_, room, name = Path(mutant.file).with_suffix("").parts
    mirror = f"tests/{f'{room}/' if room != 'recover' else ''}test_{name}.py::"
    found = []
    for test, told in tests.items():
        ran = told["lines"].get(mutant.file, ())
        if not texts.isdisjoint(ran) or (not texts and (ran or test.startswith(mirror))):
            found.append((not test.startswith(mirror), told["cpu"], test))
    chosen, spent = [], 0.0
    for _, cpu, test in sorted(found):
        if not chosen or spent + cpu <= budget:
            chosen.append(test)
            spent += cpu
    return chosen


def judged(tree: Tree, mutant: Mutant, changed: str, tests: Tests, budget: float) -> tuple[str, str]:
    """("killed" or "survived", by what)."""
    source = (tree.path / mutant.file).read_text()
    chosen = reaching(mutant, source, tests, budget)
    if not chosen:
        return "survived", "no test reaches it"
    limit = 60 + 10 * sum(tests[test]["cpu"] for test in chosen)
    function = _outermost(ast.parse(source), mutant.line)
    tree.write(mutant.file, changed)
    try:
        reply = "cold"
        if function:
            reply = tree.ask(tests=chosen, file=mutant.file, function=function, source=changed, limit=limit)
        if reply == "cold":
            reply = _cold(tree, chosen, limit)
    finally:
        tree.write(mutant.file, source)
    return ("survived", f"{len(chosen)} tests") if reply == "passed" else ("killed", reply)


def _outermost(tree: ast.AST, line: int) -> list[str]:
    """The names that lead to the function whose body has the line; [] where none does."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= line <= (node.end_lineno or 0):
            return [node.name]
        if isinstance(node, ast.ClassDef) and (inner := _outermost(node, line)):
            return [node.name, *inner]
    return []


def _cold(tree: Tree, chosen: Sequence[str], limit: float) -> str:
    """What `Tree.ask` says, from a pytest that imports the mutant."""
    code, output = tree.pytest(chosen, "-x", limit=limit)
    if code in (0, -1):
        return "passed" if code == 0 else "time"
    if code == 1:
        first = next(line for line in output.splitlines() if line.startswith(("FAILED", "ERROR")))
        return first.split(" - ")[0].split(" ", 1)[1]
    return "it cannot be imported"


def _each(trees: Sequence[Tree], things: Sequence[Any], do: Callable[[Tree, Any], Any]) -> Iterator[Any]:
    """What `do` makes of each thing, as many at a time as there are trees."""
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def one(thing: Any) -> Any:
        tree = free.get()
        try:
            return do(tree, thing)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        yield from pool.map(one, things)


def known_survivors(path: Path) -> dict[tuple[str, str, str, str], Mapping[str, str]]:
    """What is said of survivors, by file, function, line and change."""
    listed = tomllib.loads(path.read_text())["survivor"] if path.exists() else []
    return {(each["file"], each["in"], each["line"], each["change"]): each for each in listed}


def main() -> int:
    """Print the mutants with their fates, the survivors, and the score. 1 when a survivor is not listed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--only", default="", metavar="TEXT", help="only mutants whose line of output has this")
    parser.add_argument("--again", action="store_true", help="only those that survived the last time")
    parser.add_argument("--list", action="store_true", help="print the draw and run nothing")
    parser.add_argument(
        "--pure", action="store_true", help="only by tests that need no PostgreSQL: quick, and sees less"
    )
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of CPU for the tests of one mutant")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--root", type=Path, default=HERE.parents[1], help="the project, where it is not this one")
    words = parser.parse_args()
    root, marked = words.root.resolve(), PURE if words.pure else EITHER
    kept = root / ".mutants" / ("pure" if words.pure else "all")
    drawn, known = draw(root, words.seed, words.number, words.only), known_survivors(KNOWN)
    print(f"{len(drawn)} mutants, seed {words.seed}", flush=True)
    if words.list:
        print(*drawn, sep="\n")
        return 0
    last = kept / f"fates-{words.seed}.json"
    fates = {tuple(key): fate for key, fate in json.loads(last.read_text())} if words.again else {}
    equivalent = [m for m in drawn if known.get(m.key[:4], {}).get("verdict") == "equivalent"]
    todo = [m for m in drawn if m not in equivalent and fates.get(m.key, ("", ""))[0] != "killed"]
    with ExitStack() as stack:
        trees = []
        for _ in range(words.jobs):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="m-"))
            trees.append(stack.enter_context(Tree(root, Path(folder), marked).serving()))
        copied = trees[0].path  # as it is now, whatever is edited meanwhile
        tests = record(copied, trees, kept)
        list(_each(trees, trees, lambda tree, _: tree.serve([str(path.relative_to(copied)) for path in near(copied)])))
        for mutant, fate in _each(trees, todo, lambda tree, m: (m, judged(tree, m, drawn[m](), tests, words.budget))):
            fates[mutant.key] = fate
            print(f"{fate[0]:9}{mutant}  [{fate[1]}]", flush=True)
            last.write_text(json.dumps(list(fates.items())))
    return tell(list(drawn), equivalent, fates, known)


def tell(
    drawn: Sequence[Mutant],
    equivalent: Sequence[Mutant],
    fates: Mapping[tuple[Any, ...], tuple[str, str]],
    known: Mapping[tuple[str, str, str, str], Mapping[str, str]],
) -> int:
    """The summary."""
    survived = [m for m in drawn if m not in equivalent and fates[m.key][0] == "survived"]
    new = [m for m in survived if m.key[:4] not in known]
    shown = {"no test can see it": equivalent, "accepted": [m for m in survived if m not in new], "SURVIVED": new}
    by_reason: dict[str, list[str]] = defaultdict(list)
    for title, group in shown.items():
        for mutant in group:
            reason = known.get(mutant.key[:4], {}).get("reason", mutant.text)
            by_reason[title].append(f"{mutant}\n    {reason}")
    for title, lines in by_reason.items():
        print(f"\n{title}:", *lines, sep="\n  ")
    counted = len(drawn) - len(equivalent)
    killed = counted - len(survived)
    print(f"\nkilled {killed}, survived {len(survived)}, equivalent {len(equivalent)}: {killed / counted:.1%} killed")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
