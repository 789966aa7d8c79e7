from __future__ import annotations

import ast
import base64
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from recover.secrets import Redactor, Secret, beginning, end, masking_cuts

VALUE = 'p&ss "w0rd"/é'


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.learn(Secret("pg", VALUE))
    return made


@dataclass(frozen=True)
class Holder:
    password: Secret


@pytest.mark.parametrize("show", [str, repr, lambda s: f"{s}", lambda s: f"{s:>5}", lambda s: repr(Holder(s))])
def test_a_secret_never_prints_its_value(show: object) -> None:
    assert VALUE not in show(Secret("pg", VALUE))  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        f"FATAL: password {VALUE} is wrong",
        "postgresql://app:p%26ss%20%22w0rd%22%2F%C3%A9@db/x",
        'log {"pw": "p&ss \\"w0rd\\"/\\u00e9"}',
        'log {"pw": "p&ss \\"w0rd\\"/é"}',
    ],
)
def test_a_known_value_is_replaced_however_it_is_quoted(redactor: Redactor, text: str) -> None:
    clean = redactor.text(text)
    assert "w0rd" not in clean
    assert "***" in clean


def test_nested_data_is_cleaned_keys_and_secret_objects_too(redactor: Redactor) -> None:
    data = {VALUE: [VALUE, {"x": (VALUE, 1, None)}], "s": Secret("pg", VALUE)}
    assert redactor.data(data) == {"***": ["***", {"x": ["***", 1, None]}], "s": "***"}


def test_the_longer_of_two_overlapping_secrets_is_replaced_whole() -> None:
    redactor = Redactor()
    redactor.learn(Secret("a", "hunter"))
    redactor.learn(Secret("b", "hunter-two"))
    assert redactor.text("hunter-two hunter") == "*** ***"


HARD = "p/ss w0rd'\"é@:%+&\\~?>"


def spelled(value: str) -> dict[str, str]:
    raw = value.encode()
    told = {
        "url": quote(value, safe=""),
        "url in small letters": "".join(f"%{byte:02x}" for byte in raw),
        "form": quote_plus(value),
        "json": json.dumps({"k": value}),
        "json in UTF-8": json.dumps({"k": value}, ensure_ascii=False),
        "json of PHP": json.dumps({"k": value}).replace("/", r"\/"),
        "repr": repr({"k": value}),
        "repr of bytes": repr(raw),
        "shell": shlex.quote(value),
        "sql": value.replace("'", "''"),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
    }
    for before in range(3):
        for name, encode in (("base64", base64.b64encode), ("url-safe base64", base64.urlsafe_b64encode)):
            told[f"{name} after {before}"] = encode(b"x" * before + raw + b"yy").decode().rstrip("=")
    return told


@pytest.mark.parametrize("value", [HARD, "correct-horse", "línea-ß"])
def test_every_spelling_of_a_value_is_replaced(value: str) -> None:
    redactor = Redactor()
    redactor.learn(Secret("pg", value))
    left = {name: text for name, text in spelled(value).items() if "***" not in redactor.text(f"<{text}>")}
    assert not left
    words = ("w0rd", "horse", "nea-")
    assert not [n for n, text in spelled(value).items() if any(word in redactor.text(text) for word in words)]


def test_each_line_of_a_secret_of_several_lines_is_replaced() -> None:
    redactor = Redactor()
    redactor.learn(Secret("key", "-----BEGIN KEY-----\nMIIEvQIBADAN\n  BgkqhkiG9w0B\r\n-----END KEY-----\n"))
    assert redactor.text("bad line: BgkqhkiG9w0B, before it MIIEvQIBADAN") == "bad line: ***, before it ***"
    assert redactor.text("no -----BEGIN KEY----- here") == "no -----BEGIN KEY----- here"


def test_a_value_that_is_too_short_to_be_searched_for_is_told() -> None:
    redactor = Redactor()
    assert not redactor.learn(Secret("pin", "abc"))
    assert redactor.learn(Secret("word", "postgres"))
    assert redactor.text("abc, postgres") == "abc, ***"


@pytest.mark.parametrize("longest", range(1, 30))
def test_what_is_cut_is_masked_before(longest: int) -> None:
    redactor = Redactor()
    redactor.learn(Secret("pg", "correct-horse"))
    text = "the password correct-horse is wrong"
    with masking_cuts(redactor):
        assert "co" not in beginning(text, longest)
        assert "rse" not in end(text, longest)
    assert beginning(text, 20) == text[:20]


def test_no_text_is_cut_but_by_what_masks_it_first() -> None:
    """A slice of 60 characters or more stands in these places only, each for a reason."""
    assert set(long_slices()) <= CUTS


CUTS = {
    "recover/diagnosis/causes.py: line[:BEGINNING]",  # matched, and not shown
    "recover/journal/places.py: name[:LONGEST]",  # of a project
    "recover/playbook/mistakes.py: errors[:SHOWN]",  # a count of errors
    "recover/session/verifying.py: head[:80]",  # a hash that was typed
    "recover/issuing.py: names[0][:64]",  # host names
    "recover/models/probe_script.py: hidden[:500]",  # runs in the application, and masks all that it knows before
    "recover/postgres/lease.py: FIX}/{self.run}/{self.holder}'[:LONGEST]",  # who holds it
}


def long_slices() -> Iterator[str]:
    for path in sorted(Path("recover").rglob("*.py")):
        tree = ast.parse(path.read_text())
        sizes = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
                for bound in (node.slice.lower, node.slice.upper):
                    size = bound.operand if isinstance(bound, ast.UnaryOp) else bound
                    named = isinstance(size, ast.Name) and size.id.isupper()
                    value = sizes.get(size.id, 60) if named else getattr(size, "value", None)
                    if isinstance(value, int) and value >= 60:
                        yield f"{path}: {ast.unparse(node.value)[-30:]}[{ast.unparse(node.slice)}]"
