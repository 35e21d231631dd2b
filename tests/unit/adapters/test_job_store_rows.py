"""Values of the job store to rows and back, and the job store's settings."""

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.job_store.rows import (
    KeptJob,
    data_of,
    event_of,
    event_row,
    image_row,
    job_row,
    kept_job,
    microseconds,
    moment,
)
from gateway.adapters.job_store.schema import place_of
from gateway.adapters.job_store.settings import JobStoreSettings
from gateway.domain.events import Event, EventType
from gateway.domain.job import Counts, Failure, Image, ImageRef, Job, Original, Status
from gateway.domain.options import BatchOptions
from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
moments = st.datetimes(timezones=st.just(UTC))
sizes = st.integers(0, 2**53)
images = st.builds(
    Image,
    index=st.integers(0, 99),
    original_filename=texts,
    trace_id=texts,
    source_url=st.none() | texts,
    original=st.none() | st.builds(Original, texts, texts, sizes, texts),
    status=st.sampled_from(Status),
    interruptions=st.integers(0, 9),
    published_at=st.none() | moments,
    not_before=st.none() | moments,
    start_time=st.none() | moments,
    end_time=st.none() | moments,
    processed_path=st.none() | texts,
    metadata=st.none() | st.builds(Metadata, texts, texts, st.lists(texts, max_size=3).map(tuple), texts),
    failure=st.none() | st.builds(Failure, texts, texts),
    reused_from=st.none() | st.builds(ImageRef, texts, st.integers(0, 99)),
)
counts = st.builds(Counts, sizes, sizes, sizes, sizes)
events = st.builds(
    Event,
    seq=sizes,
    type=st.sampled_from(EventType),
    at=moments,
    status=st.sampled_from(Status),
    counts=counts,
    image=st.none() | images,
)

policies = st.none() | st.sampled_from(FieldPolicy)
options = st.builds(BatchOptions, st.none() | st.builds(MetadataPolicy, policies, policies, policies))


@given(events, st.booleans())
def test_every_event_is_read_back_with_its_image(event, is_image_written_with_it):
    images = [event.image] if event.image and is_image_written_with_it else []
    place, data = event_row(3, event, {id(image): image_row(3, image) for image in images})
    assert place == place_of(3, event.seq)
    assert event_of(orjson.loads(str(data))) == event


@given(
    st.lists(images, max_size=4, unique_by=lambda image: image.index),
    moments,
    st.none() | moments,
    options,
    st.none() | texts,
)
def test_every_job_is_read_back_from_its_rows_in_any_order(members, created_at, ended_at, options, retry_of):
    job = Job(
        job_id="j",
        created_at=created_at,
        updated_at=created_at,
        images=tuple(sorted(members, key=lambda image: image.index)),
        seq=7,
        options=options,
        cancelled_at=ended_at,
        completed_at=ended_at,
        retry_of=retry_of,
    )
    row = job_row(KeptJob(3, job))
    said, tries_again = row[12:14]
    asked_for = None if said is None else orjson.loads(str(said))
    stored = [orjson.loads(data_of(image)) for image in reversed(job.images)]
    assert kept_job([*row[:7], asked_for, tries_again], stored) == KeptJob(3, job)


@given(moments, moments)
def test_times_keep_their_order_and_equality(one, other):
    assert (microseconds(one) < microseconds(other)) == (one < other)
    assert moment(microseconds(one)) == one


def test_one_moment_in_two_zones_is_one_number():
    elsewhere = datetime(2025, 11, 18, 10, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert microseconds(elsewhere) == microseconds(elsewhere.astimezone(UTC))


@pytest.mark.parametrize("wrong", [{"kind": "redis"}, {"synchronous": "off"}])
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(ValueError, match="must be in"):
        JobStoreSettings(**wrong)
