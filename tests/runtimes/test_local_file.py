from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from recover.errors import PlaybookError
from recover.marked_yaml import parse
from recover.runtimes.local_file import Reader, Service, variables
from recover.runtimes.ready import Command, Http, Https, Redis, Sql, Tcp

VALUES = {"python": "/bin/python", "stack": "/stack", "project": "/project", "API_PORT": "8000", "RELEASE": "incident"}


def services(text: str) -> dict[str, Service]:
    return Reader(VALUES).services(parse(text, "local.yaml"))


def api(entry: str) -> Service:
    indented = "\n".join(f"    {line}" for line in entry.splitlines())
    return services(f"local: 1\nservices:\n  api:\n{indented}\n")["api"]


def refused(text: str) -> PlaybookError:
    with pytest.raises(PlaybookError) as caught:
        services(text)
    return caught.value


def refused_api(entry: str) -> PlaybookError:
    with pytest.raises(PlaybookError) as caught:
        api(entry)
    return caught.value


def test_everything_a_service_can_say() -> None:
    assert api(
        'command: ["${python}", -m, api, "--port=${API_PORT}"]\n'
        "environment: {PORT: '${API_PORT}', SWITCH: on, CODE: 012, EMPTY: ''}\n"
        "ports: ['${API_PORT}', 9000]\n"
        "ready: {http: /health}\n"
        "stop: {signal: INT, within: 1500ms}\n"
        "folder: ${stack}/app\n"
        "stand_in: not the real one\n"
    ) == Service(
        name="api",
        command=("/bin/python", "-m", "api", "--port=8000"),
        environment={"PORT": "8000", "SWITCH": "on", "CODE": "012", "EMPTY": ""},
        ports=(8000, 9000),
        ready=Http("/health"),
        signal=signal.SIGINT,
        within=1.5,
        folder=Path("/stack/app"),
    )


def test_what_a_service_does_not_say() -> None:
    assert api("command: [x]") == Service(name="api", command=("x",), folder=Path("/project"))
    assert (api("command: [x]").signal, api("command: [x]").within) == (signal.SIGTERM, 10.0)


def test_every_readiness_question() -> None:
    ports = "command: [x]\nports: [1]\nready: "
    assert api(ports + "{redis: {}}").ready == Redis()
    assert api(ports + "{tcp: {}}").ready == Tcp()
    assert api(ports + "{sql: {dbname: d, user: u, password_file: secrets/p}}").ready == Sql(
        "d", "u", Path("/project/secrets/p")
    )
    assert api(ports + "{https: {path: /, authority: certs/ca.crt}}").ready == Https("/", Path("/project/certs/ca.crt"))
    assert api("command: [x]\nenvironment: {A: b}\nready: {command: [test, x]}").ready == Command(
        ("test", "x"), Path("/project"), {"A": "b"}
    )


def test_a_dollar_without_a_brace_is_text_and_what_is_filled_in_is_not_read_again() -> None:
    tree = parse("local: 1\nservices: {a: {command: ['$HOME', '${TWICE}']}}", "local.yaml")
    assert Reader({**VALUES, "TWICE": "${stack}"}).services(tree)["a"].command == ("$HOME", "${stack}")


def test_an_undefined_variable_is_named_at_its_place_with_a_suggestion() -> None:
    error = refused('local: 1\nservices:\n  api:\n    command: ["x", "--port=${API_PROT}"]\n')
    assert (error.what, error.where) == ("${API_PROT} is not defined", "local.yaml:4:28")
    assert error.next == "did you mean 'API_PORT'?"
    assert "^" in error.why


def test_an_undefined_variable_is_found_in_a_folded_text_too() -> None:
    error = refused_api("command: [x]\nenvironment:\n  TARGETS: >-\n    a=${API_PORT}\n    b=${WORKER_PORT}\n")
    assert error.where == "local.yaml:8:11"


@pytest.mark.parametrize(
    ("text", "what", "where", "next"),
    [
        ("local: 2\nservices: {}", "this version of recover reads local: 1", "1:8", "write: local: 1"),
        ("services: {}", "the stack file lacks its version", "1:1", "write as its first line: local: 1"),
        ("local: 1\nservices: []", "services expects a mapping (key: value)", "2:11", ""),
        ("local: 1\nservices: {}\nservice: {}", "unknown key 'service' in the file", "3:1", "did you mean 'services'?"),
        ("local: 1\nservices: {../a: {command: [x]}}", "'../a' cannot be the name of a service", "2:12", ""),
        ("local: 1\nservices: {a: {}}", "a lacks 'command'", "2:15", ""),
        (
            "local: 1\nservices: {a: {command: [x]}, a: {command: [y]}}",
            "duplicate key 'a'; it is already on line 2",
            "2:31",
            "",
        ),
    ],
)
def test_a_file_that_is_wrong(text: str, what: str, where: str, next: str) -> None:
    error = refused(text)
    assert (error.what, error.where, error.next) == (what, f"local.yaml:{where}", next)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("entry", "what", "where", "next"),
    [
        ("command: []", "command is empty", "4:14", ""),
        ("command: x", "command expects a list", "4:14", ""),
        ("command: [[x]]", "text is expected here", "4:15", ""),
        ("command: [x]\nenviroment: {}", "unknown key 'enviroment' in api", "5:5", "did you mean 'environment'?"),
        ("command: [x]\nenvironment: [A]", "environment expects a mapping (key: value)", "5:18", ""),
        ("command: [x]\nports: [http]", "'http' is no TCP port", "5:13", ""),
        ("command: [x]\nports: [65536]", "'65536' is no TCP port", "5:13", ""),
        ("command: [x]\nstop: {signal: SIGTERMM}", "there is no signal 'SIGTERMM'", "5:20", "did you mean 'TERM'?"),
        ("command: [x]\nstop: {within: 15}", "within expects a time such as 500ms, 10s or 1m", "5:20", ""),
        ("command: [x]\noneshot: yes", "oneshot expects true or false", "5:14", ""),
        ("command: [x]\nready: {tcp: {}}", "ready: tcp needs a port, and the service has no ports", "5:13", ""),
        (
            "command: [x]\nports: [1]\nready: {htp: /}",
            "unknown key 'htp' in ready",
            "6:13",
            "did you mean 'http'?",
        ),
        (
            "command: [x]\nports: [1]\nready: {tcp: {}, redis: {}}",
            "ready asks one question: sql, http, https, redis, tcp, command",
            "6:12",
            "",
        ),
        (
            "command: [x]\nports: [1]\noneshot: true\nready: {tcp: {}}",
            "api is a oneshot: it is ready when it has ended with code 0",
            "7:12",
            "",
        ),
        ("command: ['${']", "this ${ is not closed", "4:16", ""),
    ],
)
def test_a_service_that_is_wrong(entry: str, what: str, where: str, next: str) -> None:
    error = refused_api(entry)
    assert (error.what, error.where, error.next) == (what, f"local.yaml:{where}", next)


def test_the_variables_are_the_lines_of_env_and_three_of_our_own(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ports\n\nAPI_PORT=8000\nEMPTY=\nURL=http://x/?a=b\npython=/not/this/one\n")
    assert variables(Path("/stack"), tmp_path) == {
        "API_PORT": "8000",
        "EMPTY": "",
        "URL": "http://x/?a=b",
        "python": sys.executable,
        "stack": "/stack",
        "project": str(tmp_path),
    }


def test_a_line_of_env_that_assigns_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nexport\n")
    with pytest.raises(PlaybookError) as caught:
        variables(Path("/stack"), tmp_path)
    assert caught.value.where == f"{tmp_path / '.env'}:2:1"


def test_the_stack_that_is_shipped_can_be_read() -> None:
    stack = Path(__file__).parents[2] / "playbooks" / "enum-cascade" / "stack"
    text = (stack / "local.yaml").read_text()
    import re

    names = {name: str(port) for port, name in enumerate(sorted(set(re.findall(r"\$\{([A-Z_]+)\}", text))), 9000)}
    values = {**names, "python": sys.executable, "stack": str(stack), "project": "/project"}
    found = Reader(values).services(parse(text, "local.yaml"))
    assert list(found)[:3] == ["postgres", "redis", "migrate"]
    assert found["api"].environment["DATABASE_PORT"] == names["POSTGRES_PORT"]
