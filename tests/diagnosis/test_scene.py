"""Looking at everything at once: what cannot be seen is told, and never stops the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from diagnosis.scenes import failed, passed
from fakes import FakeServices

from recover.diagnosis import scene
from recover.diagnosis.scene import Source, look
from recover.errors import RecoverError, StepError, Unreachable
from recover.evidence import Evidence
from recover.runtimes.local import LocalRuntime

DAY = timedelta(days=1)


@dataclass
class Stack(FakeServices):
    """Services of which some cannot be seen. `broken` is what is raised, by what is asked."""

    broken: dict[str, Exception] = field(default_factory=dict)
    begins: list[datetime | None] = field(default_factory=list)

    def _may(self, what: str) -> None:
        if what in self.broken:
            raise self.broken[what]

    def names(self) -> tuple[str, ...]:
        self._may("names")
        return super().names()

    def state(self, service: str, **more: Any) -> Any:
        self._may(f"state of {service}")
        return super().state(service, **more)

    def logs(self, service: str, since: datetime | None = None) -> Iterator[str]:
        self.begins.append(since)
        yield from super().logs(service, since)
        self._may(f"log of {service}")


def stack(**broken: Exception) -> Stack:
    made = Stack({"db": {}, "api": {}}, broken={})
    for name in made.names():
        made.start(name)
        made.say(name, f"ERROR:{name}:boom")
    made.broken = {what.replace("_", " "): error for what, error in broken.items()}
    return made


@dataclass
class Asking:
    """A probe: `answer` is given or raised."""

    answer: Any
    about: frozenset[str] = frozenset()

    def ask(self, view: object) -> Evidence:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


def test_states_logs_and_probes_are_seen() -> None:
    probes = {"login": Asking(failed()), "page": Asking(passed())}
    view: Any = object()
    seen = look(Source(stack(), probes=probes, view=view), DAY)
    assert {name: state.ready for name, state in seen.states.items()} == {"db": True, "api": True}
    assert [(shape.service, shape.level) for shape in seen.shapes] == [("db", "error"), ("api", "error")]
    assert {name: answer.passed for name, answer in seen.answers.items()} == {"login": False, "page": True}
    assert (seen.unseen, seen.fails) == ({}, True)


def test_an_engine_that_does_not_answer_is_told() -> None:
    seen = look(Source(stack(names=Unreachable("no engine", why="no such socket"))), DAY)
    assert seen.unseen == {"services": "no engine: no such socket"}


def test_a_state_that_cannot_be_seen_is_told_and_the_others_are_seen() -> None:
    seen = look(Source(stack(state_of_db=Unreachable("its record is damaged"))), DAY)
    assert (seen.unseen["db"], [*seen.states]) == ("its record is damaged", ["api"])


def test_a_log_that_breaks_off_is_told_and_what_was_read_counts() -> None:
    seen = look(Source(stack(log_of_db=Unreachable("the log cannot be read", why="Is a directory"))), DAY)
    assert seen.unseen == {"the log of db": "the log cannot be read: Is a directory"}
    assert [shape.service for shape in seen.shapes] == ["db", "api"]


def test_a_log_that_takes_long_is_told_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    look(Source(stack(), tell=said.append), DAY)
    assert said == []
    monkeypatch.setattr(scene, "LONG", 0.0)
    look(Source(stack(), tell=said.append), DAY)
    assert said[0] == "the log of db is long: 1 lines so far; a shorter --since reads less"


def test_it_is_told_now_and_then_and_not_with_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    a_second_each = map(float, range(100))
    monkeypatch.setattr(scene, "time", SimpleNamespace(monotonic=lambda: next(a_second_each)))
    lines = [f"line {n}" for n in range(35)]
    assert list(scene._telling(scene.Scene(Source(tell=said.append)), "db", lines)) == lines
    assert [words.split()[6] for words in said] == ["10", "20", "30"]


def test_a_probe_that_cannot_be_asked_is_told() -> None:
    view: Any = object()
    seen = look(Source(probes={"login": Asking(StepError("no file"))}, view=view), DAY)
    assert (seen.unseen, seen.answers) == ({"probe login": "no file"}, {})


def test_what_the_playbook_cannot_ask_is_told() -> None:
    seen = look(Source(unasked={"secret probe": "it is not set"}), DAY)
    assert seen.unseen == {"secret probe": "it is not set"}


class Watched:
    """A database without locks, that says when it is looked at first."""

    def __init__(self) -> None:
        self.looked = Event()
        self.closed = Event()

    def rows(self, about: str, statement: object) -> list[Any]:
        self.looked.set()
        return []

    def close(self) -> None:
        self.closed.set()


def test_a_fault_of_our_own_ends_the_look_and_hangs_up() -> None:
    """Locks are watched until everything else was seen, or will never be."""
    watched = Watched()
    with pytest.raises(ZeroDivisionError):
        look(Source(stack(log_of_api=ZeroDivisionError()), databases={"main": lambda: watched}), DAY)
    assert watched.closed.is_set()


class Locked(Watched):
    """A wait that has just begun when it is seen first, and goes on."""

    def __init__(self, waits: list[int]) -> None:
        super().__init__()
        self.waits = iter(waits)

    def rows(self, about: str, statement: object) -> list[Any]:
        if "holds" in about:
            return []
        return [{"pid": 7, "waits": waits} for waits in [next(self.waits, None)] if waits is not None]


def test_of_a_wait_the_last_look_counts_and_it_is_remembered_when_it_ends() -> None:
    both = {"main": lambda: Locked([0, 1, 2]), "other": lambda: Locked([5])}
    assert [row["waits"] for row in look(Source(databases=both), DAY).waits] == [2, 5]


def test_secrets_are_hidden_before_anything_is_cut_or_masked() -> None:
    services = stack()
    services.unready["db"] = "password pa55 word refused"
    services.say("db", "ERROR:db:password pa55 word refused")

    def hide(text: str) -> str:
        return text.replace("pa55 word", "***")

    view: Any = object()
    probes = {"login": Asking(failed("pa55 word is wrong"))}
    seen = look(Source(services, probes=probes, view=view, hide=hide), DAY)
    assert [shape.text for shape in seen.shapes if "password" in shape.text] == ["ERROR:db:password *** refused"]
    assert seen.states["db"].detail == "password *** refused"
    assert seen.answers["login"].answer == "*** is wrong"


def test_what_looks_like_a_secret_is_hidden_where_nobody_knows_it() -> None:
    services = stack()
    services.unready["db"] = f"cannot reach postgresql://app:pa55word@db/app: {'x ' * 150}"
    view: Any = object()
    probes = {"login": Asking(failed("status 500: {'password': 'pa55word'}"))}
    seen = look(Source(services, probes=probes, view=view), DAY)
    assert "pa55word" not in seen.states["db"].detail
    assert seen.answers["login"].answer == "status 500: {'password': ***}"


def test_lines_are_read_from_the_time_that_is_asked_for() -> None:
    services, now = stack(), datetime(2025, 8, 10, tzinfo=UTC)
    look(Source(services), DAY, now=now)
    assert services.begins == [now - DAY] * 2


def test_what_a_service_says_in_the_time_of_its_place_is_not_of_an_earlier_instance() -> None:
    services, now = stack(), datetime.now(UTC)
    for zone, new in (("Etc/GMT+5", True), ("UTC", False)):
        services.be("api", started_at=now - timedelta(minutes=5), zone=zone)
        services.say("api", f"{now - timedelta(hours=5, minutes=1):%Y-%m-%d %H:%M:%S} ERROR the local {zone} time")
        seen = look(Source(services), DAY, now=now)
        [shape] = [shape for shape in seen.shapes if zone in "".join(shape.samples)]
        assert seen.is_new(shape) is new


def test_a_real_log_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_text("local: 1\nservices: {web: {command: [sleep, '9']}}\n")
    (tmp_path / "log" / "web.log").mkdir(parents=True)
    (tmp_path / ".env").touch()
    services = LocalRuntime(tmp_path / "local.yaml", tmp_path)
    seen = look(Source(services), DAY)
    assert seen.unseen == {"the log of web": "the log of web cannot be read: Is a directory"}
    with pytest.raises(RecoverError):
        list(services.logs("web"))
