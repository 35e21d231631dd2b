"""Images over all jobs: pages and totals by keyword and by status.

A page costs as much as it shows. A total is read where it is kept; of keywords it is counted along their index, of
open images over all that are open: 0.1 s for a million. Of several keywords the rarest leads the way.
"""

import sqlite3

from gateway.adapters.job_store.queries import before_cursor
from gateway.adapters.job_store.rows import fetch_json, image_of, to_json
from gateway.adapters.job_store.schema import NUMBER_BITS, STATUS_OF_ENDED
from gateway.domain.image_query import ImageQuery
from gateway.domain.job import Stage, Status
from gateway.ports.image_search import FoundImage, ImagePage

_PAGE = f"""
SELECT json_array(({{total}}), (
    SELECT json_group_array(json_array(place, job_id, json(data))) FROM (
        SELECT place, job_id, data FROM ({{places}})
        CROSS JOIN images USING (place) CROSS JOIN jobs ON key = place >> {NUMBER_BITS} ORDER BY place DESC
    )
))
"""  # noqa: S608 - composed of the statements below
_NEXT = "place < :before ORDER BY place DESC LIMIT :limit"

_COUNT_OPEN = "SELECT count(*) FROM images WHERE stage <> 'ended'"

ALL = _PAGE.format(
    total=f"SELECT sum(images) + ({_COUNT_OPEN}) FROM tallies",  # noqa: S608
    places=f"SELECT place FROM images WHERE {_NEXT}",  # noqa: S608
)
ENDED_BY_STATUS = _PAGE.format(
    total="SELECT images FROM tallies WHERE status = :status",
    places=f"SELECT place FROM images WHERE stage = 'ended' AND {STATUS_OF_ENDED} = :status AND {_NEXT}",  # noqa: S608
)

_HAS_STATUS = "coalesce(json_extract(data, '$.status'), 'pending') = :status"
# One stage after the other, for in each of them the index of open images has them in their order.
_OPEN_PLACES = " UNION ALL ".join(
    f"""SELECT place FROM (
        SELECT place FROM images WHERE stage = '{stage}' AND stage <> 'ended' AND {_HAS_STATUS} AND {_NEXT}
    )"""  # noqa: S608
    for stage in Stage
    if stage is not Stage.ENDED
)
OPEN_BY_STATUS = _PAGE.format(
    total=f"{_COUNT_OPEN} AND {_HAS_STATUS}",
    places=f"SELECT place FROM ({_OPEN_PLACES}) ORDER BY place DESC LIMIT :limit",  # noqa: S608
)


def by_keywords(number: int) -> str:
    """The question after images that have so many keywords, `:keyword_0` and so on."""
    also = "".join(
        f" AND EXISTS (SELECT 1 FROM keywords WHERE keyword = :keyword_{n} AND place = found.place)"  # noqa: S608
        for n in range(1, number)
    )
    found = f"FROM keywords AS found WHERE keyword = :keyword_0{also}"
    return _PAGE.format(total=f"SELECT count(*) {found}", places=f"SELECT place {found} AND {_NEXT}")


# Told exactly only where it is worth it: among keywords of that many images any may go first.
_COMMON = 10_000
RARITY = f"""
SELECT json_group_array(json_array(images, keyword)) FROM (
    SELECT value AS keyword, (
        SELECT count(*) FROM (SELECT 1 FROM keywords WHERE keyword = asked.value LIMIT {_COMMON})
    ) AS images FROM json_each(:keywords) AS asked
)
"""  # noqa: S608 - composed of the constant above


def find_images(
    connection: sqlite3.Connection, query: ImageQuery, *, limit: int, cursor: str | None
) -> ImagePage:
    before = before_cursor(cursor)
    if query.keywords and query.status not in (None, Status.COMPLETED):
        return ImagePage((), 0)  # no other image has words
    asked: dict[str, object] = {"before": before, "limit": limit + 1, "status": query.status}
    asked |= {f"keyword_{n}": keyword for n, keyword in enumerate(_rarest_first(connection, query))}
    total, rows = fetch_json(connection, _question(query), asked)
    shown = rows[:limit]
    next_cursor = str(shown[-1][0]) if shown and len(rows) > limit else None
    return ImagePage(
        tuple(FoundImage(job_id, image_of(data)) for _, job_id, data in shown), total, next_cursor
    )


def _rarest_first(connection: sqlite3.Connection, query: ImageQuery) -> list[str]:
    if len(query.keywords) < 2:
        return list(query.keywords)
    found = fetch_json(connection, RARITY, {"keywords": to_json(list(query.keywords))})
    return [keyword for _, keyword in sorted(found)]


def _question(query: ImageQuery) -> str:
    if query.keywords:
        return by_keywords(len(query.keywords))
    if query.status is None:
        return ALL
    return ENDED_BY_STATUS if query.status.is_final else OPEN_BY_STATUS
