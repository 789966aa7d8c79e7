"""SQL inside source: the pieces of it, the string literals in them, and what stands around each. Pure.

Quoting rules are those of the PostgreSQL documentation, "Lexical Structure" (4.1).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from recover.enums.rewriting import Literal, literals
from recover.postgres.names import read_names
from recover.postgres.statements import tokens

_SQL = re.compile(
    r"\bselect\b.+\bfrom\b"
    r"|\binsert\s+into\b|\bupdate\b.+\bset\b|\bdelete\s+from\b|\bmerge\s+into\b|\bcopy\b.+\bfrom\b"
    r"|\b(create|alter|drop|comment\s+on)\s+(or\s+replace\s+)?(unique\s+|materialized\s+|temp\w*\s+)?"
    r"(table|view|function|procedure|policy|trigger|index|type|rule|domain)\b"
    r"|\bwhere\b.+[=<>]|\bcase\s+when\b|\bdo\s+\$",
    re.IGNORECASE | re.DOTALL,
)
_TAKES_SQL = frozenset(
    {"text", "literal_column", "execute", "executemany", "exec_driver_sql", "DDL", "CheckConstraint", "RunSQL", "raw",
     "read_sql", "read_sql_query", "fetch", "fetchrow", "fetchval", "fetch_all", "fetch_one", "mogrify", "SQL"}
)  # fmt: skip
_BINDS = frozenset(
    {"execute", "executemany", "exec_driver_sql", "fetch", "fetchrow", "fetchval", "fetch_all", "fetch_one", "scalar",
     "scalars"}
)  # fmt: skip
_CAST = re.compile(r'\s*::\s*((?:"(?:[^"]|"")+"|[\w$.])+)|\s+AS\s+((?:"(?:[^"]|"")+"|[\w$.])+)\s*\)', re.IGNORECASE)
_NAME = re.compile(r'"(?:[^"]|"")+"|[^\W\d][\w$]*')
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)')
WIDTH = 140


@dataclass(frozen=True)
class Piece:
    """A text with SQL in it. `lines` are those of the file it stands in, from line `first` on.

    `bound` are values that are given to it beside its text.
    """

    path: Path
    text: str
    first: int
    lines: tuple[str, ...]
    migration: bool = False
    bound: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Mention:
    """One literal: its value, or those of its elements, the statement around it, and the names in that."""

    values: tuple[str, ...]
    line: int
    statement: str
    at: int
    names: frozenset[str]
    cast: str = ""
    bound: bool = False

    def excerpt(self, keep: Collection[str]) -> str:
        """The statement on one line around the literal, every literal but those of these values left out."""
        parts, at, place = [], 0, 0
        for literal in _all_literals(self.statement):
            parts.append(_blank(self.statement[at : literal.start]))
            if literal.start <= self.at:
                place = sum(map(len, parts))
            shown = literal.value in keep or bool(set(_elements(literal.value)) & set(keep))
            parts.append(_blank(self.statement[literal.start : literal.end]) if shown else "'…'")
            at = literal.end
        whole = "".join([*parts, _blank(self.statement[at:])])
        left = max(0, place - WIDTH // 2)
        return ("…" if left else "") + whole[left : left + WIDTH].strip() + ("…" if len(whole) > left + WIDTH else "")


def mentions(piece: Piece) -> Iterator[Mention]:
    """Every literal of the piece, and every value bound to it."""
    ends = [token.start for token in tokens(piece.text) if token.text == ";"]
    seen: dict[str, int] = {}
    for literal in _all_literals(piece.text):
        raw = piece.text[literal.start : literal.end]
        seen[raw] = seen.get(raw, 0) + 1
        start = max((end + 1 for end in ends if end < literal.start), default=0)
        stop = min((end for end in ends if end >= literal.end), default=len(piece.text))
        statement = piece.text[start:stop]
        values = (literal.value, *_elements(literal.value))
        line = _line(piece, literal.start, raw, seen[raw])
        yield Mention(values, line, statement, literal.start - start, _names(statement), _cast(piece.text, literal.end))
    for value, line in piece.bound:
        yield Mention((value,), line, piece.text, 0, _names(piece.text), bound=True)


def _all_literals(text: str, offset: int = 0) -> Iterator[Literal]:
    """Those inside $…$ bodies too."""
    for literal in literals(text):
        if literal.dollar:
            begin = literal.start + (literal.end - literal.start - len(literal.value)) // 2
            yield from _all_literals(literal.value, offset + begin)
        else:
            yield Literal(offset + literal.start, offset + literal.end, literal.value)


def _elements(value: str) -> tuple[str, ...]:
    """The elements of an array such as {admin,user}."""
    if not (value.startswith("{") and value.endswith("}")):
        return ()
    return tuple(quoted or bare.strip() for quoted, bare in _ELEMENT.findall(value))


def _names(statement: str) -> frozenset[str]:
    parts, at = [], 0
    for literal in literals(statement):
        inner = literal.value if literal.dollar else " "
        parts += [statement[at : literal.start], inner]
        at = literal.end
    found = (read_names(name) for name in _NAME.findall("".join([*parts, statement[at:]])))
    return frozenset(name[0] for name in found if name)


def _cast(text: str, end: int) -> str:
    """The name of the type that a literal is cast to."""
    found = _CAST.match(text, end)
    names = read_names(found[1] or found[2]) if found else None
    return names[-1] if names else ""


def _line(piece: Piece, start: int, raw: str, number: int) -> int:
    """The line of the file: exact where the text stands there as it is, else where the literal is for the
    `number`-th time, else the first of the piece."""
    begin = "\n".join(piece.lines).find(piece.text)
    if begin >= 0:
        return piece.first + "\n".join(piece.lines).count("\n", 0, begin + start)
    for offset, line in enumerate(piece.lines):
        number -= line.count(raw)
        if number <= 0:
            return piece.first + offset
    return piece.first


def _blank(text: str) -> str:
    return re.sub(r"\s+", " ", text)


# --- where SQL stands -----------------------------------------------------------------------------


def of_sql(path: Path, text: str) -> Iterator[Piece]:
    """A file of SQL."""
    yield Piece(path, text, 1, tuple(text.split("\n")))


def of_python(path: Path, text: str) -> Iterator[Piece]:
    """The strings of a Python file that are SQL, by their look or by what they are given to; no docstrings.

    Of a file that cannot be parsed, its lines that look like SQL.
    """
    lines = tuple(text.split("\n"))
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        unquoted = [line.replace('"', " ") for line in lines]
        yield from (Piece(path, line, n, (line,)) for n, line in enumerate(unquoted, 1) if _SQL.search(line))
        return
    migration = any(isinstance(n, ast.ImportFrom) and (n.module or "").startswith("alembic") for n in tree.body)
    for node, said, given, bound in _strings(tree, given=False):
        if given or _SQL.search(said):
            cut = lines[node.lineno - 1 : node.end_lineno]
            yield Piece(path, said, node.lineno, cut, migration, bound)


_Found = tuple[ast.expr, str, bool, tuple[tuple[str, int], ...]]


def _strings(node: ast.AST, *, given: bool) -> Iterator[_Found]:
    """(expression, text, whether it is given to what takes SQL, what is bound to it)."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    said = _said(node)
    if said is not None and isinstance(node, ast.expr):
        yield node, said, given, ()
        return
    if isinstance(node, ast.Call):
        yield from _of_call(node, given=given)
        return
    for child in ast.iter_child_nodes(node):
        yield from _strings(child, given=given and isinstance(node, ast.expr))


def _of_call(node: ast.Call, *, given: bool) -> Iterator[_Found]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    takes = name in _TAKES_SQL
    yield from _strings(node.func, given=given)
    for position, part in enumerate((*node.args, *(k.value for k in node.keywords))):
        is_sql = position == 0 and (takes or (given and name in ("dedent", "cleandoc", "strip", "format")))
        for found in _strings(part, given=is_sql):
            first = position == 0 and name in _BINDS
            yield (*found[:3], _bound(node.args[1:])) if first else found


def _bound(nodes: list[ast.expr]) -> tuple[tuple[str, int], ...]:
    """The texts among the parameters of a statement."""
    inner = (part for node in nodes for part in ast.walk(node) if not isinstance(node, ast.Constant))
    keys = {id(key) for node in nodes for part in ast.walk(node) if isinstance(part, ast.Dict) for key in part.keys}
    texts = [part for part in inner if isinstance(part, ast.Constant) and id(part) not in keys]
    return tuple((part.value, part.lineno) for part in texts if isinstance(part.value, str))


def _said(node: ast.AST) -> str | None:
    """The text of a string, also of an f-string, a sum of strings, and one with %."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(_said(part) or "{}" for part in node.values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            one, other = _said(left), _said(right)
            return None if one is None and other is None else f"{one or '{}'}{other or '{}'}"
        case ast.BinOp(left=left, op=ast.Mod()):
            return _said(left)
    return None
