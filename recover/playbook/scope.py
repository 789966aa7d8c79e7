"""What `${…}` stands for in one run on one target, and what a step is once it is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from recover.checks.wait import Patience
from recover.errors import PlaybookError
from recover.marked_yaml import Mark, Scalar, Source, did_you_mean, fail
from recover.playbook.template import Expansion, Filled, Name, fill
from recover.secrets import Secret
from recover.stack import Address
from recover.world import Action, Check, Resource, RunPlace, View, Work

_NOWHERE = Mark(Source("the run", ""), 1, 1)
DEFAULT_WITHIN, SHORTEST_PAUSE, LONGEST_PAUSE = 10.0, 0.05, 0.5  # seconds
ADDRESS_PARTS = ("url", "address", "host", "port")


class Addresses(Protocol):
    """The part of `SeeServices` that names need."""

    def address(self, service: str, port: int | None = None) -> Address:
        """Where a service can be reached."""


@dataclass(frozen=True)
class Scope:
    """The values of all names.

    `variables` hold templates themselves, `secrets` may read them when they are first asked for,
    `target` has name, folder and project. `folder` is where relative paths begin (the playbook's).
    `item` is set inside a for_each, and `kept` are the items that passed so far with the present one.
    """

    variables: Mapping[str, Scalar]
    secrets: Mapping[str, Secret]
    target: Mapping[str, str]
    services: Addresses
    place: RunPlace
    folder: Path
    item: Scalar | None = None
    kept: tuple[str, ...] = ()

    def inside(self, item: Scalar | None) -> Scope:
        """The same inside one step of a for_each."""
        return replace(self, item=item) if item is not self.item else self

    def fill(self, scalar: Scalar) -> Filled:
        """The scalar with its names replaced. Raises PlaybookError where a name stands that is not defined."""
        return fill(scalar, Expansion(self.variables, self._value).lookup) if "${" in scalar else scalar

    def lookup(self, name: Name) -> Filled:
        """The value of a name. Raises PlaybookError, also for variables that go in a circle."""
        return Expansion(self.variables, self._value).lookup(name)

    def _value(self, name: Name, _used: Name) -> Filled:
        head, _, rest = name.text.partition(".")
        if head == "services":
            return self._address(name, rest)
        if head == "secret" and rest in self.secrets:
            return self.secrets[rest]
        if name.text in self._given:
            return self._given[name.text]
        raise self._undefined(name)

    def _address(self, name: Name, rest: str) -> Scalar:
        service, _, part = rest.rpartition(".")
        if not service or part not in ADDRESS_PARTS:
            raise fail(name.mark, f"{name} is not defined", f"a service has {', '.join(ADDRESS_PARTS)}")
        try:
            address = self.services.address(service)
        except PlaybookError as error:
            raise fail(name.mark, error.what, error.next) from None
        parts = {"url": address.url, "address": str(address), "host": address.host, "port": str(address.port)}
        return Scalar(parts[part], name.within, plain=part == "port")

    @cached_property
    def _given(self) -> dict[str, Filled]:
        plain = {f"target.{key}": value for key, value in self.target.items()}
        plain |= {"run.id": self.place.id, "run.folder": str(self.place.folder)}
        given: dict[str, Filled] = {key: _unmarked(value) for key, value in plain.items()}
        if self.item is not None:
            given |= {"item": self.item, "kept": tuple(map(_unmarked, self.kept))}
        return given

    def _undefined(self, name: Name) -> PlaybookError:
        if name.text in ("item", "kept"):
            return fail(name.mark, f"{name} is not defined: only a step with for_each has it")
        known = [*self.variables, *(f"secret.{secret}" for secret in self.secrets), *self._given]
        hint = did_you_mean(name.text, known) or f"to mean the text {name}, write ${name}"
        return fail(name.mark, f"{name} is not defined", hint)


@dataclass(frozen=True)
class Asked:
    """A check with how patiently it is asked.

    `about` is what it depends on, also through addresses in its text. `key` is the same for the same
    question, wherever it stands.
    """

    check: Check
    patience: Patience
    about: frozenset[Resource]
    key: str


@dataclass(frozen=True)
class Step:
    """A step with every `${…}` filled in. `unless` says why it does not apply (its condition is false), or "".

    `guards` are the checks, by name, that stay guarded once it is done.
    """

    id: str
    work: Work | None = None
    checks: tuple[Asked, ...] = ()
    done_when: tuple[Asked, ...] = ()
    repeatable: bool = False
    unless: str = ""
    guards: Mapping[str, Asked] = field(default_factory=dict)

    def decide(self, view: View) -> tuple[Action, ...]:
        """Every action still needed: none when `done_when` is true, else as the work sees it. Raises as they do."""
        if self.work is None:
            return ()
        if self.done_when and all(asked.check.ask(view).passed for asked in self.done_when):
            return ()
        return self.work.decide(view)


def patience(within: float | None, during: float | None, every: float | None) -> Patience:
    """The patience a check is asked with, in seconds; every wait is finite.

    Without `within` it has ten seconds to become true; with `during` alone it must be true at once.
    Without `every` it is asked twenty times in that span, with pauses of 50 ms at least and 500 ms at most.
    """
    if within is None:
        within = 0.0 if during else DEFAULT_WITHIN
    if not every:
        every = max(SHORTEST_PAUSE, min(LONGEST_PAUSE, (within or during or 0.0) / 20))
    return Patience(within, during or 0.0, every)


def _unmarked(text: str) -> Scalar:
    """A text from outside any file; `fill` gives it the mark of the place that uses it."""
    return Scalar(text, _NOWHERE, plain=False)
