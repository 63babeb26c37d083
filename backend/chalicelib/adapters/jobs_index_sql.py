"""The tables of the jobs list and their statements."""

from __future__ import annotations

# Raised when the tables change, or what is written of the memory; files of another format are not read.
FORMAT = 2

# `rows` holds what is shown, packed; `memory` what a function holds in memory, as of the writing of a base file.
SCHEMA = """
CREATE TABLE jobs (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    tab TEXT NOT NULL,
    preset TEXT NOT NULL,
    gpu_tier TEXT NOT NULL,
    creator_id TEXT NOT NULL,
    creator_name TEXT NOT NULL,
    cost_micro_usd INTEGER NOT NULL,
    cost_bucket TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    clock_runs INTEGER NOT NULL,
    duration INTEGER,
    name_key TEXT NOT NULL,
    creator_key TEXT NOT NULL,
    tags TEXT NOT NULL
);
CREATE TABLE rows (n INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE tags (tag TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (tag, n)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
    name, description, notes, tags, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value ANY NOT NULL);
CREATE TABLE memory (part TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL);
"""

# In the order of the table.
PUT_JOB = """
INSERT OR REPLACE INTO jobs VALUES (
    :n, :id, :version, :status, :tab, :preset, :gpu_tier, :creator_id, :creator_name,
    :cost_micro_usd, :cost_bucket, :created_at, :started_at, :ended_at, :clock_runs, :duration, :name_key,
    :creator_key, :tags
) RETURNING n
"""
JOB = "SELECT * FROM jobs WHERE id = ?"
VERSION = "SELECT version FROM jobs WHERE id = ?"
NUMBER = "SELECT n FROM jobs WHERE id = ? AND version = ?"
NUMBERS = "SELECT n FROM jobs WHERE id IN (SELECT value FROM json_each(?))"
PUT_WORDS = "INSERT INTO words (rowid, name, description, notes, tags) VALUES (?, ?, ?, ?, ?)"
WORDS = "SELECT name, description, notes, tags FROM words WHERE rowid = ?"
ROWS = "SELECT n, row FROM rows WHERE n IN (SELECT value FROM json_each(?))"

# `running`: the jobs whose clock runs. Their durations grow alike, so that their order stands while they themselves do not.
SORT_COLUMNS = {
    "created_at": "created_at",
    "started_at": "started_at",
    "ended_at": "ended_at",
    "duration": "duration",
    "running": "started_at",
    "cost": "cost_micro_usd",
    "status": "status",
    "created_by": "creator_key",
    "name": "name_key",
}
_ORDERED = "SELECT n FROM jobs {where} ORDER BY {column} {way} NULLS LAST, id"
_ENTRY = "SELECT {column}, id FROM jobs WHERE n = ?"
_FEW = """
SELECT n, {key} AS key, id FROM jobs WHERE n IN (SELECT value FROM json_each(:numbers))
ORDER BY key {way} NULLS LAST, id
"""
_GROWING = "CASE WHEN clock_runs THEN :now - started_at ELSE duration END"
_HELD = {"duration": "WHERE NOT clock_runs", "running": "WHERE clock_runs"}
_WAYS = {True: "DESC", False: "ASC"}


def ordered(sort_by: str, descending: bool) -> str:
    """The numbers of the jobs that an order holds."""
    where = _HELD.get(sort_by, "")
    return _ORDERED.format(where=where, column=SORT_COLUMNS[sort_by], way=_WAYS[descending])


def entry(sort_by: str) -> str:
    return _ENTRY.format(column=SORT_COLUMNS[sort_by])


def few(sort_by: str, descending: bool) -> str:
    """Number, key and id of the jobs of a list of numbers, in their order at :now."""
    key = _GROWING if sort_by == "duration" else SORT_COLUMNS[sort_by]
    return _FEW.format(key=key, way=_WAYS[descending])


# Marks hits in a handful of rows copied here: in the table of all jobs each row would be sought anew among all hits.
MARKS = """
CREATE VIRTUAL TABLE words USING fts5(
    name, description, notes, tags, tokenize = "unicode61 remove_diacritics 2"
);
"""
MARKED = """
SELECT
    rowid,
    highlight(words, 0, char(2), char(3)),
    snippet(words, 1, char(2), char(3), '…', 32),
    snippet(words, 2, char(2), char(3), '…', 32),
    highlight(words, 3, char(2), char(3))
FROM words WHERE words MATCH ?
"""
