"""Summaries of SQLAlchemy's statements: columns, tables, conditions, and the bound values.

    Select ─▶ "<Select of users.id where users.town = ?>", parameters {"town": "Lisbon"}

No statement is compiled, because an application may extend the compiler. The parts are read from
the attributes of the statement and its elements. Values are question marks in the text, and kept
by the names of their columns, by which redaction hides secrets.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..core.raw import attribute_of, first_of, instance_dict, loaded, mro_of, name_of, stored
from .summary import FEW, Summary, Table, beginning

# A statement for people has less. (characters, elements, levels, values)
MOST_TEXT: Final = 400
_MOST_ELEMENTS: Final = 200
_MOST_LEVELS: Final = 8
_MOST_VALUES: Final = 200


def text_in(value: object) -> str:
    """A name as a plain text, because names of columns are of a subclass of str; "" for others."""
    if issubclass(type(value), str):
        return str.__str__(value)
    return ""


# -- the words of a statement


class _Words:
    """Writes a statement's elements as text, and collects the values."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self._left = _MOST_ELEMENTS

    def of(self, element: object, level: int = 0) -> str:
        """The text of an element. Beyond a bound, the name of its class."""
        self._left -= 1
        if level < _MOST_LEVELS and self._left > 0:
            write = _writer_for(type(element))
            if write is not None:
                return write(self, element, level + 1)
        return f"<{name_of(type(element))}>"

    def part(self, element: object, name: str, level: int) -> str:
        """The text of an element's part, by the name of the attribute."""
        return self.of(_stored(element, name), level)

    def listed(self, elements: Any, separator: str = ", ", level: int = 0) -> str:
        if type(elements) not in (list, tuple):
            return ""
        words = [self.of(each, level) for each in elements[:FEW]]
        if len(words) < len(elements):
            words.append("...")
        return separator.join(words)

    def keep(self, name: object, value: object) -> None:
        """Keeps a value under the name of its column."""
        column = key = text_in(name) or "value"
        if column in self.parameters:
            key = f"{column} {len(self.parameters)}"
        if len(self.parameters) < _MOST_VALUES:
            self.parameters[key] = value

    def held(self) -> dict[str, Any]:
        if self.parameters:
            return {"parameters": self.parameters}
        return {}


def _writer_for(cls: type) -> _Write | None:
    """The function for the first class of SQLAlchemy's in the table that is above a class."""
    mro = mro_of(cls)
    for (home, name), write in _ELEMENTS.items():
        known = loaded(home, name)
        if known is not None and any(parent is known for parent in mro):
            return write
    return None


def _stored(element: object, name: str) -> object:
    return instance_dict(element).get(name)


def _bound(words: _Words, element: object, level: int) -> str:
    words.keep(_stored(element, "_orig_key"), _stored(element, "value"))
    return "?"


def _named(words: _Words, element: object, level: int) -> str:
    name = text_in(_stored(element, "name"))
    if _stored(element, "table") is None:
        return name
    table = words.part(element, "table", level)
    return f"{table}.{name}"


def _constant(words: _Words, element: object, level: int) -> str:
    return name_of(type(element)).removesuffix("_").lower()


def _sql(words: _Words, element: object, level: int) -> str:
    return beginning(text_in(_stored(element, "text")), MOST_TEXT)


def _labelled(words: _Words, element: object, level: int) -> str:
    labelled = words.part(element, "_element", level)
    name = text_in(_stored(element, "name"))
    return f"{labelled} as {name}"


def _binary(words: _Words, element: object, level: int) -> str:
    left = words.part(element, "left", level)
    operator = _operator(_stored(element, "operator"))
    right = words.part(element, "right", level)
    return f"{left} {operator} {right}"


def _unary(words: _Words, element: object, level: int) -> str:
    before = _operator(_stored(element, "operator"))
    operand = words.part(element, "element", level)
    after = _operator(_stored(element, "modifier"))
    return f"{before} {operand} {after}".strip()


def _clauses(words: _Words, element: object, level: int) -> str:
    operator = _operator(_stored(element, "operator"))
    separator = f" {operator} "
    if operator == ",":
        separator = ", "
    text = words.listed(_stored(element, "clauses"), separator, level)
    if operator == "or":
        return f"({text})"
    return text


def _grouped(words: _Words, element: object, level: int) -> str:
    inner = words.part(element, "element", level)
    return f"({inner})"


def _called(words: _Words, element: object, level: int) -> str:
    name = text_in(_stored(element, "name"))
    if not name:
        _, of_class = attribute_of(mro_of(type(element)), "name")
        name = text_in(of_class) or name_of(type(element))
    arguments = words.part(element, "clause_expr", level)
    return f"{name}{arguments}"


def _operator(function: object) -> str:
    """The sign or name of an operator, which is a function; "" for none."""
    if type(function) is not types.FunctionType and type(function) is not types.BuiltinFunctionType:
        return ""
    name = str(function.__name__)
    if name in _SIGNS:
        return _SIGNS[name]
    return name.removesuffix("_op").removesuffix("_").replace("_", " ")


_SIGNS: Final = {
    "eq": "=",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "concat_op": "||",
    "inv": "not",
    "comma_op": ",",
}
_Write: TypeAlias = Callable[[_Words, object, int], str]
_ELEMENTS: Final[dict[tuple[str, str], _Write]] = {
    ("sqlalchemy.sql.elements", "ColumnClause"): _named,
    ("sqlalchemy.sql.elements", "BindParameter"): _bound,
    ("sqlalchemy.sql.elements", "BinaryExpression"): _binary,
    ("sqlalchemy.sql.elements", "UnaryExpression"): _unary,
    ("sqlalchemy.sql.elements", "Label"): _labelled,
    ("sqlalchemy.sql.elements", "TextClause"): _sql,
    ("sqlalchemy.sql.elements", "Null"): _constant,
    ("sqlalchemy.sql.elements", "True_"): _constant,
    ("sqlalchemy.sql.elements", "False_"): _constant,
    ("sqlalchemy.sql.elements", "Grouping"): _grouped,
    ("sqlalchemy.sql.elements", "ClauseList"): _clauses,
    ("sqlalchemy.sql.elements", "ExpressionClauseList"): _clauses,
    ("sqlalchemy.sql.functions", "FunctionElement"): _called,
    ("sqlalchemy.sql.selectable", "TableClause"): _named,
}

# -- statements

# attribute of a statement → the word before it, and what joins its elements
_PARTS: Final = {
    "_raw_columns": ("of", ", "),
    "table": ("on", ", "),
    "_from_obj": ("from", ", "),
    "_setup_joins": ("join", ", "),
    "_where_criteria": ("where", " and "),
    "_group_by_clauses": ("group by", ", "),
    "_having_criteria": ("having", " and "),
    "_order_by_clauses": ("order by", ", "),
    "_limit_clause": ("limit", ", "),
    "_offset_clause": ("offset", ", "),
}


def _statement(cls: object, value: object) -> Summary:
    words = _Words()
    text = name_of(type(value))
    for part, (lead, separator) in _PARTS.items():
        told = _part(words, part, _stored(value, part), separator)
        if told:
            text += f" {lead} {told}"
    _keep_values(words, _stored(value, "_values"))
    return Summary(f"<{beginning(text, MOST_TEXT)}>", held=words.held())


def _part(words: _Words, name: str, found: object, separator: str) -> str:
    if found is None:
        return ""
    if name == "_setup_joins" and type(found) is tuple:
        found = [each[0] for each in found if type(each) is tuple and each]  # the joined tables
    if type(found) in (list, tuple):
        return words.listed(found, separator)
    return words.of(found)


def _keep_values(words: _Words, values: object) -> None:
    """The values of an INSERT or UPDATE: column → a bound value, or an expression."""
    if not issubclass(type(values), dict):
        return
    bound = loaded("sqlalchemy.sql.elements", "BindParameter")
    for column, item in first_of(dict.items, values, _MOST_VALUES):
        name = text_in(column) or stored(column, "name")
        if any(cls is bound for cls in mro_of(type(item))):
            words.keep(name, instance_dict(item).get("value"))
        else:
            words.keep(name, words.of(item))


def _text_clause(cls: object, value: object) -> Summary:
    """text("SELECT …"), with the values that are bound to its names."""
    words = _Words()
    state = instance_dict(value)
    bound: Any = state.get("_bindparams")
    if type(bound) is dict:
        for name, parameter in first_of(dict.items, bound, _MOST_VALUES):
            words.keep(name, instance_dict(parameter).get("value"))
    sql = beginning(text_in(state.get("text")), MOST_TEXT)
    text = f"<{name_of(type(value))} {sql!r}>"
    return Summary(text, {"text": sql}, held=words.held())


STATEMENTS: Final[Table] = {
    ("sqlalchemy.orm", "Query"): _statement,
    ("sqlalchemy.sql.elements", "TextClause"): _text_clause,
    ("sqlalchemy.sql.selectable", "Select"): _statement,
    ("sqlalchemy.sql.dml", "Insert"): _statement,
    ("sqlalchemy.sql.dml", "Update"): _statement,
    ("sqlalchemy.sql.dml", "Delete"): _statement,
}
