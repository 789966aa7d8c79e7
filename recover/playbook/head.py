"""Reading what stands before the stages: name, objectives, targets, variables, secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from recover.errors import UsageError
from recover.marked_yaml import Mark, Marked, MarkedDict, Scalar, Source, core, did_you_mean, fail
from recover.playbook.decode import check_keys, decode
from recover.playbook.digest import Known, refuse
from recover.playbook.mistakes import Mistakes
from recover.playbook.model import DatabaseTarget, Objectives, SecretRef, ServicesTarget, Target, Variable
from recover.playbook.scope import Scope
from recover.playbook.template import Name, escaped
from recover.playbook.values import misfit
from recover.secrets import Secret
from recover.stack import Address
from recover.world import RunPlace, Seconds

HEAD_KEYS = ("recover", "name", "title", "objectives", "target", "targets", "variables", "secrets")
RESERVED = ("item", "kept", "secret", "services", "target", "run")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ROWS = re.compile(r"(0|[1-9][0-9]{0,17}) rows?")


@dataclass(frozen=True)
class ObjectiveKeys:
    """`rto` is a duration, `rpo` a number of rows: "0 rows"."""

    rto: Seconds | None = None
    rpo: str | None = None


@dataclass(frozen=True)
class TargetKeys:
    """One target."""

    services: ServicesTarget
    databases: Mapping[str, DatabaseTarget] = field(default_factory=dict)


@dataclass(frozen=True)
class VariableKeys:
    """A variable written as a mapping; without a default it has to be set with -e."""

    default: str | None = None
    help: str = ""


@dataclass(frozen=True)
class SecretKeys:
    """Exactly one of a file and an environment variable."""

    file: str | None = None
    env: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for both or none."""
        if (self.file is None) == (self.env is None):
            raise ValueError("a secret is kept in exactly one place: file or env")


@dataclass(frozen=True)
class Anywhere:
    """Stands for the addresses of services while there is no target."""

    def address(self, service: str, port: int | None = None) -> Address:  # noqa: ARG002 - any service will do
        """An address that nothing listens on."""
        return Address("127.0.0.1", port or 1)


@dataclass(frozen=True)
class Head:
    """Reads the head, notes mistakes and goes on."""

    tree: MarkedDict
    folder: Path
    mistakes: Mistakes
    overrides: Mapping[str, str]

    def text(self, key: str) -> str:
        """A text of the head; "" when it is not there or is none."""
        with self.mistakes:
            if key in self.tree:
                return decode(self.tree[key], str, folder=self.folder, label=key)
        return ""

    def objectives(self) -> Objectives:
        """What the recovery aims for."""
        with self.mistakes:
            tree = self._mapping("objectives")
            keys = decode(tree, ObjectiveKeys, folder=self.folder, label="objectives")
            rows = _ROWS.fullmatch(keys.rpo) if keys.rpo else None
            if keys.rpo and rows is None:
                raise misfit(tree["rpo"], "rpo", "a number of rows, such as 0 rows")
            return Objectives(keys.rto, int(rows[1]) if rows else None)
        return Objectives()

    # --- variables --------------------------------------------------------------------------------

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """Every variable with its value; one with a mistake has the empty text, so that it is told once."""
        found: dict[str, Variable] = {}
        with self.mistakes:
            tree = self._mapping("variables")
            self._require_declared(tree)
            for name, node in tree.items():
                found[str(name)] = Variable(None, "", Scalar("", name.mark, plain=False))
                with self.mistakes:
                    found[str(name)] = self._variable(name, node)
        scope = self._scope({name: variable.value for name, variable in found.items()})
        return {name: self._proven(name, variable, scope) for name, variable in found.items()}

    def _proven(self, name: str, variable: Variable, scope: Scope) -> Variable:
        with self.mistakes:
            scope.lookup(Name(name, variable.value.mark))
            return variable
        return replace(variable, value=Scalar("", variable.value.mark, plain=False))

    def _variable(self, name: Scalar, node: Marked) -> Variable:
        if not _NAME.fullmatch(name) or name in RESERVED:
            hint = "that name has a meaning of its own" if name in RESERVED else "letters, digits and _"
            raise fail(name.mark, f"{str(name)!r} cannot be a variable", hint)
        default, help = self._default(name, node)
        value = _given(name, self.overrides[name]) if name in self.overrides else default
        if value is None:
            raise fail(name.mark, f"the variable {name} has no default", f"-e {name}=VALUE")
        return Variable(default, help, value)

    def _default(self, name: Scalar, node: Marked) -> tuple[Scalar | None, str]:
        keys = VariableKeys()
        default: Marked | None = node
        if isinstance(node, MarkedDict):
            keys = decode(node, VariableKeys, folder=self.folder, label=name)
            default = node.get("default")
        if default is not None and not isinstance(default, Scalar):
            raise misfit(default, name, "a text or a number")
        nothing = default is None or (default.plain and core(default) is None)
        return None if nothing else default, keys.help

    def _require_declared(self, tree: MarkedDict) -> None:
        for name in self.overrides:
            if name not in tree:
                hint = did_you_mean(name, tree) or f"it has: {', '.join(tree) or 'none'}"
                raise UsageError(f"-e {name}: the playbook has no variable {name!r}", where=str(tree.mark), next=hint)

    def placeholders(self) -> Scope:
        """A scope in which everything can be filled in that a run will be able to fill in."""
        return self._scope({name: variable.value for name, variable in self.variables.items()})

    def _scope(self, values: Mapping[str, Scalar]) -> Scope:
        secrets = self.tree.get("secrets")
        return Scope(
            variables=values,
            secrets={str(name): Secret(str(name), "placeholder") for name in secrets}
            if isinstance(secrets, dict)
            else {},
            target={"name": "TARGET", "folder": str(self.folder), "project": "PROJECT"},
            services=Anywhere(),
            place=RunPlace("RUN", self.folder),
            folder=self.folder,
        )

    # --- secrets and targets ----------------------------------------------------------------------

    def secrets(self, scope: Scope) -> dict[str, SecretRef]:
        """Where each secret is kept. The path of a secret's file cannot hold a secret."""
        found: dict[str, SecretRef] = {}
        with self.mistakes:
            for name, node in self._mapping("secrets").items():
                with self.mistakes:
                    if not isinstance(node, MarkedDict):  # it may be the secret itself, and is not repeated
                        raise fail(node.mark, f"secret {name} must say where it is kept", "{file: PATH} or {env: NAME}")
                    keys = decode(node, SecretKeys, folder=self.folder, fill=scope.fill, label=name)
                    file = node.get("file")
                    kept = file if keys.file is not None and isinstance(file, Scalar) else None
                    found[str(name)] = SecretRef(str(name), kept, keys.env, str(name.mark))
        return found

    def targets(self, scope: Scope) -> dict[str, Target]:
        """The targets by name, the first being the default; a lone `target` is called as its runtime."""
        found: dict[str, Target] = {}
        with self.mistakes:
            if ("target" in self.tree) == ("targets" in self.tree):
                raise fail(self.tree.mark, "a playbook has either target or targets")
            if "target" in self.tree:
                target = self._target("", self.tree["target"], scope)
                return {target.name: target}
            for name, node in self._mapping("targets").items():
                with self.mistakes:
                    found[str(name)] = self._target(name, node, scope)
            if not self._mapping("targets"):
                raise misfit(self.tree["targets"], "targets", "a mapping of one or more names to targets")
        return found

    def _target(self, name: str, node: Marked, scope: Scope) -> Target:
        tree = check_keys(node, name or "target", ("services", "databases"), ("services",))
        known = Known(scope.variables, refuse)
        services = decode(tree["services"], ServicesTarget, folder=self.folder, fill=known.fill, label="services")
        databases = tree.get("databases", MarkedDict(tree.mark))
        if not isinstance(databases, MarkedDict):
            raise misfit(databases, "databases", "a mapping of names to databases")
        target = Target(str(name) or services.runtime, services, {}, databases, self.folder)
        return target.bind(scope)

    def _mapping(self, key: str) -> MarkedDict:
        node = self.tree.get(key, MarkedDict(self.tree.mark))
        if not isinstance(node, MarkedDict):
            raise misfit(node, key, "a mapping (key: value)")
        return node


def _given(name: str, value: str) -> Scalar:
    """A value from the command line: a number or true/false as YAML has them, else the text as it is."""
    mark = Mark(Source(f"-e {name}", value), 1, 1)
    return Scalar(escaped(value), mark, plain=not isinstance(core(Scalar(value, mark)), (str, type(None))))
