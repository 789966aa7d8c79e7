"""YAML text -> a tree that knows where everything stands in its file.

Every scalar stays the text that was written, with its place and whether it was quoted: what it means
(a number, a label, a time) is decided by whoever knows the field. So an enum label such as `on`, `no`
or `012` can never become a boolean or a number by accident (YAML 1.1 would make it one).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Never, TypeVar, overload

from recover import inputs
from recover.errors import PlaybookError
from recover.secrets import MASK

T = TypeVar("T")
MAX_DEPTH = 60
MAX_NODES = 50_000
"""Far above any real file: aliases that multiply each other would fill the memory. Read in half a second."""

LONGEST_WORD = 100
"""Characters of what may be a slip of the pen: to compare longer ones takes its time."""

WIDEST = 160
"""Columns of a line that an error shows."""

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_NOT_YAML = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # YAML 1.2, 5.1; slow to compile
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,99})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,99})(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_SECRETS = re.compile(r"""\s*["']?secrets["']?\s*:""")
_CLEAR = re.compile(r"(?P<kept>\b(?:file|env)\s*:\s+[^\s,{}\[\]]+|[^\s,{}\[\]]+:(?=\s|$)|[\s,{}\[\]]+)|[^\s,{}\[\]]+")
"""In a line below `secrets:`: what may be shown, or a word that may not."""

_WORDS: dict[str, object] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


@dataclass(frozen=True)
class Source:
    """One text and the name it is known by (a path as the user typed it)."""

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The text cut at YAML's line breaks; what follows the last of them is no line when empty."""
        lines = _LINE_BREAK.split(self.text)
        return lines if lines[-1] or len(lines) == 1 else lines[:-1]


class Mark(NamedTuple):
    """A place in a text; line and column count from 1, columns in characters."""

    source: Source
    line: int
    column: int

    @property
    def file(self) -> str:
        """The name of the text."""
        return self.source.name

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Scalar(str):
    """A scalar as written. `plain` when it was not quoted; `mark` is where it begins."""

    __slots__ = ("mark", "plain")
    mark: Mark
    plain: bool

    def __new__(cls, text: str, mark: Mark, plain: bool = True) -> Scalar:
        """A text at a place."""
        self = super().__new__(cls, text)
        self.mark = mark
        self.plain = plain
        return self


class MarkedDict(dict[Scalar, "Marked"]):
    """A mapping; its keys carry their own marks."""

    __slots__ = ("mark",)

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark

    def key(self, name: str) -> Scalar:
        """The key as it stands in the file, with its mark. Raises KeyError when it is not there."""
        for key in self:
            if key == name:
                return key
        raise KeyError(name)

    if TYPE_CHECKING:  # a Scalar equals its text, so that any text may be looked up

        def __getitem__(self, key: str, /) -> Marked: ...
        @overload
        def get(self, key: str, default: None = None, /) -> Marked | None: ...
        @overload
        def get(self, key: str, default: Marked, /) -> Marked: ...
        @overload
        def get(self, key: str, default: T, /) -> Marked | T: ...
        def get(self, key: str, default: Any = None, /) -> Any: ...


class MarkedList(list["Marked"]):
    """A sequence."""

    __slots__ = ("mark",)

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark


Marked = Scalar | MarkedDict | MarkedList


def read(path: Path) -> MarkedDict:
    """The tree of a file. Raises PlaybookError when it cannot be read or is no YAML mapping."""
    try:
        text = inputs.text(path, inputs.YAML)
    except OSError as error:
        raise PlaybookError(f"cannot read {path}", where=str(path), why=error.strerror or str(error)) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> MarkedDict:
    """The tree of a text whose root is a mapping.

    Raises PlaybookError, at the place, for malformed YAML, a root that is no mapping, a duplicate or
    non-scalar key, a merge key (`<<`), a tag, a second document, and nesting or aliases without end.
    """
    from yaml import YAMLError

    source = Source(name, text)
    try:
        return _Builder(source, _events(text)).document()
    except YAMLError as error:
        _malformed(source, error)


def core(scalar: Scalar) -> object:
    """The value of a scalar in the YAML 1.2 core schema, restricted to what cannot be meant otherwise.

    Quoted text is text. Of plain text only true/false, null/~/nothing and decimal numbers as JSON
    writes them are values; `on`, `no`, `1:30`, `012`, `0x1f`, `1_000` and `.5` are text.
    """
    if not scalar.plain:
        return str(scalar)
    if scalar in _WORDS:
        return _WORDS[scalar]
    if _INTEGER.fullmatch(scalar):
        return int(scalar)
    if _NUMBER.fullmatch(scalar) and isfinite(number := float(scalar)):
        return number
    return str(scalar)


def fail(mark: Mark, what: str, next: str = "") -> PlaybookError:
    """The error for something wrong at a place; its `why` shows the lines around it and a caret."""
    return PlaybookError(what, where=str(mark), why=f"\n{excerpt(mark)}", next=next)


def excerpt(mark: Mark) -> str:
    """The line of the mark with its neighbours, numbered, and a caret below the place; no value below `secrets:`."""
    first = max(1, mark.line - 1)
    shown = []
    for number, line in enumerate(_without_secrets(mark.source.lines)[first - 1 : mark.line + 1], first):
        begin = max(0, mark.column - WIDEST // 2) if mark.column > WIDEST else 0
        shown.append(f"    {number:>5} | {_printable(line[begin : begin + WIDEST])}".rstrip())
        if number == mark.line:
            shown.append(f"          | {' ' * (mark.column - 1 - begin)}^")
    return "\n".join(shown)


def _without_secrets(lines: Iterable[str]) -> list[str]:
    """The lines, and below `secrets:` of each only its keys, and where a secret is kept: others are secrets by mistake.

    Line by line, because a text that is not YAML has to be shown too.
    """
    shown = []
    margin: int | None = None  # of the `secrets:` that we are below
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if margin is not None and line.strip() and indent <= margin and not line.strip().startswith(("}", "]")):
            margin = None
        begin = 0 if margin is not None else len(line)
        if margin is None and (found := _SECRETS.match(line)):
            margin, begin = indent, found.end()
        shown.append(line[:begin] + _CLEAR.sub(lambda found: found["kept"] or MASK, line[begin:]))
    return shown


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """ "did you mean 'timeout'?" for the choice most like the word, or "" when none is like it."""
    from difflib import get_close_matches

    if len(word) > LONGEST_WORD:
        return ""
    known = {choice.casefold(): choice for choice in choices if len(choice) <= LONGEST_WORD}
    near = get_close_matches(word.casefold(), known, n=1, cutoff=0.6)
    return f"did you mean {known[near[0]]!r}?" if near else ""


# --- building -------------------------------------------------------------------------------------


def _events(text: str) -> Iterator[Any]:
    """PyYAML's events; from libyaml where it is built in (7 times as fast)."""
    import yaml

    return iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


@dataclass
class _Builder:
    source: Source
    events: Iterator[Any]
    anchors: dict[str, tuple[Marked, int]] = field(default_factory=dict)
    nodes: int = 0

    def document(self) -> MarkedDict:
        next(self.events)  # the stream begins
        begin = next(self.events)
        if type(begin).__name__ == "StreamEndEvent":
            raise fail(Mark(self.source, 1, 1), f"{self.source.name} is empty")
        root = self.value(next(self.events), 0)
        next(self.events)  # the document ends
        after = next(self.events)
        if type(after).__name__ != "StreamEndEvent":
            raise fail(self.mark(after), "a second document begins here; one file holds one document")
        if not isinstance(root, MarkedDict):
            raise fail(root.mark, f"{self.source.name} must be a mapping (key: value)")
        return root

    def value(self, event: Any, depth: int) -> Marked:
        kind, before = type(event).__name__, self.nodes
        if kind == "AliasEvent":
            return self.alias(event)
        mark = self.mark(event)
        if event.tag is not None:
            what = f"the tag {self.named(event.tag, mark)} is not part of the format"
            raise fail(mark, what, "to make it text, quote it")
        if depth > MAX_DEPTH:
            raise fail(mark, f"nested deeper than {MAX_DEPTH} levels")
        self.grow(1, mark)
        value: Marked
        if kind == "ScalarEvent":
            value = self.scalar(event, mark)
        elif kind == "MappingStartEvent":
            value = self.mapping(mark, depth)
        else:
            value = self.sequence(mark, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - before)
        return value

    def mapping(self, mark: Mark, depth: int) -> MarkedDict:
        mapping = MarkedDict(mark)
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            key = self.key(event)
            if key in mapping:
                line = mapping.key(key).mark.line
                raise fail(key.mark, f"duplicate key {str(key)!r}; it is already on line {line}")
            mapping[key] = self.value(next(self.events), depth + 1)
        return mapping

    def sequence(self, mark: Mark, depth: int) -> MarkedList:
        sequence = MarkedList(mark)
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            sequence.append(self.value(event, depth + 1))
        return sequence

    def key(self, event: Any) -> Scalar:
        if type(event).__name__ != "ScalarEvent":
            raise fail(self.mark(event), "a key must be plain text")
        key = self.scalar(event, self.mark(event))
        if key == "<<" and key.plain:
            raise fail(key.mark, "merge keys (<<) are not part of the format", "write the keys out")
        return key

    def scalar(self, event: Any, mark: Mark) -> Scalar:
        if "\0" in event.value:
            raise fail(mark, "a NUL character is here: no program, file name or database takes one")
        return Scalar(event.value, mark, not event.style)

    def alias(self, event: Any) -> Marked:
        if event.anchor not in self.anchors:
            mark = self.mark(event)
            raise fail(mark, f"nothing above is named &{self.named(event.anchor, mark)}, or it contains itself")
        value, size = self.anchors[event.anchor]
        self.grow(size, self.mark(event))
        return value

    def named(self, name: str, mark: Mark) -> str:
        """The name, or *** where the text is not to be shown: a password may begin with ! or *."""
        lines, at = self.source.lines, mark.line - 1
        return name if _without_secrets(lines)[at] == lines[at] else MASK

    def grow(self, nodes: int, mark: Mark) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise fail(mark, f"{self.source.name} holds more than {MAX_NODES:,} values")

    def mark(self, event: Any) -> Mark:
        return Mark(self.source, event.start_mark.line + 1, event.start_mark.column + 1)


def _malformed(source: Source, error: Any) -> Never:
    """Translate PyYAML's complaint: its words, our place."""
    place, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if place is None:
        raise fail(_first_unprintable(source), "malformed YAML: a character that is not text") from None
    lines = source.lines
    at_end = place.line >= len(lines)
    mark = Mark(source, len(lines), len(lines[-1]) + 1) if at_end else Mark(source, place.line + 1, place.column + 1)
    tabbed = "\t" in lines[mark.line - 1][: mark.column]
    began = f" {error.context} from line {error.context_mark.line + 1}" if getattr(error, "context_mark", None) else ""
    raise fail(mark, f"malformed YAML:{began} {problem}", "indent with spaces, not tabs" if tabbed else "") from None


def _first_unprintable(source: Source) -> Mark:
    found = re.search(_NOT_YAML, source.text)
    before = _LINE_BREAK.split(source.text[: found.start() if found else 0])
    return Mark(source, len(before), len(before[-1]) + 1)


def _printable(line: str) -> str:
    """A tab takes one column, so that the caret stands right; control characters cannot reach a terminal."""
    return "".join(char if char.isprintable() else " " if char == "\t" else "?" for char in line)
