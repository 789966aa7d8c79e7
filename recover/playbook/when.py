"""The condition of a step: `A == B`, `A != B`, `A in [x, y]`, joined by `and` (binds closer) and `or`.

An operand is a quoted text, a number or a `${name}`. Two operands are equal when they are the same
text, or both numbers and equal; `${kept}`, a list, stands for any of its items.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from recover.errors import PlaybookError
from recover.marked_yaml import Scalar, core, fail
from recover.playbook.template import Lookup, Name, place
from recover.secrets import Secret

_TOKEN = re.compile(
    r"""\s*(?:(\$\{[^{}]*\})|('[^']*'|"[^"]*")|(-?[0-9]+(?:\.[0-9]+)?)|(==|!=|[\[\],]|[^\s'"=!\[\],]+|.))"""
)
GRAMMAR = "A == B, A != B, A in [x, y], joined by and / or; texts in quotes"

Operand = Scalar | Name


@dataclass(frozen=True)
class Comparison:
    """Is the left side one of the right sides (or, `negated`, none of them)?"""

    left: Operand
    right: tuple[Operand, ...]
    negated: bool = False

    def holds(self, lookup: Lookup) -> bool:
        """The answer. Raises what `lookup` raises, and PlaybookError for a secret."""
        left = _values(self.left, lookup)
        found = any(_equal(a, b) for right in self.right for a in left for b in _values(right, lookup))
        return found is not self.negated


@dataclass(frozen=True)
class When:
    """A condition: one of the alternatives, each with all of its comparisons."""

    text: str
    alternatives: tuple[tuple[Comparison, ...], ...]

    def holds(self, lookup: Lookup) -> bool:
        """Is it true?"""
        return any(all(comparison.holds(lookup) for comparison in every) for every in self.alternatives)


def parse(scalar: Scalar) -> When:
    """The condition written in the scalar. Raises PlaybookError where it stops making sense."""
    found = [
        (token.group(token.lastindex or 0), token.start(token.lastindex or 0)) for token in _TOKEN.finditer(scalar)
    ]
    return _Parser(scalar, [*found, ("", len(scalar))]).condition()


@dataclass
class _Parser:
    scalar: Scalar
    tokens: list[tuple[str, int]]
    at: int = 0

    def condition(self) -> When:
        alternatives = [self.alternative()]
        while self.takes("or"):
            alternatives.append(self.alternative())
        if self.word:
            raise self.unexpected("and, or, or the end")
        return When(str(self.scalar), tuple(alternatives))

    def alternative(self) -> tuple[Comparison, ...]:
        comparisons = [self.comparison()]
        while self.takes("and"):
            comparisons.append(self.comparison())
        return tuple(comparisons)

    def comparison(self) -> Comparison:
        left = self.operand()
        for sign in ("==", "!="):
            if self.takes(sign):
                return Comparison(left, (self.operand(),), negated=sign == "!=")
        if not self.takes("in"):
            raise self.unexpected("==, != or in")
        return Comparison(left, self.choices())

    def choices(self) -> tuple[Operand, ...]:
        if not self.takes("["):
            raise self.unexpected("[")
        found = [self.operand()]
        while self.takes(","):
            found.append(self.operand())
        if not self.takes("]"):
            raise self.unexpected(", or ]")
        return tuple(found)

    def operand(self) -> Operand:
        word = self.word
        if word.startswith("${") and word.endswith("}"):
            operand: Operand = Name(word[2:-1], self.scalar.mark)
        elif word[:1] in ("'", '"') and len(word) > 1:
            operand = Scalar(word[1:-1], self.scalar.mark, plain=False)
        elif word[:1] == "-" or word[:1].isdecimal():
            operand = Scalar(word, self.scalar.mark)
        else:
            raise self.unexpected("a quoted text, a number or a ${name}")
        self.at += 1
        return operand

    @property
    def word(self) -> str:
        return self.tokens[self.at][0]

    def takes(self, word: str) -> bool:
        taken = self.word == word
        self.at += taken
        return taken

    def unexpected(self, wanted: str) -> PlaybookError:
        word, start = self.tokens[self.at]
        mark = place(self.scalar.mark, self.scalar[start:]) if word else self.scalar.mark
        got = repr(word) if word else "the end"
        return fail(mark, f"when expects {wanted} instead of {got}", GRAMMAR)


def _values(operand: Operand, lookup: Lookup) -> tuple[Scalar, ...]:
    if isinstance(operand, Scalar):
        return (operand,)
    value = lookup(operand)
    if isinstance(value, Secret):
        raise fail(operand.mark, "a secret may not be used here: a condition is shown")
    return value if isinstance(value, tuple) else (value,)


def _equal(a: Scalar, b: Scalar) -> bool:
    numbers = [value for value in (core(a), core(b)) if type(value) in (int, float)]
    return str(a) == str(b) or (len(numbers) == 2 and numbers[0] == numbers[1])  # noqa: PLR2004 - both of them
