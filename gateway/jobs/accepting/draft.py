"""What a request for a batch has brought so far."""

from collections.abc import Mapping

from attrs import define, field, frozen

from gateway.domain.job import Failure, Original
from gateway.domain.options import BatchOptions
from gateway.intake.batch import BatchOutline, ImageOutline
from gateway.jobs.accepting.idempotency import Asked


@frozen
class Kept:
    """An image that was sent along: what was stored under its trace_id, or why nothing was."""

    trace_id: str
    original: Original | None = None
    failure: Failure | None = None


@define(eq=False)
class Draft:
    """A batch on its way. Under `used` something may lie in the object store; `kept` and `identities` go by index.

    `strict` is how it is asked for; with `may_be_repeated` the content of its images is known to the last byte.
    """

    strict: bool
    may_be_repeated: bool
    outline: BatchOutline = BatchOutline(())
    kept: dict[int, Kept] = field(factory=dict)
    identities: dict[int, str] = field(factory=dict)
    """What tells an image that was sent along from other content."""
    used: list[str] = field(factory=list)
    gave_up_a_put: bool = False
    """Whether something may yet arrive there that nobody waits for any more."""

    @property
    def options(self) -> BatchOptions:
        """Those that were not given say nothing."""
        return self.outline.options or BatchOptions()

    @property
    def asked(self) -> Asked:
        """All that decides what becomes of the request; options that say nothing are none."""
        images = [self._asked(index, image) for index, image in enumerate(self.outline.images)]
        return Asked("batch", {"strict": self.strict, "options": self.options, "images": images})

    def _asked(self, index: int, image: ImageOutline) -> Mapping[str, str | None]:
        if image.url is not None:
            return {"name": image.name, "url": image.url}
        return {"name": image.name, "sha256": self.identities[index]}
