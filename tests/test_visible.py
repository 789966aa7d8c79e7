"""What comes from outside neither commands a terminal nor passes for a line of ours."""

from __future__ import annotations

import unicodedata

import pytest

from recover.errors import StepError
from recover.visible import block, visible

HOSTILE = (
    "a\x1b]0;owned\x07\x1b[2J\rb\u202ec\u2066d\u200be\x9bf\x7fg\ud800h\u2028i\nrecovered and verified\n::add-mask::x"
)


def test_no_character_that_commands_or_hides_is_left() -> None:
    bad = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    for char in [*bad, *"\u034f\u115f\u1160\u3164\uffa0"]:
        assert visible(char).isascii()
        assert visible(char).isprintable()


@pytest.mark.parametrize("text", ["", "läßt 日本語 „ok“ ✓ 👍", "{'a': \"b\"} [bold] \\n 100 %", "a\u00a0b"])
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert visible(text) == block(text) == text


def test_further_lines_are_set_in_and_orders_to_a_pipeline_are_none() -> None:
    shown = block(HOSTILE).split("\n")
    assert shown[0] == r"a\x1b]0;owned\x07\x1b[2J\rb\u202ec\u2066d\u200be\x9bf\x7fg\ud800h\u2028i"
    assert shown[1:] == ["    recovered and verified", "    |     ::add-mask::x"]
    assert block("  ::error::x").lstrip()[0] == "|"
    assert block("x\n        ::error::x").split("\n")[1].lstrip()[0] == "|"
    assert block("SELECT 1\r\n    FROM t") == "SELECT 1\n    FROM t"


def test_each_part_of_an_error_is_shown_so() -> None:
    lines = str(StepError(HOSTILE, where=HOSTILE, why=HOSTILE, next=HOSTILE)).split("\n")
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith(("recovered", "::"))]
