"""What a reading of the source says is what the models themselves say, or the difference is told."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from types import MappingProxyType

import pytest

from recover.enums.expected import Expected, Member
from recover.errors import Precondition, UsageError
from recover.models.imported import from_import
from recover.models.source import from_source

HERE = Path(__file__).parent
REPLICA = HERE.parents[1] / "playbooks/enum-cascade/stack"

HEAD = """
import enum
from typing import Annotated, ClassVar, List, Literal, Optional, Union
import sqlalchemy as sa
from sqlalchemy import *
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import *
from sqlalchemy.orm import declared_attr
from sqlalchemy.types import TypeDecorator

class Role(str, enum.Enum):
    ADMIN = "admin"
    USER = "user"

class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2

class Base(DeclarativeBase):
    metadata = MetaData()

class Has:
    id: Mapped[int] = mapped_column(primary_key=True)
"""

ALIKE = {
    "optional": """
class T(Has, Base):
    __tablename__ = "optional"
    a: Mapped[Optional[Role]]
    b: Mapped[Union[None, Role]]
    c: "Mapped[Role | None]"
    d: Mapped["Optional[Role]"]
    e: Mapped[Optional["Role"]] = mapped_column(nullable=True)
    f: Mapped[Role] = mapped_column("renamed", default=Role.USER)
    g: Mapped[Role] = mapped_column(String(20))
    h: Mapped[int]
""",
    "annotated": """
R1 = Annotated[
    Role, mapped_column(Enum(Role, name="annotated_r1", values_callable=lambda x: [str(e.value) for e in x])),
]
R2 = Annotated[Role, 1, mapped_column(index=True)]
class T(Has, Base):
    __tablename__ = "annotated"
    a: Mapped[R1]
    b: Mapped[Optional[R1]]
    c: Mapped[R2]
    d: Mapped[R1] = mapped_column(Enum(Role, name="annotated_d"))
""",
    "half": """
def by_value(kinds):
    '''The values.'''
    return list(kind.value for kind in kinds)
class T(Has, Base):
    __tablename__ = "half"
    a = Column(Enum(Role, name="half_a", values_callable=by_value))
    b = Column(Enum(Role, name="half_b", values_callable=None))
    c = Column(Enum(Role, name="half_c", values_callable=lambda x: [e.name for e in x]))
    d = Column(Enum(Level, name="half_d", values_callable=lambda x: [str(e.value) for e in x]))
    e = Column(Enum(*[r.value for r in Role], name="half_e"))
    f = Column(Enum(*(r.name for r in Role), name="half_f"))
    g = Column(Enum(Role.ADMIN.value, Role.USER.value, name="half_g"))
""",
    "strings": """
LABELS = ("a", "b")
MORE = [*LABELS, "c"]
class T(Has, Base):
    __tablename__ = "strings"
    a = Column(Enum(*LABELS, name="strings_a"))
    b = Column(sa.Enum(*MORE, name=f"strings_{'b'}"))
    c = Column(type_=postgresql.ENUM("x", "y", name="strings_c", create_type=False))
    d = Column("other name", sa.types.Enum("x", "y", name="strings_d", native_enum=False))
    e = Column(Enum("x", "y", name="strings_e", native_enum=False, length=33), default="x")
""",
    "members": """
class Odd(enum.Enum):
    A = "a"
    SAME = "a"
    B: str = "b"
    C = D = "c"
    _private = "no"
    def method(self): return 1
    @property
    def shown(self): return "x"
class Numbers(enum.Enum):
    A = 5
    B = enum.auto()
    C = -1
    D = (1, "x")
    E = 1.5
class Flags(enum.IntEnum):
    A = enum.auto()
    B = enum.auto()
class Text(str, enum.Enum):
    A = enum.auto()
    B = enum.auto()
class Again(enum.Enum):
    ONE = Role.ADMIN.value
    TWO = "t" + "wo"
class Shouting(str, enum.Enum):
    def _generate_next_value_(name, start, count, last): return name.upper() + "!"
    def __str__(self): return self.value
class Loud(Shouting):
    a = enum.auto()
    b = enum.auto()
class T(Has, Base):
    __tablename__ = "members"
    a: Mapped[Odd]
    b: Mapped[Numbers]
    c: Mapped[Flags]
    d: Mapped[Text]
    e: Mapped[Again]
    f: Mapped[Loud]
""",
    "functional": """
F1 = enum.Enum("F1", "A B, C")
F2 = enum.Enum("F2", {"A": "a", "B": "b"}, type=str)
F3 = enum.IntEnum("F3", ["X", "Y"])
F4 = enum.StrEnum("F4", ["X", "Y"])
class T(Has, Base):
    __tablename__ = "functional"
    a: Mapped[F1]
    b: Mapped[F2]
    c: Mapped[F3]
    d: Mapped[F4]
""",
    "literal": """
Mood = Literal["good", "bad"]
class T(Has, Base):
    __tablename__ = "literal"
    a: Mapped[Mood]
    b: Mapped[Optional[Mood]]
    c: Mapped[Literal["x", "yyy"]] = mapped_column(nullable=True)
    d: Mapped[Literal["x"]] = mapped_column(Enum("x", name="literal_d"))
""",
    "mixins": """
class WithRole:
    role: Mapped[Role]
    level = Column(Enum(Level))
    @declared_attr
    def other(cls) -> Mapped[Role]:
        return mapped_column(Enum(Role, name="mixins_other"))
class Abstract(Base):
    __abstract__ = True
    up: Mapped[Level]
class T(WithRole, Has, Abstract):
    __tablename__ = "mixins"
    level = Column(String)
""",
    "inheritance": """
class Animal(Has, Base):
    __tablename__ = "inheritance"
    kind: Mapped[str]
    a: Mapped[Role]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}
class Cat(Animal):
    b: Mapped[Optional[Level]]
    __mapper_args__ = {"polymorphic_identity": "cat"}
class Dog(Animal):
    __tablename__ = "inheritance_dog"
    id: Mapped[int] = mapped_column(ForeignKey("inheritance.id"), primary_key=True)
    c: Mapped[Level]
    __mapper_args__ = {"polymorphic_identity": "dog"}
""",
    "named": """
class Naming:
    @declared_attr.directive
    def __tablename__(cls) -> str:
        return f"named_{cls.__name__.lower()}"
class One(Naming, Has, Base):
    a: Mapped[Role]
class Two(Naming, Has, Base):
    a: Mapped[Role]
""",
    "schemas": """
S = "s1"
class InSchema(Has, Base):
    __tablename__ = "schemas"
    __table_args__ = (UniqueConstraint("a"), {"schema": S})
    a = Column(Enum(Role, name="schemas_a", schema="Other"))
    b = Column(Enum(Role, name="schemas_b", inherit_schema=True))
    c = Column(Enum(Role, name="schemas_c", metadata=MetaData(schema="m")))
class Dict(Has, Base):
    __tablename__ = "schemas_dict"
    __table_args__ = {"schema": "s 2"}
    a: Mapped[Level]
""",
    "around": """
class Deco(TypeDecorator):
    impl = Enum(Role, name="around_deco")
    cache_ok = True
class More(Deco):
    cache_ok = True
class Args(TypeDecorator):
    impl = sa.Enum
    cache_ok = True
class Text(TypeDecorator):
    impl = String
    cache_ok = True
class Sub(sa.Enum):
    pass
shared = Enum(Role, name="around_shared")
class T(Has, Base):
    __tablename__ = "around"
    a = Column(Deco)
    b = Column(Deco())
    c = Column(More)
    d = Column(Args("x", name="around_d"))
    e = Column(Text(20))
    f = Column(Sub("x", name="around_f"))
    g = Column(ARRAY(shared))
    h = Column(postgresql.ARRAY(shared, dimensions=2))
    i = deferred(Column(shared))
    j = Column(shared.with_variant(String(5), "sqlite"))
    k = Column(String(5).with_variant(shared, "postgresql"))
""",
    "helpers": """
def stored(of, name=None, *, native=True, **more):
    return Enum(of, name=name, native_enum=native, values_callable=lambda e: [m.value for m in e], **more)
def column(*args, **more):
    return mapped_column(*args, nullable=False, **more)
OPTIONS = {"name": "helpers_d", "native_enum": True}
class T(Has, Base):
    __tablename__ = "helpers"
    a = Column(stored(Role, "helpers_a"))
    b = Column(stored(of=Role, name="helpers_b", schema="x"))
    c = Column(stored(Role, native=False))
    d = Column(Enum(Role, **OPTIONS))
    e: Mapped[Role] = column(stored(Role, "helpers_e"))
""",
    "tables": """
meta = Base.metadata
t1 = Table("tables", meta, Column("id", Integer, primary_key=True), Column("a", Enum(Role, name="tables_a")))
t2 = sa.Table("tables", meta, sa.Column("a", sa.Enum(Role, name="tables_b")), schema="s1")
class Mapping(Base):
    __table__ = Table(
        "tables_3", meta, Column("id", Integer, primary_key=True), Column("a", Enum(Level, name="tables_c"))
    )
""",
    "maps": """
class Mapped_(DeclarativeBase):
    metadata = Base.metadata
    type_annotation_map = {
        enum.Enum: Enum(enum.Enum, values_callable=lambda e: [str(m.value) for m in e], native_enum=False, length=40),
        Level: Enum(Level, name="maps_level"),
        Literal["p", "q"]: Enum("p", "q", name="maps_pq"),
    }
class T(Mapped_):
    __tablename__ = "maps"
    id: Mapped[int] = mapped_column(primary_key=True)
    a: Mapped[Role]
    b: Mapped[Level | None]
    c: Mapped[Literal["p", "q"]]
    d: Mapped[Literal["x", "y"]]
    e: Mapped[Role] = mapped_column(Enum(Role, name="maps_e"))
""",
    "registries": """
reg = registry(metadata=Base.metadata, type_annotation_map={Role: Enum(Role, name="registries_role")})
class Base2(DeclarativeBase):
    registry = reg
class T(Base2):
    __tablename__ = "registries"
    id: Mapped[int] = mapped_column(primary_key=True)
    a: Mapped[Role]
@reg.mapped
class U:
    __tablename__ = "registries_u"
    id = Column(Integer, primary_key=True)
    a = Column(Enum(Level, name="registries_level"))
Old = declarative_base(metadata=Base.metadata)
class V(Old):
    __tablename__ = "registries_v"
    id = Column(Integer, primary_key=True)
    a = Column(Enum(Level, name="registries_level"))
""",
    "sqlmodel": """
import sqlmodel
from sqlmodel import Field, SQLModel
class Root(SQLModel):
    metadata = Base.metadata
class Shared(Root):
    role: Role
class Sqlmodel(Shared, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    a: Optional[Level] = None
    b: Role = Field(default=Role.USER, sa_column=Column("bb", Enum(Role, name="sqlmodel_b")))
    c: Role = Field(sa_type=sqlmodel.Enum(Role, name="sqlmodel_c"))
    d: ClassVar[Role] = Role.USER
    e: Literal["x", "y"] = Field(default="x", sa_type=String)
class Named(Root, table=True):
    __tablename__ = "sqlmodel_named"
    __table_args__ = {"schema": "s1"}
    id: Optional[int] = Field(default=None, primary_key=True)
    a: Role = Role.USER
class NoTable(Shared):
    b: Level
""",
    "dataclasses": """
class Data(MappedAsDataclass, DeclarativeBase):
    metadata = Base.metadata
class T(Data):
    __tablename__ = "dataclasses"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    a: Mapped[Role] = mapped_column(default=Role.USER)
    b: Mapped[Level] = mapped_column(sort_order=-1, default=Level.LOW)
""",
}


def _of(expected: Expected, name: str) -> dict[str, Member]:
    """The members of one snippet's tables; how they were read aside."""
    found = {}
    for column, member in expected.members.items():
        table = column.split(".")[-2]
        if table == name or table.startswith(f"{name}_"):
            found[column] = replace(member, enum=member.enum.rpartition(".")[2])
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, warm_python: Path) -> tuple[Expected, Expected]:
    folder = tmp_path_factory.mktemp("alike")
    for name, source in ALIKE.items():
        code = HEAD.replace("MetaData()", "shared") + source
        for kind in ("Role", "Level"):  # types of its own, so that none disagrees with another snippet's
            code = code.replace(kind, name.title() + kind)
        (folder / f"of_{name}.py").write_text("from base import shared\n" + code)
    (folder / "base.py").write_text("from sqlalchemy import MetaData\nshared = MetaData()\n")
    (folder / "everything.py").write_text(
        "from base import shared\n" + "".join(f"import of_{name}\n" for name in ALIKE)
    )
    return from_import("everything:shared", folder=folder, python=warm_python), from_source(folder)


@pytest.mark.parametrize("name", list(ALIKE))
def test_source_and_models_agree(both: tuple[Expected, Expected], name: str) -> None:
    by_import, by_source = (_of(expected, name) for expected in both)
    assert by_import
    assert by_source == by_import


def test_nothing_was_left_out(both: tuple[Expected, Expected]) -> None:
    assert {*both[1].members} == {*both[0].members}
    assert both[1].notes == both[0].notes == ()


def test_an_application_agrees_but_for_what_is_told(warm_python: Path) -> None:
    by_import = from_import("app_models:Base", folder=HERE, python=warm_python)
    by_source = from_source(HERE / "app_models")
    told = {"public.old.role", "public.old.computed"}
    assert {n: m for n, m in by_source.members.items() if n not in told} == {
        n: m for n, m in by_import.members.items() if n not in told
    }
    role = by_source.members["public.old.role"]
    assert (role.certain, role.note) == (False, "values_callable is taken to give the values")
    assert by_source.notes == (f"{HERE}/app_models/legacy.py:19: old.computed: its labels are computed",)
    assert "public.old.computed" not in by_source.members


def test_it_reads_the_same_from_above_the_package() -> None:
    inside, above = from_source(HERE / "app_models"), from_source(HERE)
    assert above.types == inside.types


def test_the_replica_reads_as_it_imports(warm_python: Path) -> None:
    by_import = from_import("aiwfe.models:Base", folder=REPLICA, python=warm_python)
    by_source = from_source(REPLICA)
    assert (by_source.types, by_source.members) == (by_import.types, by_import.members)
    assert by_source.notes == ()
    assert len(by_source.types) == 8


@pytest.fixture
def reading(tmp_path: Path):
    """Write modules and read them."""

    def read(source: str, files: Mapping[str, str] = MappingProxyType({})) -> Expected:
        (tmp_path / "app.py").write_text(HEAD + dedent(source))
        for name, text in files.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(dedent(text))
        return from_source(tmp_path)

    return read


@pytest.mark.parametrize(
    ("column", "note"),
    [
        ("Column(Enum(*make(), name='x'))", "t.a: its labels are computed"),
        ("Column(Enum(Role, name=make()))", "t.a: its name is computed"),
        ("Column(Enum(Role, schema=make()))", "t.a: its schema is computed"),
        ("Column(Enum(Elsewhere))", "t.a: the enum other.Elsewhere is not in the folder"),
        ("Column(Enum('a', 'b'))", "t.a: its enum has no name, and PostgreSQL refuses such a type"),
        ("Column(Enum(Role, **make()))", "t.a: its options are computed"),
        ("Column(late(Role))", "t.a: its options are computed"),
        ("Column(ChoiceType(Role))", "t.a: other.ChoiceType stores an enum, and is not in the folder"),
        ("Column(branching(Role))", "t.a: branching() decides it when it runs"),
        ("Column(Own(Role))", "t.a: Own.__init__ decides it when it runs"),
        (
            "Column(Enum(Computed_, name='x', values_callable=lambda x: [e.value for e in x]))",
            "Computed_.A is computed",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(reading, column: str, note: str) -> None:
    expected = reading(f"""
from other import ChoiceType, Elsewhere, make
def branching(of):
    if of: return Enum(of)
    return String
def late(of):
    options = make()
    return Enum(of, **options)
class Own(TypeDecorator):
    impl = Enum
    def __init__(self, of): super().__init__(of, name=make())
class Computed_(enum.Enum):
    A = make()
class T(Has, Base):
    __tablename__ = "t"
    a = {column}
    b: Mapped[Role]
""")
    assert list(expected.members) == ["public.t.b"]
    assert len(expected.notes) == 1
    assert note in expected.notes[0]
    assert "app.py:" in expected.notes[0]


def test_an_annotation_that_may_be_an_enum_from_elsewhere_is_told(reading) -> None:
    expected = reading("""
    from other.kinds import Kind
    import datetime
    class T(Has, Base):
        __tablename__ = "t"
        a: Mapped[Kind]
        b: Mapped[datetime.date]
        c: Mapped[Kind] = mapped_column(String)
        d: Mapped[Kind] = relationship()
    """)
    assert [note.split(": ", 1)[1] for note in expected.notes] == [
        "t.a: other.kinds.Kind is not in the folder, and may be an enum"
    ]


def test_a_table_whose_name_is_computed_is_told(reading) -> None:
    expected = reading("""
    import os
    class T(Has, Base):
        __tablename__ = os.environ["T"]
        a: Mapped[Role]
    class Plain(Has, Base):
        __tablename__ = os.environ["P"]
        a: Mapped[int]
    later = Table(os.environ["T"], Base.metadata, Column("a", Enum(Role)))
    plain = Table(os.environ["P"], Base.metadata, Column("a", Integer))
    """)
    assert expected.members == {}
    assert [note.split(": ", 1)[1] for note in expected.notes] == [
        "T: its __tablename__ is computed",
        "a Table: its name is computed",
    ]


def test_what_is_no_python_is_told(reading) -> None:
    expected = reading("class T(Has, Base):\n    __tablename__ = 't'\n    a: Mapped[Role]", {"bad": "def f(:\n"})
    assert expected.types == {"role": ("ADMIN", "USER")}
    assert len(expected.notes) == 1
    assert "bad.py is no Python" in expected.notes[0]


def test_names_are_followed_over_modules_and_circles(reading) -> None:
    expected = reading(
        "",
        {
            "pkg/__init__": "from .kinds import *\nfrom . import kinds as k\nfrom .loop import Lost\n",
            "pkg/kinds": "import enum\nclass Kind(enum.Enum):\n    A = 'a'\n",
            "pkg/loop": "from pkg import Lost\nLater = Later\n",
            "pkg/deep": "from . import Kind as K2\nimport pkg.kinds\nimport pkg.kinds as alias\n",
            "models": """
        from pkg.deep import K2, alias
        import pkg.kinds, pkg
        from pkg import Kind, Lost
        from pkg.loop import Later
        from app import Base, Has
        from sqlalchemy import Column, Enum as E
        class T(Has, Base):
            __tablename__ = "t"
            a = Column(E(K2))
            b = Column(E(alias.Kind))
            c = Column(E(pkg.kinds.Kind))
            d = Column(E(pkg.k.Kind))
            e = Column(E(Kind))
            f = Column(E(Lost))
            g = Column(E(Later))
        """,
        },
    )
    assert {name[-1]: m.enum for name, m in expected.members.items()} == dict.fromkeys("abcde", "pkg.kinds.Kind")
    assert len(expected.notes) == 2


def test_flask_sqlalchemy(reading) -> None:
    expected = reading("""
    from flask_sqlalchemy import SQLAlchemy
    db = SQLAlchemy()
    class UserAccount(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        role = db.Column(db.Enum(Role, name="kind"))
    """)
    assert {name: m.type for name, m in expected.members.items()} == {"public.user_account.role": "kind"}


def test_migrations_and_other_peoples_packages_tell_nothing(reading) -> None:
    table = "from sqlalchemy import *\nt = Table('{}', MetaData(), Column('a', Enum('x', name='x')))\n"
    expected = reading(
        "",
        {
            "versions/one": "from alembic import op\n" + table.format("migration"),
            "node_modules/two": table.format("package"),
            "three": table.format("t"),
        },
    )
    assert list(expected.members) == ["public.t.a"]


def test_the_schema_of_a_metadata_is_that_of_its_tables(tmp_path: Path, warm_python: Path) -> None:
    (tmp_path / "app.py").write_text(
        HEAD.replace("MetaData()", "MetaData(schema='own')")
        + dedent("""
        class T(Has, Base):
            __tablename__ = "t"
            a: Mapped[Role]
        class U(Has, Base):
            __tablename__ = "u"
            __table_args__ = {"schema": "other"}
            a = Column(Enum(Level, metadata=Base.metadata))
        t = Table("v", Base.metadata, Column("a", Enum(Level, name="v", inherit_schema=True)))
        """)
    )
    by_import = from_import("app:Base", folder=tmp_path, python=warm_python)
    by_source = from_source(tmp_path)
    assert by_source.members == by_import.members
    assert {name: m.type for name, m in by_source.members.items()} == {
        "own.t.a": "role",
        "other.u.a": "own.level",
        "own.v.a": "own.v",
    }


@pytest.mark.parametrize(
    "callable",
    [
        "lambda x: [e.value for e in x if e.value]",
        "lambda x: [e.value.upper() for e in x]",
        "lambda x: [e.value for e in Level]",
        "sorted",
        "lambda x: [*x.__members__]",
    ],
)
def test_any_other_callable_is_taken_for_values_and_said_to_be(reading, callable: str) -> None:
    expected = reading(f"""
    class T(Has, Base):
        __tablename__ = "t"
        a = Column(Enum(Role, name="role", values_callable={callable}))
    """)
    member = expected.members["public.t.a"]
    assert (member.labels, member.certain, member.note) == (
        ("admin", "user"),
        False,
        "values_callable is taken to give the values",
    )


def test_two_columns_of_one_type_that_store_other_halves_are_refused(reading) -> None:
    with pytest.raises(Precondition, match="disagree about the labels of role") as caught:
        reading("""
        class T(Has, Base):
            __tablename__ = "t"
            one: Mapped[Role]
            other = Column(Enum(Role, values_callable=lambda x: [e.value for e in x]))
        """)
    assert "public.t.one wants the names of app.Role, ['ADMIN', 'USER']" in caught.value.why


def test_two_classes_of_one_table_that_differ_are_refused(reading) -> None:
    with pytest.raises(Precondition, match=r"disagree about the labels of public\.t\.a"):
        reading(
            "class T(Has, Base):\n    __tablename__ = 't'\n    a = Column(Enum('x', name='x'))",
            {
                "other": "from app import *\n"
                "class U(Has, Base):\n    __tablename__ = 't'\n    a = Column(Enum('y', name='y'))"
            },
        )


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        from_source(tmp_path / "nothing")
