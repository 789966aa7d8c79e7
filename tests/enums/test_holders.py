"""The columns that hold labels: what can be asked of them, in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recover.enums.drift import EnumType
from recover.enums.holders import Holder, Uses, counting, mentions, read_holder
from recover.enums.look import _guesses

ROLE = EnumType("public", "role", ("admin", "user"), oid=7)
PLAIN = Holder("public", "users", "role", "plain", default="'user'::role", relation=1)
ARRAY = Holder("public", "users", "roles", "array", relation=1)
BURIED = Holder("public", "users", "pair", "buried", relation=1)


def test_nothing_is_in_the_way_of_a_column_of_which_nothing_else_is_known() -> None:
    assert PLAIN.unasked is None
    assert PLAIN.owned


def test_what_this_role_cannot_see_is_not_taken_for_nothing() -> None:
    unreadable = replace(PLAIN, readable=False, owner="eva").unasked
    assert unreadable
    assert unreadable.reason == "this role may not read the column"
    assert unreadable.next == """psql -c 'GRANT SELECT ON "public"."users" TO …', as eva"""
    hidden = replace(PLAIN, hides_rows=True).unasked
    assert hidden
    assert "row-level security" in hidden.reason
    assert replace(BURIED, hides_rows=True).unasked is None


def test_a_default_moves_when_it_is_the_label_and_nothing_else() -> None:
    assert PLAIN.movable_default(ROLE, "user")
    assert not PLAIN.movable_default(ROLE, "admin")
    assert not replace(PLAIN, own_default=False).movable_default(ROLE, "user")
    assert not replace(PLAIN, shape="array").movable_default(ROLE, "user")
    assert not replace(PLAIN, default="f('user'::role)").movable_default(ROLE, "user")


def test_labels_are_found_in_what_the_server_deparsed() -> None:
    assert mentions("'user'::role", ROLE, "user")
    assert mentions("""'{user,"admin"}'::public.role[]""", ROLE, "admin")
    assert not mentions("'user'::text", ROLE, "user")
    assert not mentions("'user'::role", ROLE, "us")


def test_a_label_of_which_there_is_a_guess_is_only_looked_for_and_the_rest_counted() -> None:
    question = counting(ROLE, [PLAIN, ARRAY, BURIED], ["admin", "user"], {PLAIN: {"user": 9}, ARRAY: {"user": 9}})
    assert question
    guess, plain, array = question.text.split("\nUNION ALL\n")
    assert guess == PLAIN.guess(ROLE, "user", 9)
    assert "9::bigint" in guess
    assert plain == PLAIN.count(ROLE, ["admin"])
    assert array == ARRAY.count(ROLE, ["admin", "user"])
    assert counting(ROLE, [BURIED], ["user"]) is None
    assert counting(ROLE, [PLAIN], []) is None


def test_the_planners_guess_is_taken_for_plain_columns_only() -> None:
    asked: list[dict[str, Any]] = []

    class Statistics:
        def rows(self, about: str, statement: Any) -> list[dict[str, object]]:
            asked.append(dict(statement.args))
            told = {"relation": 1, "label": "user"}
            return [{**told, "column": "role", "rows": 5}, {**told, "column": "roles", "rows": 6}]

    assert _guesses(Statistics(), [PLAIN, ARRAY, BURIED], ["user"]) == {PLAIN: {"user": 5}}  # type: ignore[arg-type]
    assert (asked[0]["relations"], asked[0]["labels"]) == ([1], ["user"])
    assert _guesses(Statistics(), [ARRAY], ["user"]) == {}  # type: ignore[arg-type]
    assert len(asked) == 1


def test_who_uses_a_label() -> None:
    uses = Uses({"user": {PLAIN: 2, ARRAY: 3}}, defaults={"user": (PLAIN,)}, buried=(BURIED,))
    assert (uses.count("user"), uses.count("admin")) == (5, 0)
    assert uses.places("user") == (
        "public.users.role",
        "public.users.roles",
        "public.users.role (its default)",
        "public.users.pair (perhaps: a composite or a range cannot be asked)",
    )


@pytest.mark.parametrize(("seen", "allowed"), [(None, True), (True, True), (False, False)])
def test_what_was_not_looked_at_closely_is_as_if_all_were_allowed(seen: bool | None, allowed: bool) -> None:
    row = {
        **{name: name for name in ("schema", "table", "column", "shape", "relkind", "owner", "type")},
        **dict.fromkeys(("owned", "own_default", "readable"), seen),
        "default_text": None,
        "relation": "12",
        "generated": None,
        "hides_rows": None,
    }
    holder = read_holder(row)
    assert (holder.owned, holder.own_default, holder.readable) == (allowed, allowed, allowed)
    assert str(holder) == "schema.table.column"
    assert (holder.shape, holder.relkind, holder.owner, holder.type) == ("shape", "relkind", "owner", "type")
    assert (holder.default, holder.relation, holder.generated, holder.hides_rows) == ("", 12, False, False)
