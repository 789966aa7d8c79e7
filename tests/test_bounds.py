"""Input without bounds: refused in a second, with what, where, why; never read to its end, never waited for."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fuzzing import REPAIR
from playbook.books import book, loaded
from tiny import Tiny

import recover
from recover import agreement, inputs, snapshot
from recover.enums import planfile
from recover.errors import PlaybookError, RecoverError, UsageError
from recover.marked_yaml import MAX_NODES, parse
from recover.marked_yaml import read as read_yaml
from recover.playbook.model import SecretRef
from recover.runtimes.compose_file import ComposeFile
from recover.runtimes.local_file import variables
from recover.session import expected_file
from recover.steps.sql import RunSql

LONG = 20.0
"""CPU seconds that nothing here takes on any machine, unless it has no bound: then it takes for ever."""
MIB = 2**20


@contextmanager
def bounded() -> Iterator[None]:
    """It neither computes nor waits without an end."""
    begun, waited = time.process_time(), time.monotonic()
    yield
    assert time.process_time() - begun < LONG
    assert time.monotonic() - waited < 10 * LONG


# --- files ------------------------------------------------------------------------------------------


def _secret(path: Path) -> None:
    class Anywhere:
        folder = path.parent

        def fill(self, text: str) -> str:
            return text

    SecretRef("pg", path.name, None, "here").read(Anywhere())  # type: ignore[arg-type]  # all that is asked of it


READERS: dict[str, Callable[[Path], object]] = {
    "playbook.yml": read_yaml,
    "expected.yml": expected_file.read,
    "plan.json": lambda path: agreement.read(path, path.parent),
    "repair.json": planfile.read,
    "snapshot.json": snapshot.read,
    ".env": lambda path: variables(path.parent, path.parent),
    "secret": _secret,
    "step.sql": lambda path: RunSql("main", file=path).decide(None),  # type: ignore[arg-type]  # it looks at nothing
    "compose.yaml": lambda path: ComposeFile((path,), "p", path.parent / "lock").read(),
}


def refusal(path: Path) -> str:
    """What the reader of this kind of file says of it, as soon as a human wants to know it."""
    with bounded(), pytest.raises((RecoverError, OSError)) as caught:
        READERS[path.name](path)
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_a_file_without_an_end_is_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.symlink_to("/dev/zero")
    assert "it is a device, and not a file" in refusal(path)
    path.unlink()
    os.mkfifo(path)
    assert "it is a pipe, and not a file" in refusal(path)
    path.unlink()
    path.mkdir()
    assert "Is a directory" in refusal(path)
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(100 * MIB)
    assert "it is larger than" in refusal(path)


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"compose.yaml"}))
def test_one_line_of_2_mb_is_no_such_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("x" * 2_000_000)
    assert len(refusal(path)) < 1000


@pytest.mark.parametrize(
    "name", ["playbook.yml", "expected.yml", "plan.json", "repair.json", "snapshot.json", "secret"]
)
@pytest.mark.parametrize(
    "content", ["recover: 1\n".encode("utf-16"), b"\xff\xfe\xfa", b"a: \xe4", b"\0\0", b"[" * 100_000, b""]
)
def test_bytes_that_are_no_text(tmp_path: Path, name: str, content: bytes) -> None:
    if name == "secret" and content.startswith(b"["):
        content *= 2
    path = tmp_path / name
    path.write_bytes(content)
    assert len(refusal(path)) < 1000


def test_what_is_within_the_limits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf" + b"x" * 100)
    kind = inputs.Kind("a test", 103, 103)
    assert inputs.text(path, kind) == "x" * 100
    with pytest.raises(OSError, match="larger than"):
        inputs.read(path, inputs.Kind("a test", 102))
    with pytest.raises(OSError, match="line 1 is longer than"):
        inputs.read(path, inputs.Kind("a test", 103, 102))


OWN = {
    "journal/": "the files of a run, which recover made, opened as plain files",
    "postgres/catalog.py": "recover's own SQL",
    "postgres/dump.py": "the dump that was just written",
    "drill/": "the replica that recover made",
    "session/drills.py": "the replica that recover made",
    "runtimes/keeper.py": "a program of its own; the files of a replica that recover made",
    "runtimes/processes.py": "the files of a replica that recover made",
    "runtimes/compose_file.py": "a lock, which recover made",
    "runtimes/ports.py": "the kernel's",
    "runtimes/lease.py": "the kernel's",
    "diagnosis/machine.py": "the kernel's",
    "session/bugs.py": "written, not read",
    "session/expecting.py": "recover's own program",
    "models/reading.py": "recover's own program",
    "models/imported.py": "recover's own program",
    "models/probe_script.py": "a program of its own; written, not read",
    "replacing.py": "written, not read",
    "steps/tls.py": "the list that this run made",
    "ui/streams.py": "written, not read",
    "inputs.py": "the one reader",
}
"""Who may open a file by itself, and why that is no file from outside."""


def test_a_file_from_outside_has_one_reader() -> None:
    root = Path(recover.__file__).parent
    for path in root.rglob("*.py"):
        here = str(path.relative_to(root))
        if not here.startswith(tuple(OWN)):
            found = re.search(r"\b(open|read_text|read_bytes|fdopen)\(", path.read_text())
            assert not found, f"{here}: use recover.inputs"


def test_a_plan_with_a_null_label_is_none(tmp_path: Path) -> None:
    labels = {"before": {"role": ["admin", None]}, "after": {}}
    plan = {**REPAIR, "labels": labels}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    with pytest.raises(UsageError, match="not a plan of a repair") as refused:
        planfile.read(path)
    assert "PlanFile.before.role[1] cannot be None" in refused.value.why


def test_a_word_that_is_no_text_is_bad_usage(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path)
    for word in ("x\udcff.yml", "\udcff"):
        assert "is not UTF-8 text" in tiny.recover("lint", word, expect=2).stderr


# --- what multiplies itself -------------------------------------------------------------------------

DOUBLED = "".join(f"  v{n}: '${{v{n - 1}}}${{v{n - 1}}}'\n" for n in range(1, 40))
CHAIN = "".join(f"  v{n}: '${{v{n - 1}}}'\n" for n in range(1, 3000))
MANY = ", ".join(f"i{n}" for n in range(9_000))


def with_variables(first: str, rest: str) -> str:
    return book(head=f"target: {{services: {{runtime: none}}}}\nvariables:\n  v0: '{first}'\n{rest}")


@pytest.mark.parametrize(("text", "said"), [(DOUBLED, "longer than 65,536"), (CHAIN, "in a row")])
def test_variables_that_multiply_each_other_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with bounded(), pytest.raises(PlaybookError, match=said) as caught:
        loaded(tmp_path, with_variables("x", text))
    assert len(str(caught.value)) < 100_000


def test_a_variable_that_is_named_often_is_filled_once(tmp_path: Path) -> None:
    with bounded():
        assert loaded(tmp_path, with_variables("", DOUBLED)).variables["v39"].value


def test_items_that_multiply_a_step_are_refused(tmp_path: Path) -> None:
    step = f"- {{id: one, name: '{'N' * 500}', for_each: [{MANY}], check: [{{flag: {{passes: true}}}}]}}"
    with bounded(), pytest.raises(PlaybookError, match="more than 4,000,000 characters"):
        loaded(tmp_path, book(step))


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 20)),
        "a: [" + "b, " * MAX_NODES + "]",
        "a: " + "[" * 100_000,
        "- " * 100_000,
        "".join(" " * i + "a:\n" for i in range(1000)),
        "? " * 100_000,
        "a: &x [*x]",
        'a: "x\\0y"',
        'a: "\\ud800"',
        "a: !" + "x" * 100_000,
        "x" * 250_000 + ": 1\n?",
    ],
)
def test_yaml_bombs(text: str) -> None:
    with bounded(), pytest.raises(PlaybookError) as caught:
        parse(text, "bomb")
    assert len(str(caught.value)) < 200_000


def test_huge_numbers_and_anchors_said_twice_are_text() -> None:
    tree = parse("a: &x 1\nb: &x 2\nc: *x\nd: " + "9" * 100_000, "file")
    assert tree["c"] == "2"


def test_a_thousand_mistakes_are_not_all_looked_for(tmp_path: Path) -> None:
    steps = "\n".join(f"- {{id: s{n}, name: N, chekc: []}}" for n in range(5_000))
    with bounded(), pytest.raises(PlaybookError, match="at least 100 mistakes"):
        loaded(tmp_path, book(steps))
