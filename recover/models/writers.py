"""Raw SQL in source that holds labels as literals: what goes on writing the old ones after they are renamed.

Found are .sql files and strings of Python, not what is put together from parts at run time or is in another language.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recover import inputs
from recover.enums.expected import Expected
from recover.models.modules import python_files
from recover.models.raw_sql import Mention, Piece, mentions, of_python, of_sql
from recover.postgres.names import read_names

SQL_SUFFIXES = (".sql", ".psql", ".pgsql")
_MIGRATIONS = frozenset({"migrations", "alembic", "versions"})
Kind = Literal["code", "sql", "migration"]
Certainty = Literal["sure", "possible"]


@dataclass(frozen=True)
class Writer:
    """One literal in one place. `excerpt` is the statement with every other literal left out, as it may be a secret.

    It is sure when the statement names a table and a column of the type, or casts to it; a migration ran once.
    """

    path: Path
    line: int
    kind: Kind
    type: str
    label: str
    certainty: Certainty
    excerpt: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def columns_of(expected: Expected) -> Mapping[str, Collection[str]]:
    """The columns of each type, as `raw_writers` takes them."""
    found: dict[str, list[str]] = {}
    for name, member in expected.members.items():
        found.setdefault(member.type or name, []).append(name)
    return found


def raw_writers(
    folder: Path, labels: Mapping[str, Collection[str]], columns: Mapping[str, Collection[str]]
) -> tuple[Writer, ...]:
    """Every place in the folder's source where SQL holds one of the labels (type to old labels), in order.

    `columns` tells where each type is used: type to `schema.table.column`, named as SQL does.
    """
    wanted = _Wanted(labels, {type: _pairs(columns.get(type, ())) for type in labels})
    found = (writer for piece in _pieces(folder) for writer in wanted.written(piece))
    return tuple({(w.path, w.line, w.type, w.label): w for w in found}.values())


@dataclass(frozen=True)
class _Wanted:
    labels: Mapping[str, Collection[str]]
    columns: Mapping[str, Collection[tuple[str, str]]]

    def written(self, piece: Piece) -> Iterator[Writer]:
        """The labels in one piece of SQL; of a label of several types, those it surely is where there are any."""
        for mention in mentions(piece):
            found = [(type, v) for type, labels in self.labels.items() for v in mention.values if v in labels]
            sure = [(type, label) for type, label in found if self.surely(type, mention)]
            certainty: Certainty = "sure" if sure else "possible"
            shown = mention.excerpt(keep={label for _, label in found}) if found else ""
            for type, label in sure or found:
                yield Writer(piece.path, mention.line, _kind(piece), type, label, certainty, shown)

    def surely(self, type: str, mention: Mention) -> bool:
        """Whether the literal is one of the type."""
        name = (read_names(type) or (type,))[-1]
        named = any(mention.names >= {*pair} for pair in self.columns[type])
        return not mention.bound and (mention.cast == name or named)


def _pieces(folder: Path) -> Iterator[Piece]:
    for path in python_files(folder):
        yield from of_python(path, _text(path))
    for suffix in SQL_SUFFIXES:
        for path in python_files(folder, suffix):
            yield from of_sql(path, _text(path))


def _text(path: Path) -> str:
    try:
        return inputs.read(path, inputs.SOURCE).decode(errors="replace")
    except OSError:
        return ""


def _kind(piece: Piece) -> Kind:
    if piece.migration or not _MIGRATIONS.isdisjoint(piece.path.parts[-4:-1]):
        return "migration"
    return "sql" if piece.path.suffix in SQL_SUFFIXES else "code"


def _pairs(columns: Collection[str]) -> list[tuple[str, str]]:
    parts = [read_names(column) or () for column in columns]
    return [(names[-2], names[-1]) for names in parts if len(names) > 1]
