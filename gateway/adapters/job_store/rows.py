"""Values to JSON and back.

Times are whole microseconds since 1970 in UTC, so that their order and equality are exact.

Queries answer with one JSON text, built by SQLite's own JSON functions. The sqlite3 module lets go of the
interpreter's lock at every row; beside a busy event loop each row then waits up to 5 ms to get it back (100 rows:
124 ms one by one, 10 ms as one text). What is bound is a plain str, which costs it a quarter of an enum's member.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from attrs import frozen
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.preconf.orjson import make_converter

from gateway.adapters.job_store.schema import place_of
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Event
from gateway.domain.image_query import keywords_of
from gateway.domain.job import Counts, Image, Job, Status
from gateway.domain.options import BatchOptions
from gateway.domain.receipt import Answer
from gateway.ports.job_store import JobSummary

Row = Sequence[object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOTHING_SAID = BatchOptions()


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def moment(number: int) -> datetime:
    return _EPOCH + number * _MICROSECOND


# What is as its class has it by default is left out, which halves the file: so a default that changes here after a
# release needs a migration.
_converter = make_converter(detailed_validation=False, omit_if_default=True)
_converter.register_unstructure_hook(datetime, microseconds)
_converter.register_structure_hook(datetime, lambda number, _: moment(number))

_unstructured_without_image = make_dict_unstructure_fn(
    Event, _converter, _cattrs_omit_if_default=True, image=override(omit=True)
)


@frozen
class KeptJob:
    """A job and the integer key of its rows."""

    key: int
    job: Job


def to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def data_of(value: Image | BatchOptions | DeadLetter | Answer) -> str:
    return to_json(_converter.unstructure(value))


def options_data(options: BatchOptions) -> str | None:
    """The same for the same options; None where nothing was said."""
    return None if options == _NOTHING_SAID else data_of(options)


def job_row(kept: KeptJob) -> Row:
    job, counts = kept.job, kept.job.counts
    return (
        kept.key,
        job.job_id,
        microseconds(job.created_at),
        microseconds(job.updated_at),
        _maybe_microseconds(job.completed_at),
        _maybe_microseconds(job.cancelled_at),
        job.seq,
        job.status.value,
        counts.completed,
        counts.failed,
        counts.cancelled,
        counts.open,
        options_data(job.options),
        job.retry_of,
        _maybe_microseconds(job.started_at),
    )


def image_row(key: int, image: Image) -> Row:
    return (
        place_of(key, image.index),
        image.stage.value,
        _maybe_microseconds(image.not_before),
        _maybe_microseconds(image.published_at),
        data_of(image),
    )


def keyword_rows(key: int, image: Image) -> Iterable[Row]:
    """By what the image is found, each with its place."""
    place = place_of(key, image.index)
    return [(keyword, place) for keyword in keywords_of(image)]


def event_row(key: int, event: Event, image_row_of: Mapping[int, Row]) -> Row:
    """`image_row_of` has the rows of images that are written with it, by their `id`: its image's JSON is there."""
    told = _unstructured_without_image(event)
    if event.image is not None:
        row = image_row_of.get(id(event.image))
        told["image"] = orjson.Fragment(data_of(event.image) if row is None else str(row[-1]))
    return place_of(key, event.seq), to_json(told)


def kept_job(row: Sequence[Any], images: Iterable[object]) -> KeptJob:
    """A job from the columns key, job_id, created, updated, completed, cancelled at, seq, options, retry_of."""
    key, job_id, created_at, updated_at, completed_at, cancelled_at, seq, options, retry_of = row
    members = map(image_of, images)
    job = Job(
        job_id=job_id,
        created_at=moment(created_at),
        updated_at=moment(updated_at),
        completed_at=_maybe_moment(completed_at),
        cancelled_at=_maybe_moment(cancelled_at),
        seq=seq,
        images=tuple(sorted(members, key=lambda image: image.index)),
        options=_NOTHING_SAID if options is None else _converter.structure(options, BatchOptions),
        retry_of=retry_of,
    )
    return KeptJob(key, job)


def job_summary(row: Sequence[Any]) -> JobSummary:
    """A job in a list, from the columns that the query names."""
    _, job_id, created_at, updated_at, started_at, cancelled_at, completed_at, *others = row
    retry_of, seq, status, *counts = others
    return JobSummary(
        job_id=job_id,
        status=Status(status),
        counts=Counts(*counts),
        created_at=moment(created_at),
        updated_at=moment(updated_at),
        started_at=_maybe_moment(started_at),
        cancelled_at=_maybe_moment(cancelled_at),
        completed_at=_maybe_moment(completed_at),
        retry_of=retry_of,
        seq=seq,
    )


def image_of(value: object) -> Image:
    return _converter.structure(value, Image)


def event_of(value: object) -> Event:
    return _converter.structure(value, Event)


def letter_row(letter: DeadLetter) -> Row:
    """All columns of a dead letter but its key."""
    return letter.dead_letter_id, letter.job_id, microseconds(letter.at), data_of(letter)


def letter_of(value: object) -> DeadLetter:
    return _converter.structure(value, DeadLetter)


def answer_row(answer: Answer) -> Row:
    return answer.key, microseconds(answer.expires_at), data_of(answer)


def answer_of(value: object) -> Answer:
    return _converter.structure(value, Answer)


def fetch_json(connection: sqlite3.Connection, query: str, parameters: dict[str, object]) -> Any:
    """The value of a query that answers with one row of one JSON text; None when there is no row."""
    row = connection.execute(query, parameters).fetchone()
    return None if row is None or row[0] is None else orjson.loads(row[0])


def _maybe_microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment)


def _maybe_moment(number: int | None) -> datetime | None:
    return None if number is None else moment(number)
