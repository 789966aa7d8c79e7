"""Names in texts: strict, and with the secret's taint."""

from __future__ import annotations

import pytest

from recover.errors import PlaybookError
from recover.marked_yaml import Scalar, parse
from recover.playbook.template import Filled, Name, escaped, fill, names, parts
from recover.secrets import Secret


def scalar(text: str) -> Scalar:
    node = parse(f"a: {text}\n", "t")["a"]
    assert isinstance(node, Scalar)
    return node


def lookup(name: Name) -> Filled:
    known: dict[str, Filled] = {
        "word": Scalar("w", name.within, plain=False),
        "number": Scalar("7", name.within),
        "list": (Scalar("a", name.within), Scalar("b", name.within)),
        "none": (),
        "pw": Secret("pw", "hunter2"),
    }
    return known[name.text]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain $1 $$ {x}", ["plain $1 $$ {x}"]),
        ("x${a}y${b.c}", ["x", "<a>", "y", "<b.c>"]),
        ("$${a}", ["${", "a}"]),
        ("$$${a}", ["$", "${", "a}"]),
        ("'${a} $${b} ${c}'", ["<a>", " ", "${", "b} ", "<c>"]),
    ],
)
def test_a_text_is_cut_into_texts_and_names(text: str, found: list[str]) -> None:
    assert [f"<{part.text}>" if isinstance(part, Name) else part for part in parts(scalar(text))] == found


@pytest.mark.parametrize("text", ["${", "x ${a", "${a${b}}", "'${a b{c}}'"])
def test_what_is_not_closed_is_refused(text: str) -> None:
    with pytest.raises(PlaybookError, match="without its }"):
        parts(scalar(text))


def test_a_lone_name_takes_the_value_itself() -> None:
    assert fill(scalar("${list}"), lookup) == ("a", "b")
    assert fill(scalar("${pw}"), lookup) == Secret("pw", "hunter2")
    number = fill(scalar("'${number}'"), lookup)
    assert isinstance(number, Scalar)
    assert (number, number.plain) == ("7", True)
    assert str(number.mark) == "t:1:4", "an error is told where the value is used"


def test_inside_a_text_a_value_becomes_text_and_never_a_number() -> None:
    got = fill(scalar("${number}${number}"), lookup)
    assert isinstance(got, Scalar)
    assert (got, got.plain) == ("77", False)
    assert fill(scalar("'[${list}] [${none}]'"), lookup) == "[a,b] []"


def test_a_secret_makes_the_text_around_it_a_secret() -> None:
    got = fill(scalar("a ${word} ${pw} b"), lookup)
    assert isinstance(got, Secret)
    assert (got.name, got.reveal(), f"{got}") == ("pw", "a w hunter2 b", "***")


def test_names_are_found_in_a_whole_tree() -> None:
    tree = parse('a: {b: ["${x}", 1], c: "${y.z} $${no}"}\n', "t")
    assert [(name.text, str(name.mark)) for name in names(tree)] == [("x", "t:1:10"), ("y.z", "t:1:25")]


def test_an_escaped_text_is_filled_with_itself() -> None:
    text = "a ${word} $${word} ${"
    assert fill(Scalar(escaped(text), scalar("x").mark), lookup) == text
