"""What programs hold of SQLAlchemy is kept without a query: rows, sessions, connections,
statements.
"""

# ruff: noqa: E402  # the library may be absent
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

sa = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")

from sqlalchemy import orm
from sqlalchemy.ext.compiler import compiles
from test_summaries import arrived


class Base(orm.DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    town = orm.mapped_column(sa.String)
    password = orm.mapped_column(sa.String)


class Uncompiled(sa.sql.expression.ColumnElement):
    inherit_cache = False


@compiles(Uncompiled)
def _compiled(element: Any, compiler: Any, **how: Any) -> str:
    raise AssertionError("a statement was compiled")


@pytest.fixture
def session() -> Iterator[Any]:
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(User(id=1, town="Lisbon", password="tiger"))
        session.flush()
        statements: list[str] = []
        sa.event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        session.info["statements"] = statements
        yield session
    engine.dispose()


def told(value: object) -> str:
    """The text and the attributes of a value that arrived; no secret is in them."""
    found = arrived(value)
    text = f"{found!r} {vars(found)}"
    assert "tiger" not in text
    return text


def test_rows(session: Any) -> None:
    """A row has its values by the names of its columns; a secret's is hidden."""
    found = arrived(session.execute(sa.select(User.id, User.town, User.password)).first())
    assert repr(found) == "Row(id=1, town='Lisbon', password='<redacted>')"
    assert (found.id, found.town, len(found)) == (1, "Lisbon", 3)
    assert "tiger" not in str(vars(found))
    mapping = session.execute(sa.text("select id, town from users")).mappings().first()
    assert repr(arrived(mapping)) == "RowMapping(id=1, town='Lisbon')"
    of_objects = arrived(session.execute(sa.select(User)).first())
    assert of_objects.User.town == "Lisbon" and "tiger" not in told(of_objects)
    same_names = session.execute(sa.text("select 1 as a, 2 as a")).first()
    assert sorted(vars(arrived(same_names)).values()) == [1, 2]


def test_sessions(session: Any) -> None:
    """A session says how many objects it will write, and where; nothing is written for it."""
    session.get(User, 1).town = "Porto"
    session.add(User(id=2))
    session.info["statements"].clear()
    found = arrived(session)
    assert (found.new, found.dirty, found.deleted, found.loaded) == (1, 1, 0, 1)
    assert found.bind == "sqlite://" and found.in_transaction
    assert repr(found).endswith("loaded=1, in a transaction, to sqlite://>")
    assert session.info["statements"] == []
    with session.no_autoflush:
        session.delete(session.get(User, 1))
        assert arrived(session).deleted == 1


def test_connections() -> None:
    """Engines, connections and URLs have the address, without password and query."""
    url = sa.URL.create(
        "postgresql+psycopg", "scott", "tiger", "db", 5432, "shop", {"sslpassword": "tiger"}
    )
    assert "<URL postgresql+psycopg://scott@db:5432/shop>" in told(url)
    engine = sa.create_engine("sqlite:///:memory:")
    assert repr(arrived(engine)) == "<Engine to sqlite:///:memory:>"
    connection = engine.connect()
    assert repr(arrived(connection)) == "<Connection to sqlite:///:memory:>"
    connection.close()
    assert repr(arrived(connection)) == "<Connection closed, to sqlite:///:memory:>"
    engine.dispose()


def test_statements(session: Any) -> None:
    """A statement has columns, tables and conditions; its values, by the names of their columns."""
    wanted = sa.select(User.id, sa.func.count(User.town).label("towns")).where(
        User.town == "Lisbon", sa.or_(User.id > 3, User.password == "tiger")
    )
    text = told(wanted.group_by(User.id).order_by(User.id.desc()).limit(5))
    assert "Select of users.id, count(users.town) as towns where users.town = ? and " in text
    assert "group by users.id order by users.id desc limit ?" in text
    assert arrived(wanted).parameters["town"] == "Lisbon" and arrived(wanted).parameters["id"] == 3
    assert told(session.query(User).filter(User.id == 3)).startswith(
        "<Query of users where users.id = ?>"
    )
    changed = sa.update(User).where(User.id == 3).values(town="Porto", password="tiger")
    assert "Update on users where users.id = ?" in told(changed)
    assert arrived(changed).parameters["town"] == "Porto"
    assert "Insert on users" in told(sa.insert(User).values(town="Porto", password="tiger"))
    assert "Delete on users" in told(sa.delete(User))
    joined = sa.select(User).join(sa.table("orders", sa.column("at")), sa.column("at") == User.id)
    assert repr(arrived(joined)) == "<Select of users join orders>"
    text = sa.text("select * from users where id = :id and password = :password")
    assert "select * from users where id = :id" in told(text.bindparams(id=1, password="tiger"))
    assert arrived(text.bindparams(id=1)).parameters["id"] == 1


def test_nothing_is_compiled(session: Any) -> None:
    """An element of the application's own, and a huge statement, cost no code and little text."""
    assert "Select of <Uncompiled>" in told(sa.select(Uncompiled()))
    condition: Any = User.id == 0
    for _ in range(50):
        condition = sa.or_(sa.and_(condition, User.id == 1), *[User.id == n for n in range(20)])
    assert len(repr(arrived(sa.select(User).where(condition)))) < 500
