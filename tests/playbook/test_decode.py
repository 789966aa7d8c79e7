"""Type hints are the format: what fits becomes a dataclass, what does not is named at its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from recover.errors import PlaybookError
from recover.marked_yaml import Scalar, parse
from recover.playbook.decode import decode, shape_of
from recover.playbook.template import Filled, Name, fill
from recover.secrets import Secret
from recover.world import Seconds, Statement, Text


@dataclass(frozen=True)
class Inner:
    status: int
    json: object = None


@dataclass(frozen=True)
class Everything:
    name: str = ""
    count: int = 0
    ratio: float = 0.0
    deep: bool = False
    timeout: Seconds = Seconds(5)
    labels: tuple[str, ...] = ()
    env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    wait: Literal["healthy", "started"] = "started"
    password: Text = ""
    maybe: str | None = None
    anything: object = None
    query: Statement | None = None
    file: Path | None = None
    except_: tuple[str, ...] = ()
    repeatable: ClassVar[bool] = True


@dataclass(frozen=True)
class Picky:
    first: str
    second: int = 0

    def __post_init__(self) -> None:
        if self.second > 9:
            raise ValueError("second is at most 9")


def lookup(name: Name) -> Filled:
    known: dict[str, Filled] = {
        "word": Scalar("o'hara", name.within),
        "number": Scalar("7", name.within),
        "kept": (Scalar("a", name.within), Scalar("b", name.within)),
        "pw": Secret("pw", "hunter2"),
    }
    return known[name.text]


def everything(text: str, folder: Path = Path("/")) -> Everything:
    return decode(parse(text, "t"), Everything, folder=folder, fill=lambda scalar: fill(scalar, lookup), label="thing")


FITTING = [
    ("name: hello", "name", "hello"),
    ("name: on", "name", "on"),
    ("name: true", "name", "true"),
    ("name: 012", "name", "012"),
    ("name: ''", "name", ""),
    ("count: -3", "count", -3),
    ("ratio: 1", "ratio", 1.0),
    ("deep: true", "deep", True),
    ("timeout: 30s", "timeout", 30.0),
    ("timeout: 500ms", "timeout", 0.5),
    ("timeout: 1m30s", "timeout", 90.0),
    ("timeout: 1.5h", "timeout", 5400.0),
    ("timeout: 0s", "timeout", 0.0),
    ("labels: [ADMIN, on, 'no', 012, null_]", "labels", ("ADMIN", "on", "no", "012", "null_")),
    ("env: {api: {MIDDLEWARE: '', DEBUG: 1}}", "env", {"api": {"MIDDLEWARE": "", "DEBUG": "1"}}),
    ("inner: {status: 200}", "inner", Inner(200)),
    ("inner: null", "inner", None),
    ("inners: [{status: 1}, {status: 2, json: x}]", "inners", (Inner(1), Inner(2, "x"))),
    ("wait: healthy", "wait", "healthy"),
    ("password: plain", "password", "plain"),
    ("maybe:", "maybe", None),
    ("maybe: 'null'", "maybe", "null"),
    ("anything: {a: [1, 'x', on, null, 1.5, '1']}", "anything", {"a": [1, "x", "on", None, 1.5, "1"]}),
    ("except: [postgres]", "except_", ("postgres",)),
    # templates
    ("name: 'hi ${word}, ${kept}'", "name", "hi o'hara, a,b"),
    ("count: ${number}", "count", 7),
    ("labels: ${kept}", "labels", ("a", "b")),
    ("labels: ['${word}', x]", "labels", ("o'hara", "x")),
    ("env: {api: {MIDDLEWARE: '${kept}'}}", "env", {"api": {"MIDDLEWARE": "a,b"}}),
    ("anything: {a: '${number}', b: '${kept}', c: 'n${number}'}", "anything", {"a": 7, "b": ["a", "b"], "c": "n7"}),
    ("name: 'costs $${word} $5 $$'", "name", "costs ${word} $5 $$"),
    # SQL
    ("query: select 1 % 2", "query", Statement("select 1 % 2", role_path=True)),
    (
        "query: select ${word} % ${number}, ${word}",
        "query",
        Statement("select %(v1)s %% %(v2)s, %(v1)s", {"v1": "o'hara", "v2": 7}, role_path=True),
    ),
    (
        "query: select x = any(${kept})",
        "query",
        Statement("select x = any(%(v1)s)", {"v1": ["a", "b"]}, role_path=True),
    ),
    ("query: select $$a$$, '$${b}'", "query", Statement("select $$a$$, '${b}'", role_path=True)),
]


@pytest.mark.parametrize(("text", "name", "value"), FITTING)
def test_what_fits_becomes_the_field(text: str, name: str, value: object) -> None:
    got = getattr(everything(text), name)
    assert (type(got), got) == (type(value), value) or (isinstance(got, Seconds) and got == value)


def test_a_secret_stays_a_secret_and_makes_the_text_around_it_one() -> None:
    assert everything("password: ${pw}").password == Secret("pw", "hunter2")
    around = everything("password: 'Basic ${word}:${pw}'").password
    assert isinstance(around, Secret)
    assert (around.name, around.reveal(), str(around)) == ("pw", "Basic o'hara:hunter2", "***")


UNFITTING = [
    # text, line, column, message, next
    ("timout: 30s", 1, 1, "unknown key 'timout' in thing", "did you mean 'timeout'?"),
    ("name: x\ninner: {status: 1, jsn: 2}", 2, 20, "unknown key 'jsn' in inner", "did you mean 'json'?"),
    ("except_: [x]", 1, 1, "unknown key 'except_' in thing", "did you mean 'except'?"),
    ("repeatable: true", 1, 1, "unknown key 'repeatable'", "known keys: name, count"),
    ("inner: {json: 2}", 1, 8, "inner lacks 'status'", ""),
    ("timeout: 30", 1, 10, "timeout expects a duration with a unit, such as 30s, not '30'", ""),
    ("timeout: 30s1m", 1, 10, "timeout expects a duration", ""),
    ("timeout: -1s", 1, 10, "timeout expects a duration", ""),
    (f"timeout: {'9' * 400}h", 1, 10, "timeout expects a duration", ""),
    ("count: 1.5", 1, 8, "count expects a whole number, not '1.5'", ""),
    ("count: '5'", 1, 8, "count expects a whole number, not '5'", ""),
    ("count: true", 1, 8, "count expects a whole number, not 'true'", ""),
    ("count: ${word}", 1, 8, 'count expects a whole number, not "o\'hara"', ""),
    ("deep: yes", 1, 7, "deep expects true or false, not 'yes'", ""),
    ("name:\ncount: 1", 1, 6, "name expects text, not nothing", ""),
    ("name: ~", 1, 7, "name expects text, not '~'", ""),
    ("name: [x]", 1, 7, "name expects text, not a list", ""),
    ("name: {x: 1}", 1, 7, "name expects text, not a mapping", ""),
    ("labels: x", 1, 9, "labels expects a list, each text, not 'x'", ""),
    ("labels:\n- a\n- [b]", 3, 3, "labels expects text, not a list", ""),
    ("env: {api: x}", 1, 12, "api expects a mapping, each value text, not 'x'", ""),
    ("inner: x", 1, 8, "inner expects a mapping (key: value), not 'x'", ""),
    ("wait: heathy", 1, 7, "wait expects one of healthy, started, not 'heathy'", "did you mean 'healthy'?"),
    ("name: ${pw}", 1, 7, "a secret may not be used here", ""),
    ("name: 'x${pw}'", 1, 7, "a secret may not be used here", ""),
    ("labels: ['${pw}']", 1, 10, "a secret may not be used here", ""),
    ("anything: {a: {b: '${pw}'}}", 1, 19, "a secret may not be used here", ""),
    ("query: select ${pw}", 1, 8, "a secret may not be used here", ""),
    (
        "query: select '${word}'",
        1,
        16,
        "${word} is bound as a value, so it cannot stand inside quotes or a comment",
        "drop the quotes",
    ),
    ('query: select ${number}, "${word}"', 1, 27, "it cannot stand inside quotes or a comment", "drop the quotes"),
    ("query: select 1 -- ${word}", 1, 20, "it cannot stand inside quotes or a comment", "drop the quotes"),
    ("query: {a: 1}", 1, 8, "query expects SQL, not a mapping", ""),
    ("name: a ${ b", 1, 9, "${ without its }", "to mean the text ${, write $${"),
    ("name: |\n  one\n  two ${", 3, 7, "${ without its }", ""),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "next"), UNFITTING)
def test_what_does_not_fit_is_named_at_its_place(text: str, line: int, column: int, message: str, next: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        everything(text)
    assert message in caught.value.what
    assert caught.value.where == f"t:{line}:{column}"
    assert next in caught.value.next
    assert "^" in caught.value.why


def test_a_secret_is_in_no_message() -> None:
    with pytest.raises(PlaybookError) as caught:
        everything("name: 'x${pw}'")
    assert "hunter2" not in str(caught.value)


def test_a_path_begins_at_the_folder_of_the_file_and_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "fix.sql").write_text("select 1")
    assert everything("file: sql/../fix.sql", tmp_path).file == tmp_path / "fix.sql"
    with pytest.raises(PlaybookError, match=r"there is no fax\.sql in"):
        everything("file: fax.sql", tmp_path)


def test_a_rule_of_the_dataclass_itself_gets_the_place() -> None:
    with pytest.raises(PlaybookError, match="second is at most 9") as caught:
        decode(parse("x: {first: a, second: 10}", "t")["x"], Picky, folder=Path())
    assert caught.value.where == "t:1:4"


def test_a_type_the_format_does_not_know_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(TypeError, match="a playbook cannot hold"):
        shape_of(set[str])
    with pytest.raises(TypeError, match="a playbook cannot hold"):
        shape_of(int | str)
