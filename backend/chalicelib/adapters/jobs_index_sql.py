"""The tables of the jobs list, and the one statement that answers every question about it.

Each filter becomes a flag of a matched row, so that a facet can be counted with every filter but its own.
"""

from __future__ import annotations

# Raised when the tables change; files of another format are not read.
FORMAT = 1

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
    clock_runs INTEGER NOT NULL,
    duration INTEGER,
    name_key TEXT NOT NULL,
    creator_key TEXT NOT NULL,
    tags TEXT NOT NULL,
    row TEXT NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5(
    name, description, notes, tags, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

INSERT = """
INSERT INTO jobs VALUES (
    NULL, :id, :version, :status, :tab, :preset, :gpu_tier, :creator_id, :creator_name, :cost_micro_usd,
    :cost_bucket, :created_at, :started_at, :clock_runs, :duration, :name_key, :creator_key, :tags, :row
) RETURNING n
"""

_MATCHED = """
WITH matched AS MATERIALIZED (
    SELECT
        n, id, tab, status, preset, gpu_tier, creator_id, creator_name, cost_micro_usd, cost_bucket,
        CASE :sort_by
            WHEN 'started_at' THEN started_at
            WHEN 'duration' THEN CASE WHEN clock_runs THEN :now - started_at ELSE duration END
            WHEN 'cost' THEN cost_micro_usd
            WHEN 'status' THEN status
            WHEN 'created_by' THEN creator_key
            WHEN 'name' THEN name_key
            ELSE created_at
        END AS sort_key,
        (:tab = 'all' OR tab = :tab) AS f_tab,
        (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses))) AS f_status,
        (:presets IS NULL OR preset IN (SELECT value FROM json_each(:presets))) AS f_preset,
        (:created_by IS NULL OR creator_id IN (SELECT value FROM json_each(:created_by))) AS f_creator,
        (:gpu_tiers IS NULL OR gpu_tier IN (SELECT value FROM json_each(:gpu_tiers))) AS f_gpu,
        (:costs IS NULL OR cost_bucket IN (SELECT value FROM json_each(:costs))) AS f_cost
    FROM jobs
    WHERE (
        (:reaches_now AND tab = 'active')
        OR ((:created_from IS NULL OR created_at >= :created_from)
            AND (:created_before IS NULL OR created_at < :created_before))
    )
    AND (
        :tags IS NULL
        OR EXISTS (SELECT 1 FROM json_each(jobs.tags) AS own
                   WHERE own.value IN (SELECT value FROM json_each(:tags)))
    )
    AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
    %(search)s
)
"""

_SEARCHED = "AND n IN (SELECT rowid FROM words WHERE words MATCH :match)"

_PLACED = """
SELECT n, row_number() OVER (
    ORDER BY sort_key IS NULL,
        CASE WHEN :descending THEN sort_key END DESC,
        CASE WHEN NOT :descending THEN sort_key END ASC,
        id
) AS place
FROM matched
WHERE f_tab AND f_status AND f_preset AND f_creator AND f_gpu AND f_cost
"""

_PAGE = f", page AS MATERIALIZED ({_PLACED} ORDER BY place LIMIT :limit OFFSET :offset),"

_COUNTED = """
SELECT jobs.row, (SELECT count(*) FROM placed) FROM placed JOIN jobs USING (n) ORDER BY place LIMIT :limit
"""
_EVERY = f", placed AS MATERIALIZED ({_PLACED})" + _COUNTED

_MARKED = """
marked AS MATERIALIZED (
    SELECT
        rowid AS n,
        highlight(words, 0, char(2), char(3)) AS name,
        snippet(words, 1, char(2), char(3), '…', 32) AS description,
        snippet(words, 2, char(2), char(3), '…', 32) AS notes,
        highlight(words, 3, char(2), char(3)) AS tags
    FROM words
    WHERE words MATCH :match AND rowid IN (SELECT n FROM page)
)
"""

_UNMARKED = "marked AS (SELECT NULL AS n, '' AS name, '' AS description, '' AS notes, '' AS tags WHERE 0)"

_ANSWER = """
SELECT json_object(
    'total', (SELECT count(*) FROM matched
              WHERE f_tab AND f_status AND f_preset AND f_creator AND f_gpu AND f_cost),
    'rows', json((SELECT json_group_array(json_object(
                 'row', json(jobs.row), 'name', marked.name, 'description', marked.description,
                 'notes', marked.notes, 'tags', marked.tags) ORDER BY place)
             FROM page JOIN jobs USING (n) LEFT JOIN marked USING (n))),
    'tab', json((SELECT json_group_object(tab, jobs) FROM (
                SELECT tab, count(*) AS jobs FROM matched
                WHERE f_status AND f_preset AND f_creator AND f_gpu AND f_cost GROUP BY tab))),
    'status', json((SELECT json_group_object(status, jobs) FROM (
                SELECT status, count(*) AS jobs FROM matched
                WHERE f_tab AND f_preset AND f_creator AND f_gpu AND f_cost GROUP BY status))),
    'preset', json((SELECT json_group_object(preset, jobs) FROM (
                SELECT preset, count(*) AS jobs FROM matched
                WHERE f_tab AND f_status AND f_creator AND f_gpu AND f_cost GROUP BY preset))),
    'gpu_tier', json((SELECT json_group_object(gpu_tier, jobs) FROM (
                SELECT gpu_tier, count(*) AS jobs FROM matched
                WHERE f_tab AND f_status AND f_preset AND f_creator AND f_cost GROUP BY gpu_tier))),
    'created_by', json((SELECT json_group_array(json_object('id', creator_id, 'name', name, 'count', jobs)
                       ORDER BY jobs DESC, name, creator_id) FROM (
                SELECT creator_id, max(creator_name) AS name, count(*) AS jobs FROM matched
                WHERE f_tab AND f_status AND f_preset AND f_gpu AND f_cost GROUP BY creator_id))),
    'cost', json((SELECT json_group_object(cost_bucket, json_array(jobs, micro_usd)) FROM (
                SELECT cost_bucket, count(*) AS jobs, sum(cost_micro_usd) AS micro_usd FROM matched
                WHERE f_tab AND f_status AND f_preset AND f_creator AND f_gpu GROUP BY cost_bucket)))
)
"""

LIST_ALL = _MATCHED % {"search": ""} + _PAGE + _UNMARKED + _ANSWER
LIST_FOUND = _MATCHED % {"search": _SEARCHED} + _PAGE + _MARKED + _ANSWER
EVERY_ALL = _MATCHED % {"search": ""} + _EVERY
EVERY_FOUND = _MATCHED % {"search": _SEARCHED} + _EVERY
