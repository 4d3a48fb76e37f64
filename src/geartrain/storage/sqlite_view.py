# SPDX-License-Identifier: MIT
"""A view in SQLite files, with which any SQLite shell can read the jobs.

Jobs are packed (see `geartrain.core.packing`), many of them in one value. The view unpacks them with functions that
every SQLite has: ``instr`` finds a byte in a value of all bytes in order, which is the byte's number. A recursive query
walks from record to record. The rows of one record are

- step 1, with its head;
- step 2, with the numbers in the head;
- step 3, with the names and all tagged fields;
- step 3 again for each tagged field, with the value in its column and the fields behind it; the last row of these has
  no tagged fields left, and is the job.

So each piece is taken out of a bundle once: SQLite before 3.45 reads the whole bundle for each piece of it. A bundle is
done before the next one begins (``ORDER BY``, which SQLite leaves out unless there is a ``LIMIT``); in another order
the same walk takes two and a half times as long.
"""

from geartrain.core.packing import TAGS

__all__ = ["VIEW"]

_ALL_BYTES = "".join(f"{byte:02x}" for byte in range(256))
# The tagged fields that are shown.
_NUMBERS = ("run_at", "losses", "failures")
_BYTES = ("reducer", "schedule", "reason", "error")


def _number(value: str, at: int, size: int) -> str:
    """Return an expression for the big-endian number in some bytes of a value."""
    found = ""
    for place in range(at, at + size):
        byte = f"instr(all_bytes, substr({value}, {place}, 1)) - 1"
        found = f"({found} << 8 | {byte})" if found else f"({byte})"
    return found


def _piece(at: str, size: str) -> str:
    """Return an expression for a piece of the packed records."""
    return (
        f"iif(bundled, (SELECT substr(packed, {at}, {size}) FROM bundles WHERE last = key), "  # noqa: S608  # of constants
        f"(SELECT substr(packed, {at}, {size}) FROM jobs WHERE number = key))"
    )


def _on(step: str, new: str, old: str) -> str:
    """Return an expression for a column that changes on one step."""
    return f"iif({step}, {new}, {old})"


def _has_tag(column: str) -> str:
    """Return a condition: the first tagged field belongs to a column."""
    return f"substr(tagged, 1, 1) = x'{TAGS[column]:02x}'"


_IS_DONE = "step = 3 AND tagged = x''"
# The first tagged field: the length of its value, and the value as a number and as bytes.
_VALUE_SIZE = _number("tagged", 2, 4)
_NUMBER = _number("tagged", 6, 8)
_VALUE = f"substr(tagged, 6, {_VALUE_SIZE})"
_IS_TAGGED = "substr(head, 1, 1) = x'04'"
_NAMES = "handle_size + function_size + unique_size"
_COLUMNS = {
    "bundled": "bundled",
    "key": "key",
    "length": "length",
    "at": _on(_IS_DONE, "at + size", "at"),
    "step": _on(_IS_DONE, "1", "min(step + 1, 3)"),
    "head": _on(_IS_DONE, _piece("at + size", "38"), "head"),
    "job": _on("step = 1", _number("head", 3, 8), "job"),
    "created_at": _on("step = 1", _number("head", 11, 8), "created_at"),
    "names_at": _on("step = 1", f"at + iif({_IS_TAGGED}, 38, 34)", "names_at"),
    "handle_size": _on("step = 1", _number("head", 19, 4), "handle_size"),
    "function_size": _on("step = 1", _number("head", 23, 4), "function_size"),
    "unique_size": _on("step = 1", _number("head", 27, 4), "unique_size"),
    "workload_size": _on("step = 1", _number("head", 31, 4), "workload_size"),
    "tagged_size": _on("step = 1", f"iif({_IS_TAGGED}, {_number('head', 35, 4)}, 0)", "tagged_size"),
    "size": _on("step = 2", f"names_at - at + {_NAMES} + workload_size + tagged_size", "size"),
    "names": _on("step = 2", _piece("names_at", _NAMES), "names"),
    "tagged": f"""CASE
            WHEN step = 2 AND tagged_size THEN {_piece(f"names_at + {_NAMES} + workload_size", "tagged_size")}
            WHEN step = 3 AND tagged <> x'' THEN substr(tagged, 6 + {_VALUE_SIZE}) ELSE x'' END""",
}
for _column in _NUMBERS:
    _COLUMNS[_column] = f"CASE WHEN step < 3 THEN 0 WHEN {_has_tag(_column)} THEN {_NUMBER} ELSE {_column} END"
for _column in _BYTES:
    _COLUMNS[_column] = f"CASE WHEN step < 3 THEN x'' WHEN {_has_tag(_column)} THEN {_VALUE} ELSE {_column} END"
# Before the first record of a row or a bundle: as if a record of no size had been done.
_START = dict.fromkeys(_COLUMNS, "0") | {"length": "length(packed)", "at": "1", "step": "3", "tagged": "x''"}


def _start(**of_table: str) -> str:
    return ", ".join((_START | of_table).values())


def _time(column: str) -> str:
    return f"iif({column}, coalesce(datetime({column} / 1000, 'unixepoch'), {column}), NULL) AS {column}"


VIEW = f"""CREATE VIEW stored_jobs AS
WITH RECURSIVE
constants(all_bytes) AS (VALUES (x'{_ALL_BYTES}')),
walk({", ".join(_COLUMNS)}) AS (
    SELECT {_start(bundled="1", key="last")} FROM bundles
    UNION ALL
    SELECT {_start(bundled="0", key="number")} FROM jobs
    UNION ALL
    SELECT {", ".join(_COLUMNS.values())}
    FROM constants CROSS JOIN walk
    WHERE NOT ({_IS_DONE}) OR at + size <= length
    ORDER BY 2 LIMIT -1
)
SELECT
    job AS number,
    CAST(substr(names, 1, handle_size) AS TEXT) AS handle,
    CAST(substr(names, 1 + handle_size, function_size) AS TEXT) AS function,
    CAST(substr(names, 1 + handle_size + function_size) AS TEXT) AS "unique",
    CASE substr(head, 2, 1) WHEN x'00' THEN 'high' WHEN x'01' THEN 'normal' ELSE 'low' END AS priority,
    {_piece(f"names_at + {_NAMES}", "workload_size")} AS workload,
    {_time("created_at")},
    {_time("run_at")},
    losses,
    failures,
    {", ".join(f"CAST({column} AS TEXT) AS {column}" for column in _BYTES)}
FROM walk LEFT JOIN bitmaps ON bundled AND last = key
WHERE {_IS_DONE} AND size AND (NOT bundled OR substr(live, job - first + 1, 1) = x'01')"""  # noqa: S608  # of constants
