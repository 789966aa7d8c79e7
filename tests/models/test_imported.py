"""What the models themselves say they expect."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from recover.enums.expected import Expected, Member
from recover.errors import Precondition, UsageError
from recover.models.imported import from_import, spelled
from recover.postgres.names import read_names

HERE = Path(__file__).parent
REPLICA = HERE.parents[1] / "playbooks/enum-cascade/stack"


@pytest.fixture(scope="module")
def told(warm_python: Path) -> Expected:
    return from_import("app_models:Base", folder=HERE, python=warm_python)


@pytest.fixture
def app(tmp_path: Path, warm_python: Path):
    """Write a module `app` and ask it."""

    def ask(source: str, target: str = "app:Base", **how: object) -> Expected:
        head = (
            "import enum, os, sys\nfrom sqlalchemy import *\nfrom sqlalchemy.orm import *\nBase = declarative_base()\n"
        )
        (tmp_path / "app.py").write_text(head + dedent(source))
        return from_import(target, **{"folder": tmp_path, "python": warm_python, **how})

    return ask


KINDS = """
class Role(str, enum.Enum):
    ADMIN = "admin"
    USER = "user"

values = lambda e: [m.value for m in e]
"""


def test_names_are_what_an_enum_stores_and_values_where_it_is_told_to(told: Expected) -> None:
    pairs = {"ADMIN": "admin", "USER": "user"}
    values = Member("role_kind", ("admin", "user"), "app_models.kinds.Role", "values", pairs)
    assert told.members["public.accounts.role"] == values
    assert told.members["public.accounts.second_role"] == values
    assert told.members["public.accounts.roles"] == values
    assert told.members["public.customer.role"] == Member(
        "role", ("ADMIN", "USER"), "app_models.kinds.Role", "names", pairs
    )


def test_text_columns_are_columns_and_no_types(told: Expected) -> None:
    assert told.columns == {
        "public.accounts.tier": ("SMALL", "LARGE"),
        "public.accounts.mood": ("good", "bad"),
        "public.accounts.tone": ("loud", "low"),
    }
    tier = told.members["public.accounts.tier"]
    assert (tier.type, tier.length, tier.stores) == (None, 20, "names")


def test_names_are_written_as_sql_reads_them(told: Expected) -> None:
    assert told.types['"Shop"."Re Gion"'] == ("NORTH", "SOUTH")
    assert told.members['"Shop"."We ""ird"."Re Gion"'].type == '"Shop"."Re Gion"'
    assert told.types['"Old Role"'] == ("x", "y")
    assert told.types["account_kind"] == ("a", "b's", "ü ö")


def test_types_around_an_enum_are_looked_through(told: Expected) -> None:
    assert told.types['"Shop".trimmed_role'] == ("ADMIN", "USER")
    assert told.types["wrapped_size"] == ("SMALL", "LARGE")
    assert told.types["either"] == ("FIRST", "SECOND")


def test_what_is_neither_name_nor_value_is_said(told: Expected) -> None:
    loud = told.members["public.old.role"]
    assert (loud.labels, loud.stores) == (("ADMIN!", "USER!"), "strings")
    assert loud.note == "its labels are neither the names nor the values of the enum"


def test_the_replicas_eight_types() -> None:
    expected = from_import("aiwfe.models:Base", folder=REPLICA)
    assert len(expected.types) == 8
    assert expected.types["userstatus"] == ("PENDING", "ACTIVE", "DISABLED")
    assert expected.types["googleservice"] == ("calendar", "drive", "gmail")
    assert expected.pairs("userstatus") == (
        {"PENDING": "pending_approval", "ACTIVE": "active", "DISABLED": "disabled"},
    )
    assert expected.notes == ()
    assert expected.source == "the models aiwfe.models:Base"


def test_names_win_where_names_and_values_are_the_same(app) -> None:
    same = """
    E = enum.Enum("E", {"a": "a", "b": "b"})
    class T(Base):
        __tablename__ = "t"
        e = Column(Enum(E), primary_key=True)
    """
    assert app(same).members["public.t.e"].stores == "names"


@pytest.mark.parametrize("target", ["app:Base", "app:Base.metadata", "app:Base.registry", "app:spare", "app:Box.inner"])
def test_a_base_a_metadata_and_a_registry_are_asked_alike(app, target: str) -> None:
    source = f"""{KINDS}
class T(Base):
    __tablename__ = "t"
    role = Column(Enum(Role, values_callable=values), primary_key=True)

spare = Base.metadata
class Box: inner = Base
"""
    assert app(source, target).types == {"role": ("admin", "user")}


def test_what_the_models_print_and_leave_running_is_no_answer(app) -> None:
    source = f"""{KINDS}
import threading, time
print("hello", flush=True); print("oops", file=sys.stderr)
class T(Base):
    __tablename__ = "t"
    role = Column(Enum(Role), primary_key=True)
sys.stdout = open(os.devnull, "w")
threading.Thread(target=time.sleep, args=(600,)).start()
"""
    assert app(source, python=sys.executable).types == {"role": ("ADMIN", "USER")}


def test_two_columns_of_one_type_that_store_other_halves_are_refused(app) -> None:
    source = f"""{KINDS}
class T(Base):
    __tablename__ = "t"
    id = Column(Integer, primary_key=True)
    one = Column(Enum(Role))
    other = Column(Enum(Role, values_callable=values))
"""
    with pytest.raises(Precondition) as caught:
        app(source)
    assert caught.value.what == "two columns disagree about the labels of role"
    assert "public.t.one wants the names of app.Role, ['ADMIN', 'USER']" in caught.value.why
    assert "public.t.other wants the values of app.Role, ['admin', 'user']" in caught.value.why


def test_another_order_is_a_note(app) -> None:
    source = """
class T(Base):
    __tablename__ = "t"
    id = Column(Integer, primary_key=True)
    one = Column(Enum("a", "b", name="ab"))
    other = Column(Enum("b", "a", name="ab"))
"""
    expected = app(source)
    assert expected.types == {"ab": ("a", "b")}
    assert expected.notes == ("ab: public.t.other has its labels in another order than public.t.one",)


def test_an_enum_without_a_name_is_a_note(app) -> None:
    source = """
class T(Base):
    __tablename__ = "t"
    id = Column(Integer, primary_key=True)
    one = Column(Enum("a", "b"))
"""
    expected = app(source)
    assert (expected.types, expected.members) == ({}, {})
    assert expected.notes == ("public.t.one: its enum has no name, and PostgreSQL refuses such a type",)


@pytest.mark.parametrize(
    ("source", "target", "why", "next"),
    [
        ("import nowhere_at_all", "app:Base", "ModuleNotFoundError: No module named 'nowhere_at_all'", "PYTHONPATH"),
        ("os.environ['NOT_SET_HERE']", "app:Base", "KeyError: 'NOT_SET_HERE'", "environment"),
        ("sys.exit('no config')", "app:Base", "SystemExit: no config", "environment"),
        ("pass", "app:Bass", "AttributeError: module 'app' has no attribute 'Bass'", "registry"),
        ("plain = 1", "app:plain", "plain has no metadata", "registry"),
        ("def f(:", "app:Base", "SyntaxError: invalid syntax", "--source"),
        ("pass", "app:Base", "it has no tables", "imports all models"),
        ("os._exit(3)", "app:Base", "exit code 3", "PYTHONPATH"),
        (
            "raise RuntimeError('postgresql://u:hunter2@db/x refused')",
            "app:Base",
            "postgresql://***@db/x",
            "environment",
        ),
    ],
)
def test_what_goes_wrong_is_told_in_the_models_own_words(app, source: str, target: str, why: str, next: str) -> None:
    with pytest.raises(Precondition) as caught:
        app(source, target)
    assert caught.value.where == target
    assert why in caught.value.why
    assert next in caught.value.next
    assert "hunter2" not in str(caught.value)


def test_refused_settings_are_told_without_what_was_given(app) -> None:
    source = """
import pydantic
class Settings(pydantic.BaseModel):
    url: str
    port: int
Settings(port="hunter2")
"""
    with pytest.raises(Precondition) as caught:
        app(source)
    assert "url: Field required; port: Input should be a valid integer" in caught.value.why
    assert "hunter2" not in str(caught.value)


def test_the_environment_reaches_the_models(app) -> None:
    source = """
class T(Base):
    __tablename__ = os.environ["TABLE"]
    one = Column(Enum("a", name="one"), primary_key=True)
"""
    assert "public.given.one" in app(source, environment={"TABLE": "given"}).members


def test_models_that_do_not_come_to_an_end_and_a_python_that_is_none(app) -> None:
    with pytest.raises(Precondition, match="cannot be imported") as caught:
        app("import time; time.sleep(60)", timeout=0.5, python=sys.executable)
    assert "more than 0.5 s" in caught.value.why
    with pytest.raises(Precondition, match="cannot run") as caught:
        app("pass", python="/nowhere/python")
    assert "/nowhere/python" in caught.value.why


@pytest.mark.parametrize("target", ["app", "app:", ":Base", "app:Base; x", "app/models.py:Base", "-c:x"])
def test_a_target_is_a_module_and_an_attribute(target: str) -> None:
    with pytest.raises(UsageError, match="takes MODULE:ATTR"):
        from_import(target)


@pytest.mark.parametrize("name", ["a", "We ird", 'q"q', "Ü", "ü", "1a", "a.b", "A", "_a1"])
def test_a_name_reads_as_it_was_written(name: str) -> None:
    assert read_names(spelled(name)) == (name,)
