"""Key `tls.reissue`: a new key and certificate, signed by an authority of our own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from recover import inputs, replacing
from recover.checks import key_file
from recover.checks.file import FileIs
from recover.checks.tls import DAYS_LEFT, TlsFiles, TlsIsGood
from recover.errors import Drifted, PlaybookError, StepError, SystemRefused
from recover.evidence import utc_now
from recover.issuing import Issued, issue
from recover.replacing import Guise
from recover.stack import KeyPair
from recover.world import Action, Check, Forecast, Inverse, Resource, RunPlace, View, World

CERTIFICATE_MODE, KEY_MODE = 0o644, 0o600  # where there was no file before


@dataclass(frozen=True)
class Reissue:
    """Make a new pair in place of the old one, which is kept beside it.

    `was_certificate` and `was_key` are the sha256 of the old files, "" for one that is not there. The key file is
    replaced first, then the certificate: in between they do not belong together, and the step sees that.
    """

    certificate: str
    key: str
    authority: KeyPair
    names: tuple[str, ...]
    days: int
    days_left: int
    owner: str | None
    was_certificate: str
    was_key: str
    because: str
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """What for, for how long, where, and by whom it is signed."""
        kept = "; the old ones are kept beside them" if self.was_certificate or self.was_key else ""
        return (
            f"make a new key and certificate for {', '.join(self.names)}, valid for {self.days} days, in {self.key} "
            f"and {self.certificate}, signed by {self.authority.certificate}{kept}"
        )

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The two files."""
        return (f"file:{self.certificate}", f"file:{self.key}")

    def apply(self, world: World) -> Mapping[str, object]:
        """Both files are on disk when it returns; whoever uses them is not told.

        Raises Drifted when they were changed since they were looked at, StepError when the authority cannot sign, and
        SystemRefused with the system's words.
        """
        key, certificate = Path(self.key), Path(self.certificate)
        with _translated():
            _require_as(((key, self.was_key), (certificate, self.was_certificate)))
            issued = self._issued()
            guises = self._guises(key, certificate)
            kept = [replacing.keep(path, world.place.id) for path in (key, certificate)]
            _note(world.place, {key: issued.key, certificate: issued.certificate})
            replacing.put(key, issued.key, guises[0], world.place.id)
            replacing.put(certificate, issued.certificate, guises[1], world.place.id)
        return {"until": issued.until.isoformat(), "kept": [str(path) for path in kept if path]}

    def forecast(self, forecast: Forecast) -> None:
        """The files will be others."""
        forecast.changes(*self.touches)

    def inverse(self) -> Inverse | None:
        """The old files again."""
        return PutBack(self.certificate, self.key, self.was_certificate, self.was_key)

    def _issued(self) -> Issued:
        authority, key = (
            inputs.read(Path(path), inputs.KEYS) for path in (self.authority.certificate, self.authority.key)
        )
        return issue(authority, key, self.names, utc_now(), days=self.days, days_left=self.days_left)

    def _guises(self, key: Path, certificate: Path) -> tuple[Guise, Guise]:
        """As the old files were, except for what is wrong with the key's."""
        old = Guise.of(key)
        if self.owner is not None and (old is None or list(key_file.faults(key, self.owner))):
            account = key_file.Account.of(self.owner)
            new = Guise(KEY_MODE, account.uid, account.gid)
        elif old is not None:
            new = Guise(old.mode & key_file.allowed(key.stat()), old.uid, old.gid)
        else:
            new = Guise(KEY_MODE, os.geteuid(), os.getegid())
        return new, Guise.of(certificate) or Guise(CERTIFICATE_MODE, new.uid, new.gid)


@dataclass(frozen=True)
class PutBack:
    """The old pair again, byte for byte, with its modes and owners; or none, where there was none."""

    certificate: str
    key: str
    was_certificate: str
    was_key: str
    because: str = "undo"
    parallel: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """What becomes of each file."""
        return ", ".join(f"{'put back' if was else 'remove'} {path}" for path, was in self._files)

    @property
    def touches(self) -> tuple[Resource, ...]:
        """The two files."""
        return (f"file:{self.certificate}", f"file:{self.key}")

    def apply(self, world: World) -> Mapping[str, object]:
        """Both are on disk when it returns.

        Raises Drifted when somebody else has changed one meanwhile, StepError when a kept file is gone, SystemRefused.
        """
        with _translated():
            for path, was in self._files:
                _require_own(path, was, world.place)
            back = [replacing.kept(path, world.place.id, was) if was else None for path, was in self._files]
            for (path, _), old in zip(self._files, back, strict=True):
                _put_back(path, old, world.place.id)
        return {}

    def forecast(self, forecast: Forecast) -> None:
        """The files will be others."""
        forecast.changes(*self.touches)

    def inverse(self) -> Inverse | None:
        """None: what was undone is done again by its step."""
        return None

    def proofs(self) -> tuple[Check, ...]:
        """Both files have their former sha256, or are not there."""
        return tuple(
            FileIs(str(path), sha256=was) if was else FileIs(str(path), exists=False) for path, was in self._files
        )

    @property
    def _files(self) -> tuple[tuple[Path, str], ...]:
        return (Path(self.key), self.was_key), (Path(self.certificate), self.was_certificate)


@contextmanager
def _translated() -> Iterator[None]:
    """The system's and the certificate library's refusals as ours."""
    try:
        yield
    except OSError as error:
        raise SystemRefused.of(error) from None
    except ValueError as error:
        raise StepError("the certificate cannot be made", why=str(error)) from None


def _require_as(files: tuple[tuple[Path, str], ...]) -> None:
    for path, was in files:
        if replacing.digest(path) != was:
            raise Drifted(f"{path} was changed since it was looked at", where=str(path))


def _put_back(path: Path, old: Path | None, run: str) -> None:
    if old is None:
        replacing.remove(path, run)
    elif guise := Guise.of(old):
        replacing.put(path, inputs.read(old, inputs.KEYS), guise, run)


# --- what this run made ---------------------------------------------------------------------------


def _made(place: RunPlace) -> Path:
    """The sha256 of every file that this run made, as sha256sum writes them."""
    return place.folder / "evidence" / "tls-made.sha256"


def _note(place: RunPlace, made: Mapping[Path, bytes]) -> None:
    """Before the files are there, so that a rollback knows them whenever this process dies."""
    path = _made(place)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = "".join(f"{sha256(content).hexdigest()}  {file.absolute()}\n" for file, content in made.items())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    replacing.sync(path.parent)


def _require_own(path: Path, was: str, place: RunPlace) -> None:
    """What the act left, or what was before it: anything else is not ours to take back."""
    made = _made(place).read_text().splitlines() if _made(place).exists() else []
    now = replacing.digest(path)
    if now != was and f"{now}  {path.absolute()}" not in made:
        why = "its content is neither the old one nor what this run made" if now else "it is not there any more"
        raise Drifted(f"{path} is not as this run left it", where=str(path), why=why)


# --- the step -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReissueCertificate:
    """The certificate and its key are good for all the `names` (check `tls`); else both are made anew.

    By the `authority`, whose key has to be on this machine, for `days` days. The old pair is kept beside it as
    NAME.before-RUN. The new key has the old one's owner and a mode that nobody else can read; without an old one it
    belongs to `owner`, else to whoever runs recover. Services that use it are not told: let a step restart them.
    Paths are relative to the working directory unless absolute. Raises PlaybookError for names or days that no
    certificate can have.
    """

    certificate: str
    key: str
    authority: KeyPair
    names: tuple[str, ...]
    days: int = 90
    days_left: int = DAYS_LEFT
    owner: str | None = None
    repeatable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.names or not all(name and name.isascii() for name in self.names):
            hint = "a name with other letters is written as xn--…"
            raise PlaybookError("names are host names or IP addresses, at least one", next=hint)
        if not 0 <= self.days_left < self.days:
            raise PlaybookError(f"a certificate of {self.days} days cannot have more than {self.days_left} days left")
        if self.certificate == self.key:
            raise PlaybookError("certificate and key are two files")

    def decide(self, view: View) -> tuple[Action, ...]:
        """A new pair when anything is wrong with the present one. Raises SystemRefused when it cannot be read."""
        if isinstance(view, Forecast):
            view.require_settled(*self.claims(view))
        with _translated():
            wrong = self._files.judge(self.names, self.days_left).findings
            if not wrong:
                return ()
            was_certificate, was_key = (replacing.digest(Path(path)) for path in (self.certificate, self.key))
        because = "; ".join(finding.fact for finding in wrong)
        return (
            Reissue(
                certificate=self.certificate,
                key=self.key,
                authority=self.authority,
                names=self.names,
                days=self.days,
                days_left=self.days_left,
                owner=self.owner,
                was_certificate=was_certificate,
                was_key=was_key,
                because=because,
            ),
        )

    def claims(self, view: View) -> frozenset[Resource]:  # noqa: ARG002 - the same whatever is seen
        """The two files."""
        return frozenset({f"file:{self.certificate}", f"file:{self.key}"})

    def fingerprint(self, view: View) -> Mapping[str, str]:  # noqa: ARG002 - files need no runtime
        """Which authority signs; the files themselves are in the action."""
        paths = (self.authority.certificate, self.authority.key)
        return {f"sha256 of {path}": told for path in paths if (told := _known(path))}

    def proofs(self) -> tuple[tuple[Check, float], ...]:
        """The files are good for each name, at once."""
        return tuple((self._proof(name), 0.0) for name in self.names)

    def _proof(self, name: str) -> TlsIsGood:
        return TlsIsGood(
            self.authority.certificate, self.certificate, self.key, self.owner, name=name, days_left=self.days_left
        )

    @property
    def _files(self) -> TlsFiles:
        return TlsFiles(self.certificate, self.key, self.authority.certificate, self.owner)


def _known(path: str) -> str:
    """Its sha256, "" when that cannot be known: an authority's file may be a link."""
    try:
        return sha256(inputs.read(Path(path), inputs.KEYS)).hexdigest()
    except OSError:
        return ""
