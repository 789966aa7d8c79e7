"""Everything that was looked at, as a file; and a view that answers from it, without engine or database.

Each question and its answer, or the error that came instead, by the question's own words. Secrets are masked in both,
so a snapshot is asked with masks in place of secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from recover import errors, inputs
from recover.agreement import canonical
from recover.answers import Reply
from recover.checks.service import looks_secret, shown
from recover.errors import RecoverError, Unreachable, Unreadable, UsageError
from recover.journal.records import plain
from recover.plain import load
from recover.secrets import Redactor, Secret
from recover.stack import Address, KeyPair, Presented, ServiceState, Status, TlsProtocol
from recover.world import Row, SeeDatabase, SeeServices, SeeWeb, Statement, Text, View

VERSION = 1
KINDS = ("Unreachable", "Precondition", "StepError", "PlaybookError")
"""The errors that looking may raise."""


class Source(Protocol):
    """Where an answer comes from: the question is its words, `ask` puts it to the real view."""

    def answer(self, question: Sequence[object], ask: Callable[[], object]) -> Any:
        """The answer as plain data. Raises what asking raised."""


@dataclass
class Recording:
    """Asks the real view and keeps question and answer, redacted: also what only looks like a secret."""

    redactor: Redactor
    kept: dict[str, Any] = field(default_factory=dict)

    def answer(self, question: Sequence[object], ask: Callable[[], object]) -> Any:
        """The real answer."""
        key = self.redactor.text(canonical(plain(question)).decode())
        try:
            answer = ask()
            self._learn(answer)
            value = plain(answer)
        except RecoverError as error:
            told = {"kind": type(error).__name__, **{part: getattr(error, part) for part in PARTS}}
            self.kept[key] = {"error": self.redactor.data(told)}
            raise
        self.kept[key] = {"value": self.redactor.data(value)}
        return value

    def redacted(self) -> dict[str, object]:
        """Everything that was kept; what was learned to be a secret only later is masked in what came before."""
        return {self.redactor.text(key): self.redactor.data(told) for key, told in self.kept.items()}

    def _learn(self, answer: object) -> None:
        """A container's passwords and the tokens that a login hands out are no secrets of the playbook, and secret."""
        for value in _secrets_in(answer):
            if len(value) >= SHORTEST:
                self.redactor.learn(Secret("found", value))


def _secrets_in(answer: object) -> Iterator[str]:
    if isinstance(answer, ServiceState):
        for told in (answer.environment, answer.declared, answer.settings, answer.declared_settings):
            yield from (value for key, value in told.items() if shown(key, value) != repr(value))
    if isinstance(answer, Reply):
        yield from (value for key, value in answer.headers.items() if key.lower() == "set-cookie")
        yield from answer.cookies.values()
        yield from _tokens(answer.json())


def _tokens(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, str) and looks_secret(key):
        yield value
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        yield from _tokens(inner, str(name))
    for inner in value if isinstance(value, list) else ():
        yield from _tokens(inner, key)


SHORTEST = 8
"""A shorter value is likely a word ("true"), which stands in other places too."""


PARTS = ("what", "where", "why", "next")


@dataclass(frozen=True)
class _Told:
    """The error that came in place of an answer."""

    kind: str
    what: str
    where: str
    why: str
    next: str


@dataclass(frozen=True)
class Replayed:
    """Answers from a snapshot. A question that was not asked then is answered by Unreachable: nothing is invented."""

    kept: Mapping[str, Any]
    path: str

    def answer(self, question: Sequence[object], ask: Callable[[], object]) -> Any:  # noqa: ARG002 - there is nobody
        """The answer of that time."""
        told = self.kept.get(canonical(plain(question)).decode())
        if told is None:
            what = f"the snapshot does not say: {' '.join(str(word) for word in question[:3])}"
            again = "recover snapshot PLAYBOOK -o FILE"
            raise Unreachable(what, where=self.path, why="it was not asked then", next=again)
        if "error" in told:
            known = load(_Told, told["error"])
            kind = getattr(errors, known.kind) if known.kind in KINDS else Unreachable
            raise kind(known.what, where=known.where, why=known.why, next=known.next)
        return told["value"]


# --- the view, through a source ---------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A `world.View` whose every answer goes through the source; `real` is None where there is none."""

    source: Source
    real: View | None = None

    @property
    def services(self) -> SeeServices:
        """The services."""
        return _Services(self.source, self.real.services if self.real else None)

    @property
    def web(self) -> SeeWeb:
        """The web."""
        return _Web(self.source, self.real.web if self.real else None)

    def database(self, name: str) -> SeeDatabase:
        """The database of that name."""
        return _Database(self.source, name, self.real.database(name) if self.real else None)


@dataclass(frozen=True)
class _Services:
    source: Source
    real: Any

    def names(self) -> tuple[str, ...]:
        return tuple(self.source.answer(["services", "names"], lambda: self.real.names()))  # noqa: PLW0108 - there may be none

    def statuses(self) -> Mapping[str, Status]:
        question, ask = ["services", "statuses"], lambda: self.real.statuses()  # noqa: PLW0108 - there may be none
        known: Mapping[str, Status] = self.source.answer(question, ask)
        return known

    def state(self, service: str, *, probe: bool = False, overrides: Sequence[Path] = ()) -> ServiceState:
        question = ["services", "state", service, probe, [path.name for path in overrides]]
        return load(
            ServiceState,
            self.source.answer(question, lambda: self.real.state(service, probe=probe, overrides=overrides)),
        )

    def logs(self, service: str, since: datetime | None = None) -> Iterable[str]:
        question = ["services", "logs", service, since is not None]
        lines: list[str] = self.source.answer(question, lambda: list(self.real.logs(service, since)))
        return lines

    def address(self, service: str, port: int | None = None) -> Address:
        answer = self.source.answer(["services", "address", service, port], lambda: self.real.address(service, port))
        return load(Address, answer)


@dataclass(frozen=True)
class _Web:
    source: Source
    real: Any

    def get(self, url: str, *, headers: Mapping[str, Text] | None = None, timeout: float = 5.0) -> Reply:
        question = ["web", "get", url, headers]
        return load(Reply, self.source.answer(question, lambda: self.real.get(url, headers=headers, timeout=timeout)))

    def sign_in(self, url: str, form: Mapping[str, Text], **how: Any) -> Reply:
        question = ["web", "sign in", url, form]
        return load(Reply, self.source.answer(question, lambda: self.real.sign_in(url, form, **how)))

    def certificates(
        self,
        host: str,
        port: int,
        *,
        protocol: TlsProtocol = "tls",
        name: str = "",
        client: KeyPair | None = None,
        timeout: float = 5.0,
    ) -> Presented:
        def ask() -> Presented:
            real: Presented = self.real.certificates(
                host, port, protocol=protocol, name=name, client=client, timeout=timeout
            )
            return real

        question = ["web", "certificates", f"{host}:{port}", protocol, name, client]
        return load(Presented, self.source.answer(question, ask))


@dataclass(frozen=True)
class _Database:
    source: Source
    name: str
    real: Any

    def rows(self, about: str, statement: Statement) -> list[Row]:
        question = ["database", self.name, about, statement.text, statement.args]
        rows: list[Row] = self.source.answer(question, lambda: self.real.rows(about, statement))
        return rows


# --- the file ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot file says: for which target of which project, and every answer."""

    target: str
    project: str
    kept: Mapping[str, Any]
    path: str

    @property
    def view(self) -> View:
        """The view that answers from it."""
        return Seen(Replayed(self.kept, self.path))


def text(head: Mapping[str, object], recording: Recording) -> str:
    """The file, as canonical JSON with the sha256 of all the rest."""
    body = {"v": VERSION, **head, "answers": recording.redacted()}
    return canonical({**body, "sha256": sha256(canonical(body)).hexdigest()}).decode() + "\n"


def read(path: Path) -> Snapshot:
    """The snapshot in the file. Raises UsageError for a file that is none, or was changed."""
    again = f"recover snapshot PLAYBOOK -o {path}"
    try:
        value = inputs.json_object(path, inputs.PLAN)
        digest = value.pop("sha256")
        if sha256(canonical(value)).hexdigest() != digest or value["v"] != VERSION:
            raise UsageError("the snapshot was changed, or made by another version", where=str(path))
        said = {"target": value["target"], "project": value["project"], "kept": value["answers"], "path": str(path)}
        return load(Snapshot, said)
    except OSError as error:
        raise Unreadable.of(path, error, next=again) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("this is not a snapshot", where=str(path), why=str(error), next=again) from None
