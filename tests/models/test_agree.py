"""Where two sources of the expected labels differ."""

from dataclasses import replace
from pathlib import Path

import pytest

from recover.enums.expected import Expected, Member
from recover.models.agree import differences
from recover.models.imported import from_import
from recover.models.source import from_source

HERE = Path(__file__).parent
PAIRS = {"ADMIN": "admin", "USER": "user"}
ROLE = Member("role", ("ADMIN", "USER"), "app.Role", "names", PAIRS)
TEXT = Member(None, ("x", "y"))
CODE = Expected(
    types={"role": ("ADMIN", "USER")},
    columns={"public.t.b": ("x", "y")},
    members={"public.t.a": ROLE, "public.t.b": TEXT},
    source="code",
)


def image(**members: Member) -> Expected:
    found = {f"public.t.{name}": member for name, member in members.items()}
    types = {m.type: m.labels for m in found.values() if m.type}
    return Expected(types=types, members=found, source="image")


def test_nothing_differs_from_itself() -> None:
    assert differences(CODE, replace(CODE, source="other")) == ()


@pytest.mark.parametrize(
    ("other", "sentences"),
    [
        (
            image(a=replace(ROLE, labels=("admin", "user"))),
            ["role: only code has ADMIN, USER; only image has admin, user"],
        ),
        (image(a=replace(ROLE, labels=("ADMIN",))), ["role: only code has USER"]),
        (image(a=replace(ROLE, labels=("ADMIN", "USER", "GUEST"))), ["role: only image has GUEST"]),
        (
            image(a=replace(ROLE, labels=("USER", "ADMIN"))),
            ["role: the order is ADMIN, USER in code, USER, ADMIN in image"],
        ),
        (
            image(a=replace(ROLE, pairs={"ADMIN": "administrator", "USER": "user"})),
            [
                "public.t.a: the members are ADMIN=admin, USER=user in code, ADMIN=administrator, USER=user in image",
            ],
        ),
        (
            image(a=replace(ROLE, type=None)),
            ["code has the type role, image has none", "public.t.a: code has the type role, image has text"],
        ),
        (
            image(),
            ["code has the type role, image has none", "code has the column public.t.a, image has none"],
        ),
        (image(a=ROLE, c=TEXT), ["image has the column public.t.c, code has none"]),
        (image(a=replace(ROLE, enum="elsewhere.Role", certain=False, note="read")), []),
    ],
)
def test_each_difference_is_a_sentence(other: Expected, sentences: list[str]) -> None:
    other = replace(other, members={**other.members, "public.t.b": TEXT})
    assert list(differences(CODE, other)) == sentences


def test_text_columns_are_compared_by_their_labels() -> None:
    other = replace(CODE, members={**CODE.members, "public.t.b": replace(TEXT, labels=("x", "z"))}, source="image")
    assert differences(CODE, other) == ("public.t.b: only code has y; only image has z",)


def test_a_playbook_tells_types_only() -> None:
    declared = Expected(types={"role": ("admin", "USER")}, source="the playbook")
    assert differences(declared, CODE) == ("role: only the playbook has admin; only code has ADMIN",)
    assert differences(replace(declared, types=CODE.types), CODE) == ()


def test_an_applications_source_differs_where_it_could_only_guess(warm_python: Path) -> None:
    found = differences(
        from_import("app_models:Base", folder=HERE, python=warm_python), from_source(HERE / "app_models")
    )
    models, source = "the models app_models:Base", f"the source in {HERE / 'app_models'}"
    assert found == (
        f"loud_role: only {models} has ADMIN!, USER!; only {source} has admin, user "
        f"(a guess of {source}: values_callable is taken to give the values)",
        f"{models} has the type computed, {source} has none",
        f"{models} has the column public.old.computed, {source} has none",
    )
