"""local.yaml: a stack as processes of this machine.

local: 1
services:
  NAME:
    command: [program, argument]        # no shell
    environment: {KEY: value}
    ports: ["${API_PORT}"]              # the first is the one meant when none is named
    ready: {http: /path} | {sql: {dbname, user, password_file}} | {redis: {}} | {tcp: {}} | {command: [...]}
           | {https: {path: /path, authority: FILE}}   # whose certificates are trusted, for 127.0.0.1
    stop: {signal: INT, within: 15s}    # default TERM and 10s; then SIGKILL to the group
    folder: ${stack}                    # working directory, default ${project}
    oneshot: true                       # runs to its end; ready when that was 0
    stand_in: one sentence              # not the real server

`${python}` is this Python, `${stack}` the file's folder, `${project}` the replica's folder; any other
`${NAME}` is a line NAME=VALUE of `${project}/.env`. A `$` without a brace is text.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recover import inputs
from recover.errors import PlaybookError
from recover.marked_yaml import Mark, Marked, MarkedDict, MarkedList, Scalar, core, did_you_mean, fail
from recover.runtimes.ready import Command, Http, Https, Probe, Redis, Sql, Tcp

KEYS = ("command", "environment", "ports", "ready", "stop", "folder", "oneshot", "stand_in")
PROBES = ("sql", "http", "https", "redis", "tcp", "command")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_REFERENCE = re.compile(r"\$\{([^}]*)(\}?)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535
_DAY = 86_400.0


@dataclass(frozen=True)
class Service:
    """One service with everything filled in. `within` is in seconds."""

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    ready: Probe | None = None
    signal: int = signal.SIGTERM
    within: float = 10.0
    oneshot: bool = False


def entries(tree: MarkedDict) -> MarkedDict:
    """The file's services, unread, in their order. Raises PlaybookError for what is no local.yaml."""
    _keys(tree, "the file", ("local", "services"))
    if "local" not in tree:
        raise fail(tree.mark, "the stack file lacks its version", "write as its first line: local: 1")
    if tree["local"] != "1":
        raise fail(tree["local"].mark, "this version of recover reads local: 1", "write: local: 1")
    _keys(tree, "the file", ("local", "services"), required=("services",))
    services = _mapping(tree["services"], "services")
    for name in services:
        if not _NAME.fullmatch(name):
            raise fail(name.mark, f"{str(name)!r} cannot be the name of a service")
    return services


def variables(stack: Path, project: Path) -> dict[str, str]:
    """What `${NAME}` stands for. Raises OSError without a .env, PlaybookError for a bad line of it."""
    path = project / ".env"
    found = {}
    for number, raw in enumerate(inputs.read(path, inputs.ENVIRONMENT).splitlines(), 1):
        line = raw.decode(errors="surrogateescape")
        name, equals, value = line.partition("=")
        if line.strip() and not line.startswith("#"):
            if not equals or not name or "\0" in line:
                raise PlaybookError("a line of .env must be NAME=VALUE", where=f"{path}:{number}:1")
            found[name] = value
    return {**found, "python": sys.executable, "stack": str(stack), "project": str(project)}


@dataclass(frozen=True)
class Reader:
    """Reads the services with these variables. Every mistake is a PlaybookError at its place."""

    values: Mapping[str, str]

    def services(self, tree: MarkedDict) -> dict[str, Service]:
        """All of them, in the order of the file."""
        return {str(name): self.service(str(name), node) for name, node in entries(tree).items()}

    def service(self, name: str, node: Marked) -> Service:
        """One of them."""
        tree = _keys(node, name, KEYS, required=("command",))
        environment = {str(key): self.text(value) for key, value in _optional(tree, "environment").items()}
        folder = self.path(tree.get("folder", Scalar("${project}", tree.mark)))
        ports = tuple(self.port(item) for item in _list(tree["ports"], "ports")) if "ports" in tree else ()
        number, within = self.stop(_optional(tree, "stop"))
        ready = self.probe(tree["ready"], ports, folder, environment) if "ready" in tree else None
        oneshot = _truth(tree["oneshot"]) if "oneshot" in tree else False
        if oneshot and ready:
            raise fail(tree["ready"].mark, f"{name} is a oneshot: it is ready when it has ended with code 0")
        return Service(
            name, self.words(tree["command"], "command"), folder, environment, ports, ready, number, within, oneshot
        )

    def probe(self, node: Marked, ports: tuple[int, ...], folder: Path, environment: Mapping[str, str]) -> Probe:
        """The readiness question."""
        tree = _keys(node, "ready", PROBES)
        if len(tree) != 1:
            raise fail(node.mark, f"ready asks one question: {', '.join(PROBES)}")
        [(kind, value)] = tree.items()
        if kind == "command":
            return Command(self.words(value, kind), folder, environment)
        if not ports:
            raise fail(kind.mark, f"ready: {kind} needs a port, and the service has no ports")
        if kind == "http":
            return Http(self.text(value))
        if kind == "https":
            asked = _keys(value, kind, ("path", "authority"), required=("path", "authority"))
            return Https(self.text(asked["path"]), self.path(asked["authority"]))
        if kind == "sql":
            asked = _keys(value, kind, ("dbname", "user", "password_file"), required=("dbname", "user"))
            password = self.path(asked["password_file"]) if "password_file" in asked else None
            return Sql(self.text(asked["dbname"]), self.text(asked["user"]), password)
        _keys(value, kind, ())
        return Redis() if kind == "redis" else Tcp()

    def stop(self, tree: MarkedDict) -> tuple[int, float]:
        """The signal that ends it, and the seconds it may take."""
        _keys(tree, "stop", ("signal", "within"))
        number, within = int(signal.SIGTERM), 10.0
        if "signal" in tree:
            name = self.text(tree["signal"])
            known = {known.name.removeprefix("SIG"): known for known in signal.Signals}
            if name not in known:
                raise fail(tree["signal"].mark, f"there is no signal {name!r}", did_you_mean(name, known))
            number = known[name]
        if "within" in tree:
            span = _SPAN.fullmatch(self.text(tree["within"]))
            if span is None:
                raise fail(tree["within"].mark, "within expects a time such as 500ms, 10s or 1m")
            within = min(float(span[1]) * _UNITS[span[2]], _DAY)
        return number, within

    def port(self, node: Marked) -> int:
        """A TCP port."""
        text = self.text(node)
        if not _PORT.fullmatch(text) or not 0 < int(text) <= _LAST_PORT:
            raise fail(node.mark, f"{text!r} is no TCP port")
        return int(text)

    def words(self, node: Marked, label: str) -> tuple[str, ...]:
        """A command."""
        words = tuple(self.text(item) for item in _list(node, label))
        if not words or not words[0]:
            raise fail(node.mark, f"{label} is empty")
        return words

    def path(self, node: Marked) -> Path:
        """A path; a relative one begins at the project."""
        return Path(self.values["project"]) / self.text(node)

    def text(self, node: Marked) -> str:
        """A scalar with its `${NAME}` filled in; what was filled in is not looked at again."""
        if not isinstance(node, Scalar):
            raise fail(node.mark, "text is expected here")
        return _REFERENCE.sub(lambda found: self.value(node, found), node)

    def value(self, node: Scalar, found: re.Match[str]) -> str:
        """What one reference stands for."""
        if not found[2]:
            raise fail(_place(node, found[0]), "this ${ is not closed")
        if found[1] not in self.values:
            hint = did_you_mean(found[1], self.values) or f"known: {', '.join(self.values)}"
            raise fail(_place(node, found[0]), f"{found[0]} is not defined", hint)
        return self.values[found[1]]


def _place(node: Scalar, text: str) -> Mark:
    """Where the text stands in the file: at or after the scalar's beginning, which a block scalar's text is not."""
    lines = node.mark.source.text.splitlines()
    for number, line in enumerate(lines[node.mark.line - 1 :], node.mark.line):
        begin = node.mark.column - 1 if number == node.mark.line else 0
        if (column := line.find(text, begin)) >= 0:
            return Mark(node.mark.source, number, column + 1)
    return node.mark


def _keys(node: Marked, label: str, known: Iterable[str], required: Iterable[str] = ()) -> MarkedDict:
    tree, known = _mapping(node, label), list(known)
    for key in tree:
        if key not in known:
            hint = did_you_mean(key, known) or f"known keys: {', '.join(known) or 'none'}"
            raise fail(key.mark, f"unknown key {str(key)!r} in {label}", hint)
    for name in required:
        if name not in tree:
            raise fail(tree.mark, f"{label} lacks {name!r}")
    return tree


def _mapping(node: Marked, label: str) -> MarkedDict:
    if not isinstance(node, MarkedDict):
        raise fail(node.mark, f"{label} expects a mapping (key: value)")
    return node


def _optional(tree: MarkedDict, key: str) -> MarkedDict:
    return _mapping(tree[key], key) if key in tree else MarkedDict(tree.mark)


def _list(node: Marked, label: str) -> MarkedList:
    if not isinstance(node, MarkedList):
        raise fail(node.mark, f"{label} expects a list")
    return node


def _truth(node: Marked) -> bool:
    value = core(node) if isinstance(node, Scalar) else None
    if not isinstance(value, bool):
        raise fail(node.mark, "oneshot expects true or false")
    return value
