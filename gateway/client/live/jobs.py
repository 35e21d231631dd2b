"""Those of many jobs that are still followed, and how far each has been told."""

from collections.abc import Callable, Iterable, Mapping
from typing import Self

from attrs import define, field

from gateway.client.errors import Refused
from gateway.client.live.one_job import no_such_job
from gateway.client.live.told import Told

OnLost = Callable[[str, Refused], None]


@define(eq=False)
class Jobs:
    """By their ids."""

    open: dict[str, Told]
    _on_lost: OnLost | None = field(default=None)

    @classmethod
    def of(cls, job_ids: Iterable[str], after: Mapping[str, str], on_lost: OnLost | None) -> Self:
        # A gateway takes ids in capitals too, but says them in small letters.
        positions = {job_id.lower(): position for job_id, position in after.items()}
        return cls({job_id: Told(positions.get(job_id)) for job_id in map(str.lower, job_ids)}, on_lost)

    def ended(self, job_id: str) -> None:
        del self.open[job_id]

    def lost(self, job_id: str) -> None:
        """It is not there, or no longer: the caller is told, and the others go on; else that is raised as Refused."""
        if self._on_lost is None:
            raise no_such_job(job_id)
        self.ended(job_id)
        self._on_lost(job_id, no_such_job(job_id))
