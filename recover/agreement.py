"""A plan as a file, and the promise that a run does exactly that.

The file is canonical JSON (keys sorted, no blanks) with the sha256 of all the rest. Of every step it has the
actions, byte for byte as the journal will have them, and the facts they rest on (which container, which labels,
how many rows). Secrets are masked in it; that an action would be given another one shows in its seal, an HMAC
whose key stays in the state folder: whoever has the file alone cannot try words until one fits. Both are read again
just before the step acts. Where the key is not (another machine), everything but the secrets is compared.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from recover import __version__, inputs
from recover.acting import as_data
from recover.errors import Drifted, Unreadable, UsageError
from recover.journal.records import plain, write_whole
from recover.plain import load
from recover.plan import Plan
from recover.playbook.model import StepSpec
from recover.previewing import Foreseen
from recover.secrets import Redactor, Secret
from recover.world import Action

VERSION = 1
KEY = "plan.key"
NOT_NEEDED = "not needed"
UNTOUCHED = (NOT_NEEDED, "already", "will check", "done", "isolated")
"""The statuses of steps that are not to act."""


@dataclass(frozen=True)
class Agreement:
    """What a plan file says. `steps` are its entries by step id, `hashes` what each step said."""

    sha256: str
    playbook: Path
    target: str
    project: str
    variables: Mapping[str, str]
    binding: Mapping[str, str]
    salt: str
    left_out: tuple[str, ...] = ()
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    path: str = ""
    key: bytes | None = b""
    """Of the seals; None: it is not here, so whether a secret is another one than planned cannot be told."""

    @property
    def hashes(self) -> list[tuple[str, str]]:
        """Every step's id and content hash, in order."""
        return [(id, str(entry["sha256"])) for id, entry in self.steps.items()]

    def require_same_steps(self, specs: Sequence[StepSpec]) -> None:
        """Raises Drifted when the playbook's steps are not those that were planned."""
        now, then = [(spec.id, spec.sha256) for spec in specs], self.hashes
        if now != then:
            changed = sorted({id for id, _ in set(now) ^ set(then)}) or ["the order of its steps"]
            raise self._drifted("the playbook was edited since the plan was made", ", ".join(changed))

    def require_same_needs(self, plan: Plan) -> None:
        """Raises Drifted when other steps are needed than were."""
        for item in plan.items:
            if self.steps[item.spec.id]["needed"] != (item.status != NOT_NEEDED):
                was = f"planned: {self.steps[item.spec.id]['status']}; now: {item.status}: {item.because}"
                raise self._drifted("the world has changed since the plan was made", f"step {item.spec.id}: {was}")

    def require_step(
        self,
        spec: StepSpec,
        actions: Sequence[Action],
        facts: Callable[[], Mapping[str, str]],
        redactor: Redactor,
        *,
        begun: bool = False,
    ) -> None:
        """Raises Drifted unless the step is about to do what was planned, on the facts it was planned on.

        What was left to be decided at run time is not held against it. `facts` are read only when needed. A step that
        was `begun` may do less, because some of it is done, and has changed facts itself.
        """
        entry = self.steps[spec.id]
        if entry["status"] == "at run time":
            return
        planned = [] if entry["status"] in UNTOUCHED else entry["actions"]
        now = [told(action, redactor, self.salt, self.key or b"") for action in actions]
        compared = ("action",) if self.key is None else ("action", "seal")
        agreed, essence = ([_essence(each, compared) for each in acts] for acts in (planned, now))
        if not (set(essence) <= set(agreed) if begun else essence == agreed):
            raise self._drifted(f"step {spec.id} would do something else than planned", _differences(planned, now))
        if planned and not begun:
            known = facts()
            was = entry["facts"]
            changed = [
                f"{key}: planned: {was[key]}; now: {known.get(key)}" for key in was if known.get(key) != was[key]
            ]
            if changed:
                raise self._drifted(f"step {spec.id} was planned on other facts", "\n".join(changed))

    def _drifted(self, what: str, why: str) -> Drifted:
        again = f"recover plan {self.playbook} -o {self.path or 'plan.json'}"
        return Drifted(what, where=self.path, why=why, next=f"{again}, and look at it again")


@dataclass(frozen=True)
class _Act:
    """An action, as the file tells it."""

    describe: str
    because: str
    touches: tuple[str, ...]
    action: Mapping[str, object]
    seal: str


@dataclass(frozen=True)
class _Entry:
    """A step, as the file tells it."""

    step: str
    sha256: str
    needed: bool
    status: str
    because: str
    actions: tuple[_Act, ...]
    facts: Mapping[str, str]


@dataclass(frozen=True)
class _File:
    """What is read of the file."""

    playbook: str
    target: str
    project: str
    variables: Mapping[str, str]
    binding: Mapping[str, str]
    salt: str
    left_out: tuple[str, ...]
    steps: tuple[_Entry, ...]


def told(action: Action, redactor: Redactor, salt: str, key: bytes) -> dict[str, Any]:
    """An action for the file. Without a key its seal is that of older plans, whose secrets can be guessed from it."""
    data = as_data(action)
    sealed = canonical(plain(data, Secret.reveal))
    return {
        "describe": redactor.text(action.describe),
        "because": redactor.text(action.because),
        "touches": list(action.touches),
        "action": redactor.data(plain(data)),
        "seal": hmac.new(key + bytes.fromhex(salt), sealed, sha256).hexdigest(),
    }


def document(
    head: Mapping[str, object], plan: Plan, foreseen: Sequence[Foreseen], redactor: Redactor, key: bytes
) -> dict[str, object]:
    """The whole file as data; `head` is what does not depend on the steps."""
    salt = secrets.token_hex(16)
    steps = [
        {
            "step": step.spec.id,
            "sha256": step.spec.sha256,
            "needed": item.status != NOT_NEEDED,
            "status": step.status,
            "because": redactor.text(step.because),
            "actions": [told(action, redactor, salt, key) for action in step.acts],
            "facts": dict(step.facts),
        }
        for item, step in zip(plan.items, foreseen, strict=True)
    ]
    body = {
        "v": VERSION,
        "tool": f"recover {__version__}",
        **head,
        "sealed_by": _name_of(key),
        "salt": salt,
        "steps": steps,
    }
    return {**body, "sha256": sha256(canonical(body)).hexdigest()}


def canonical(value: object) -> bytes:
    """The one way to write it: two files with the same content have the same bytes. Raises ValueError for bad text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def new_key(state: Path) -> bytes:
    """The key of this state folder's plans, made when there is none; one for this plan alone where none can be kept."""
    file = state / KEY
    try:
        if not file.exists():
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(file, secrets.token_hex(32))
    except OSError:
        return secrets.token_bytes(32)
    return kept_key(state) or secrets.token_bytes(32)


def kept_key(state: Path) -> bytes | None:
    """The key of this state folder's plans; None when there is none, or it is not ours alone to read."""
    try:
        with inputs.opened(state / KEY) as file:
            status = os.fstat(file.fileno())
            mine = status.st_uid == os.geteuid() and not status.st_mode & 0o077
            key = bytes.fromhex(file.read(65).decode())
    except (OSError, ValueError):
        return None
    return key if mine and len(key) == 32 else None  # noqa: PLR2004 - as new_key makes it


def _name_of(key: bytes) -> str:
    return sha256(b"name of the key " + key).hexdigest()[:16]


def read(path: Path, state: Path) -> Agreement:
    """The plan in the file; its key is in the state folder. Raises UsageError for what is none, or was changed."""
    again = f"recover plan PLAYBOOK -o {path}"
    try:
        value = inputs.json_object(path, inputs.PLAN)
        digest = value.pop("sha256")
        if value["v"] != VERSION:
            raise UsageError(f"this recover cannot read a plan of version {value['v']!r}", where=str(path))
        if sha256(canonical(value)).hexdigest() != digest:
            why = "its sha256 is another one"
            raise UsageError("the plan file was changed after it was made", where=str(path), why=why)
        said = load(_File, {name: value[name] for name in _File.__dataclass_fields__})
        bytes.fromhex(said.salt)
        if "\0" in f"{said.playbook}{said.target}{said.project}":
            raise ValueError("no file or folder has a NUL character in its name")
        return Agreement(
            digest,
            Path(said.playbook),
            said.target,
            said.project,
            said.variables,
            said.binding,
            said.salt,
            said.left_out,
            {entry["step"]: entry for entry in value["steps"]},
            str(path),
            _key_of(value.get("sealed_by"), state),
        )
    except OSError as error:
        raise Unreadable.of(path, error, next=again) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("this is not a plan of a run", where=str(path), why=str(error), next=again) from None


def _key_of(name: object, state: Path) -> bytes | None:
    if name is None:
        return b""  # of an older version
    key = kept_key(state)
    return key if key is not None and _name_of(key) == name else None


def _essence(told: Mapping[str, Any], keys: Sequence[str]) -> bytes:
    return canonical({key: told[key] for key in keys})


def _differences(planned: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> str:
    then_does, now_does = ([(each["describe"], each["because"]) for each in acts] for acts in (planned, now))
    lines = [f"planned: {what} ({why})" for what, why in then_does if (what, why) not in now_does]
    lines += [f"now: {what} ({why})" for what, why in now_does if (what, why) not in then_does]
    return "\n".join(lines) or "a secret that it is given, or a detail of the instance it finds, is another one"
