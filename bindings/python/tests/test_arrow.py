"""Answers as Arrow tables."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import fustor
import pyarrow as pa
from fustor import Event, Facts, View
from hypothesis import given
from hypothesis import strategies as st


def test_a_snapshot_is_a_table(planted: Path) -> None:
    snapshot = fustor.scan(planted).snapshot()
    table = pa.table(snapshot)
    entries = list(snapshot.walk())
    table.validate(full=True)
    assert table.num_rows == len(entries) == 2005
    assert table["size"].to_pylist() == [entry.size for entry in entries]
    assert table["kind"].to_pylist() == [entry.kind for entry in entries]
    assert table["mtime"].cast(pa.int64()).to_pylist() == [entry.mtime_ns for entry in entries]
    assert table["inode"].to_pylist() == [entry.inode for entry in entries]
    assert table["mode"].to_pylist() == [entry.mode for entry in entries]
    for row, entry in zip(table.select(["path", "path_bytes"]).to_pylist(), entries, strict=True):
        exact = row["path_bytes"] if row["path_bytes"] is not None else os.fsencode(row["path"])
        assert exact == entry.path_bytes
    assert table["path_bytes"].null_count == 2004


def test_a_search_is_a_table_wherever_its_iteration_stands(planted: Path) -> None:
    found = fustor.scan(planted).snapshot().find("/a", min_size=1990, type="f")
    assert next(found).path == "/a/f1990.csv"
    assert pa.table(found)["size"].to_pylist() == list(range(1990, 2000))
    assert next(found).path == "/a/f1991.csv"


def test_nothing_is_a_table_too() -> None:
    table = pa.table(View().snapshot())
    assert table.num_rows == 0 and "path" in table.column_names


def test_duckdb_sums_by_suffix(planted: Path) -> None:
    table = pa.table(fustor.scan(planted).snapshot())
    query = """
        select regexp_extract(path, '[.][a-z]+$') as suffix, count(*), sum(size)::bigint
        from "table" where kind = 'file' group by suffix order by suffix
    """
    with duckdb.connect() as connection:
        rows = connection.from_arrow(table).query("table", query).fetchall()
    assert rows == [("", 1, 0), (".csv", 2000, 1999000), (".txt", 1, 5)]


@given(st.lists(st.binary(min_size=1, max_size=8).filter(lambda name: b"/" not in name and b"\0" not in name), unique=True))
def test_every_name_survives(names: list[bytes]) -> None:
    names = [b"n" + name for name in names]
    view = View()
    view.apply(2, [Event.listing("/", [(name, Facts()) for name in names], at=1)])
    table = pa.table(view.snapshot())
    table.validate(full=True)
    exact = [
        row["path_bytes"] if row["path_bytes"] is not None else row["path"].encode()
        for row in table.select(["path", "path_bytes"]).to_pylist()
    ]
    assert exact == sorted(b"/" + name for name in names)
