from __future__ import annotations

from dataclasses import dataclass

import pytest

from recover.secrets import Redactor, Secret

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
