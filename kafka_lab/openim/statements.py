"""Many rows in few statements.

SQLite gives the interpreter away at each row that it steps to, and another thread that works then keeps it
for 5 ms (``sys.getswitchinterval()``): a batch must be few steps.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any

__all__ = ["chunks", "find", "insert", "select_json"]

_CHUNK = 400  # rows of a statement


def find(
    database: sqlite3.Connection, table: str, value: str, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """Return of pairs of user and clientMsgID those that a table has, and what it has of them."""
    found: dict[tuple[str, str], int] = {}
    for some in chunks(list(keys)):
        marks = ", ".join(["(?, ?)"] * len(some))
        query = (  # each key is looked up; of "(user, clientMsgID) IN (VALUES ...)" SQLite makes a scan
            f"SELECT json_group_array(json_array(user, clientMsgID, {value})) "  # noqa: S608 - our words
            f"FROM (VALUES {marks}) CROSS JOIN {table} ON user = column1 AND clientMsgID = column2"
        )
        parameters = [part for key in some for part in key]
        found.update({(user, name): each for user, name, each in select_json(database, query, parameters)})
    return found


def insert(database: sqlite3.Connection, how: str, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows; ``how`` is what SQL begins with, such as ``INSERT OR IGNORE``."""
    for some in chunks(rows):
        marks = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
        database.execute(f"{how} INTO {table} VALUES {marks}", [value for row in some for value in row])


def select_json(database: sqlite3.Connection, query: str, parameters: Sequence[str]) -> list[Any]:
    """Return the rows of a query that gathers them in one JSON array."""
    ((rows,),) = database.execute(query, parameters).fetchall()
    return list(json.loads(rows))


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the parts of what is too long for one statement."""
    for begin in range(0, len(items), _CHUNK):
        yield items[begin : begin + _CHUNK]
