"""Who goes next: jobs take turns, so that a batch of one is not stuck behind a hundred batches of a hundred."""

from collections.abc import Mapping, Sequence
from itertools import chain, islice, zip_longest

from attrs import frozen


@frozen
class Waiting:
    """An image that waits to be fetched or published."""

    job_id: str
    index: int


def each(waiting: Mapping[str, Sequence[int]]) -> list[Waiting]:
    """All of them, job by job."""
    return [Waiting(job_id, index) for job_id, indices in waiting.items() for index in indices]


def take_turns(waiting: Mapping[str, Sequence[int]], room: int) -> list[Waiting]:
    """At most `room` waiting images: one of each job in turn, jobs in the order given, images by their index."""
    lanes = [[Waiting(job_id, index) for index in indices] for job_id, indices in waiting.items()]
    rounds = chain.from_iterable(zip_longest(*lanes))
    return list(islice((image for image in rounds if image is not None), max(0, room)))
