"""Lists what became of every test function between two revisions, and of its assertions.

    python .ci/tests_between.py BASE [HEAD] [--map FILE]     HEAD is the work tree where it is left out

A function that is in one revision only is `moved` when one of the same name was added to another file, `replaced` when
FILE says by what, else `removed` or `added`; beside a removed one stands the added one whose body is most like its own.
FILE holds lines `OLD -> NEW, NEW  # reason`, where OLD and NEW are FILE::NAME; NEW may be missing if the reason is not.
An assertion is an `assert`, `pytest.raises`, `pytest.warns` or `pytest.fail`; the numbers of a function are its own
assertions, these with those of helpers in its file, and the cases that its `parametrize` spells out.
Exit 1 when a function is removed or one of these numbers falls without a line in FILE, or FILE names none.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIKE = 0.5  # from here on a name is worth showing
CALLS = ("pytest.raises", "pytest.warns", "pytest.fail")


@dataclass(frozen=True)
class Test:
    """One test function: where it is, what it says, and how many assertions it has."""

    place: str
    body: str
    own: int
    helped: int  # with those of the helpers of its file that it calls, each once
    cases: int

    @property
    def name(self) -> str:
        return self.place.partition("::")[2]


def sources(revision: str | None) -> dict[str, str]:
    """Every test file of the revision, or of the work tree, without a checkout."""
    if revision is None:
        return {str(file.relative_to(ROOT)): file.read_text() for file in sorted(ROOT.glob("tests/**/test_*.py"))}
    words = ["git", "-C", str(ROOT), "archive", revision, "tests"]
    archive = subprocess.run(words, capture_output=True, check=True).stdout
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            content = files.extractfile(member)
            if content and Path(member.name).match("test_*.py"):
                found[member.name] = content.read().decode()
    return found


def tests_of(file: str, source: str) -> list[Test]:
    functions: dict[str, ast.AST] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions[node.name] = node
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    functions[f"{node.name}::{part.name}"] = part
    tests = []
    for name, node in functions.items():
        if name.rpartition("::")[2].startswith("test_"):
            helped = sum(assertions(functions[helper]) for helper in reached(name, functions))
            tests.append(Test(f"{file}::{name}", ast.unparse(node), assertions(node), helped, cases(node)))
    return tests


def reached(name: str, functions: dict[str, ast.AST]) -> set[str]:
    """The function, and the functions of its file that it uses, by whatever way."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += [
                node.id for node in ast.walk(functions[one]) if isinstance(node, ast.Name) and node.id in functions
            ]
    return seen


def assertions(function: ast.AST) -> int:
    found = 0
    for node in ast.walk(function):
        called = isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS
        found += called or isinstance(node, ast.Assert)
    return found


def cases(function: ast.AST) -> int:
    """How many cases its parameters spell out; a list that is computed counts as one."""
    product = 1
    for call in getattr(function, "decorator_list", []):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".parametrize"):
            values = [value for value in call.args[1:2] if isinstance(value, ast.List | ast.Tuple)]
            product *= len(values[0].elts) if values else 1
    return product


def read_map(file: str | None) -> dict[str, tuple[list[str], str]]:
    """OLD -> (NEW, reason)."""
    told = {}
    for line in Path(file).read_text().splitlines() if file else []:
        rule, _, reason = line.partition("#")
        if rule.strip():
            old, _, new = rule.partition("->")
            told[old.strip()] = ([word.strip() for word in new.split(",") if word.strip()], reason.strip())
    return told


def nearest(test: Test, among: list[Test]) -> str:
    """The added test that is most like a removed one."""
    scored = [(difflib.SequenceMatcher(None, test.body, other.body).ratio(), other.place) for other in among]
    score, place = max(scored, default=(0.0, ""))
    return f"   like {place} ({score:.0%})" if score >= LIKE else ""


def compare(before: dict[str, Test], after: dict[str, Test], told: dict[str, tuple[list[str], str]]) -> bool:
    """Print the list. False when something was lost and nobody said why."""
    added = {place: test for place, test in after.items() if place not in before}
    lines: dict[str, list[str]] = {kind: [] for kind in ("fewer", "removed", "replaced", "moved", "added")}
    complete = True
    for place, test in before.items():
        if place in told:
            heirs, reason = told[place]
            absent = [name for name in heirs if name not in after]
            complete = complete and not absent and bool(heirs or reason)
            count = sum(after[name].helped for name in heirs if name in after)
            wrong = f"   NOT THERE: {', '.join(absent)}" if absent else ""
            line = f"{place} {test.helped} -> {', '.join(heirs) or 'none'} {count}  # {reason}{wrong}"
            lines["replaced"].append(line)
            continue
        named = [other for other in added.values() if other.name == test.name]
        heir = after.get(place) or (named[0] if named else None)
        if heir is None:
            complete = False
            lines["removed"].append(f"{place} {test.helped}{nearest(test, list(added.values()))}")
            continue
        if heir.place != place:
            added.pop(heir.place)
            lines["moved"].append(f"{place} {test.helped} -> {heir.place} {heir.helped}")
        old, new = (test.own, test.helped, test.cases), (heir.own, heir.helped, heir.cases)
        if any(now < then for then, now in zip(old, new, strict=True)):
            complete = False
            lines["fewer"].append(f"{heir.place} {old} -> {new}")
    lines["added"] = [f"{test.place} {test.helped}" for test in added.values()]
    for kind, found in lines.items():
        print(f"{kind}: {len(found)}")
        for line in sorted(found):
            print(f"    {line}")
    unknown = sorted(set(told) - set(before))
    if unknown:
        print(f"the map names what was no test before: {', '.join(unknown)}")
    return complete and not unknown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("head", nargs="?")
    parser.add_argument("--map", metavar="FILE")
    options = parser.parse_args()
    both: list[dict[str, Test]] = []
    for revision in (options.base, options.head):
        found: dict[str, Test] = {}
        for file, source in sources(revision).items():
            found |= {test.place: test for test in tests_of(file, source)}
        both.append(found)
        own = sum(test.own for test in found.values())
        print(f"{revision or 'the work tree'}: {len(found)} test functions, {own} assertions in them")
    sys.exit(0 if compare(both[0], both[1], read_map(options.map)) else 1)


if __name__ == "__main__":
    main()
