"""The condition of a step: small, and refused where it stops making sense."""

from __future__ import annotations

import pytest

from recover.errors import PlaybookError
from recover.marked_yaml import Scalar, parse
from recover.playbook.template import Filled, Name
from recover.playbook.when import parse as parse_when
from recover.secrets import Secret


def scalar(text: str) -> Scalar:
    node = parse(f"when: |-\n  {text}\n", "t")["when"]
    assert isinstance(node, Scalar)
    return node


def lookup(name: Name) -> Filled:
    known: dict[str, Filled] = {
        "env": Scalar("prod", name.within),
        "n": Scalar("5", name.within),
        "version": Scalar("1.10", name.within),
        "kept": (Scalar("csrf", name.within), Scalar("error", name.within)),
        "pw": Secret("pw", "hunter2"),
    }
    return known[name.text]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("${env} == 'prod'", True),
        ('"prod" == ${env}', True),
        ("${env} != 'prod'", False),
        ("${env} in ['test', 'prod']", True),
        ("${env} in ['test']", False),
        ("${n} == 5", True),
        ("${n} == 5.0", True),
        ("${n} == '5'", True),
        ("${n} == -5", False),
        ("${version} == '1.1'", False),
        ("'csrf' == ${kept}", True),
        ("'x' in [${kept}, ${env}]", False),
        ("'and' == 'or'", False),
        ("1 == 1 or 1 == 2 and 1 == 3", True),
        ("1 == 2 or 1 == 1 and 1 == 3", False),
        ("1 == 2 and 1 == 1 or 2 == 2", True),
    ],
)
def test_a_condition_is_answered(text: str, holds: bool) -> None:
    assert parse_when(scalar(text)).holds(lookup) is holds


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("${env} = 'x'", 8, "when expects ==, != or in instead of '='"),
        ("${env} == x", 11, "a quoted text, a number or a ${name} instead of 'x'"),
        ("${env} == 'x' and", 1, "instead of the end"),
        ("${env} == 'x' xor 1 == 1", 15, "when expects and, or, or the end instead of 'xor'"),
        ("${env} in 'x'", 11, "when expects [ instead of"),
        ("${env} in ['x' 'y']", 16, "when expects , or ] instead of"),
        ("${env} in []", 12, "a quoted text, a number or a ${name} instead of ']'"),
        ("'open == 1", 1, 'instead of "\'"'),
        ("(1 == 1)", 1, "instead of '(1'"),
    ],
)
def test_what_makes_no_sense_is_named_at_its_place(text: str, column: int, message: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        parse_when(scalar(text))
    assert message in caught.value.what
    line = 1 if column == 1 and "the end" in message else 2
    assert caught.value.where == f"t:{line}:{column + 2 if line == 2 else 7}"
    assert caught.value.next.startswith("A == B")


def test_a_secret_is_no_part_of_a_condition() -> None:
    with pytest.raises(PlaybookError, match="a secret may not be used here"):
        parse_when(scalar("${pw} == 'x'")).holds(lookup)
