"""Is a file there, and is it what it should be?"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from recover import inputs
from recover.evidence import Evidence
from recover.world import Resource, View


@dataclass(frozen=True)
class FileIs:
    """Key `file`: the file exists (or not), holds a text, has a digest, is private to its owner.

    `path` is relative to the working directory unless absolute. `contains` reads the file as UTF-8.
    """

    path: str
    exists: bool = True
    contains: str | None = None
    sha256: str | None = None
    private: bool = False

    @property
    def about(self) -> frozenset[Resource]:
        """The file itself."""
        return frozenset({f"file:{self.path}"})

    def ask(self, view: View) -> Evidence:  # noqa: ARG002 - a file needs no runtime
        """Look at the file now."""
        wanted = "is" if self.exists else "is not"
        question = f"{wanted} {self.path} there{' as expected' if self._details else ''}?"
        try:
            missed = self._misses(Path(self.path))
        except OSError as error:
            missed = error.strerror or str(error)
        return Evidence(question, missed or "yes", passed=not missed)

    @property
    def _details(self) -> bool:
        return bool(self.contains or self.sha256 or self.private)

    def _misses(self, path: Path) -> str:
        if path.exists() != self.exists:
            return "there is no such file" if self.exists else "it is there"
        if not self.exists:
            return ""
        if self.private and path.stat().st_mode & 0o077:
            return f"its mode is {path.stat().st_mode & 0o777:04o}: others can read it"
        if self.contains is not None and self.contains not in inputs.read(path, inputs.ANY).decode(errors="replace"):
            return f"it does not contain {self.contains!r}"
        return self._digest_misses(path) if self.sha256 else ""

    def _digest_misses(self, path: Path) -> str:
        with inputs.opened(path) as file:
            got = file_digest(file, "sha256").hexdigest()
        return "" if got == self.sha256 else f"its sha256 is {got}"
