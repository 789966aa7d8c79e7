"""The expected file: what is written is what is read, whatever a label looks like."""

from pathlib import Path
from textwrap import dedent

import pytest

from recover.enums.expected import Expected, Member
from recover.errors import PlaybookError
from recover.session.expected_file import read, text

ODD = (
    *(
        "no",
        "on",
        "yes",
        "true",
        "null",
        "~",
        "",
        " ",
        "1:30",
        "012",
        "0x1f",
        "1_000",
        ".5",
        "1e3",
        "-",
        "- a",
        "=",
        "<<",
    ),
    *("it's", 'say "so"', "a: b", "a #b", "#", "  lead", "trail ", "tab\t", "line\nbreak", "a\r\nb", "\x85", "\u2028"),
    *(
        "ü ö",
        "日本",
        "🦀",
        "\u00a0",
        "a,b",
        "[a]",
        "{a: b}",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "|",
        ">",
        "?",
        "? a",
        ":",
    ),
    *("2026-11-24", "x" * 63, "word " * 40, "\ufeff", "--- ", "...", "\\", "\\n", "${HOME}", "\x1b[31m"),
)


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "expected.yml"
    path.write_text(dedent(content), encoding="utf-8", newline="")
    return path


def test_every_label_comes_back(tmp_path: Path) -> None:
    label_of = dict(zip(ODD, reversed(ODD), strict=True))
    member = Member("odd", ODD, "app.Odd", "values", label_of, certain=False, note="read: 'so' # and so", length=7)
    sent = Expected({"odd": ODD, '"No"': ()}, {"odd": label_of}, {"public.t.c": ODD}, {"public.t.c": member})
    came = read(written(tmp_path, text(sent)))
    assert (came.types, came.map, came.columns) == (sent.types, sent.map, sent.columns)
    assert came.members == sent.members
    assert list(came.members["public.t.c"].pairs) == list(ODD)


def test_where_it_comes_from_and_what_was_not_read_stand_above_it(tmp_path: Path) -> None:
    notes = ("one\nline", "a\rb\x85c\u2028d", "bell\x07")
    sent = Expected({"a": ("x",)}, source="app.models:Base", notes=notes)
    shown = text(sent)
    assert shown.startswith("# from app.models:Base\n# one line\n# a b c d\n")
    assert read(written(tmp_path, shown)).types == {"a": ("x",)}


def test_yaml_1_2_scalars_stay_text(tmp_path: Path) -> None:
    path = written(tmp_path, "types: {switch: [on, no, 1:30, 012, true, 1.0]}\n")
    assert read(path).types == {"switch": ("on", "no", "1:30", "012", "true", "1.0")}


@pytest.mark.parametrize(
    ("content", "what", "place"),
    [
        ("types: {a: [x]}\ntypes: {}\n", "duplicate key 'types'", ":2:1"),
        ("typs: {a: [x]}\n", "typs", ":1:1"),
        ("types: {a: x}\n", "a expects a list", ":1:12"),
        ("types: {a: [x, null]}\n", "expects text", ":1:16"),
        ("types: {a: [x, [y]]}\n", "expects text", ":1:16"),
        ("types: [a]\n", "types expects a mapping", ":1:8"),
        ("types:\n  a: [x\n", "malformed YAML", ":2:8"),
        ("members: {a.b.c: {type: t, labels: [x], stores: nams}}\n", "stores expects one of names", ":1:49"),
        ("members: {a.b.c: {type: t}}\n", "labels", ":1:"),
        ("", "is empty", ":1:1"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, content: str, what: str, place: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        read(written(tmp_path, content))
    assert what in caught.value.what
    assert f"expected.yml{place}" in caught.value.where
    assert "^" in caught.value.why
    assert caught.value.exit_code == 2


def test_a_key_that_is_nearly_right_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError) as caught:
        read(written(tmp_path, "typs: {a: [x]}\n"))
    assert "did you mean 'types'?" in str(caught.value)
