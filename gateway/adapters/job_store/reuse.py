"""Analysed images: found by their content, and which jobs name the tagged copy of another job's image.

A copy is noted for both, the job that made it and the one that reuses it, so that either may be removed first.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from gateway.adapters.job_store.rows import Row, fetch_json, image_of, options_data, to_json
from gateway.adapters.job_store.schema import CONTENT_KEY, IS_ANALYSED, NUMBER_BITS
from gateway.domain.job import Image, ImageRef
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed
from gateway.ports.reuse import SourceGone

_LOOKED_AT = 100  # of one content: who sends it all the time with other options must not hold up the rest

FIND = f"""
SELECT json_group_array(json_array(sha256, job_id, json(data))) FROM (
    SELECT value AS sha256, (
        SELECT place FROM (
            SELECT place FROM images
            WHERE {CONTENT_KEY} = substr(asked.value, 1, 16) AND {IS_ANALYSED}
                AND json_extract(data, '$.original.sha256') = asked.value
            ORDER BY place DESC LIMIT {_LOOKED_AT}
        ) CROSS JOIN jobs ON key = place >> {NUMBER_BITS}
        WHERE options IS :options AND key NOT IN (SELECT job_key FROM retired)
        ORDER BY place DESC LIMIT 1
    ) AS found FROM json_each(:sha256s) AS asked
) CROSS JOIN images ON place = found CROSS JOIN jobs ON key = place >> {NUMBER_BITS}
"""  # noqa: S608 - composed of the constants above

_KEYS = """
SELECT json_group_object(job_id, key) FROM jobs WHERE job_id IN (SELECT value FROM json_each(:job_ids))
"""
_KEYS_OF_KEPT = """
SELECT json_group_object(job_id, key) FROM jobs WHERE job_id IN (SELECT value FROM json_each(:job_ids))
    AND key NOT IN (SELECT job_key FROM retired)
"""
SHARE = "INSERT OR IGNORE INTO shared_processed VALUES (?, ?)"
SHARED_WITH_OTHERS = """
SELECT json_group_array(object_key) FROM shared_processed AS mine
WHERE job_key IN (SELECT value FROM json_each(:mine)) AND EXISTS (
    SELECT 1 FROM shared_processed AS others WHERE others.object_key = mine.object_key
    AND others.job_key NOT IN (SELECT value FROM json_each(:withdrawn))
    AND others.job_key NOT IN (SELECT job_key FROM retired)
)
"""
IS_SHARED = "SELECT EXISTS (SELECT 1 FROM shared_processed WHERE object_key = :object_key)"


def find_analysed(
    connection: sqlite3.Connection, sha256s: Collection[str], options: BatchOptions
) -> Mapping[str, Analysed]:
    asked: dict[str, object] = {"sha256s": to_json(list(sha256s)), "options": options_data(options)}
    found = fetch_json(connection, FIND, asked)
    return {sha256: _analysed(job_id, image_of(data)) for sha256, job_id, data in found}


def _analysed(job_id: str, image: Image) -> Analysed:
    return Analysed(ImageRef(job_id, image.index), image.processed_path or "", image.metadata)


def is_shared(connection: sqlite3.Connection, processed_path: str) -> bool:
    return bool(connection.execute(IS_SHARED, {"object_key": processed_path}).fetchone()[0])


def keys_of(connection: sqlite3.Connection, job_ids: Sequence[str]) -> dict[str, int]:
    """Of those of the jobs that are there."""
    return dict(fetch_json(connection, _KEYS, {"job_ids": to_json(job_ids)}))


def shares(
    connection: sqlite3.Connection, job_key: int, reusing: Sequence[Image], gone: Collection[str]
) -> Sequence[Row]:
    """The notes of what these images of the job reuse. Raises SourceGone, also for the jobs that are `gone`."""
    sources = [(image.processed_path, image.reused_from.job_id) for image in reusing if image.reused_from]
    job_ids = list({job_id for _, job_id in sources})
    kept = fetch_json(connection, _KEYS_OF_KEPT, {"job_ids": to_json(job_ids)})
    if not kept.keys() >= set(job_ids) or not kept.keys().isdisjoint(gone):
        raise SourceGone("An image that was to be reused is about to be removed.")
    return [(path, key) for path, job_id in sources for key in (kept[job_id], job_key)]


def shared_with_others(
    connection: sqlite3.Connection, mine: Collection[int], withdrawn: Collection[int]
) -> frozenset[str]:
    """The keys of tagged copies that these jobs name, and others too that are neither withdrawn nor retired."""
    asked: dict[str, object] = {"mine": to_json(list(mine)), "withdrawn": to_json(list(withdrawn))}
    return frozenset(fetch_json(connection, SHARED_WITH_OTHERS, asked))
