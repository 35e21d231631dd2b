"""What comes out of the pipeline, read: one of ours, or what else became of it."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import structlog
from attrs import frozen

from gateway.domain.attempt import AttemptName, parse_attempt
from gateway.domain.job import Image, Status
from gateway.failure_codes import TAGGING_CODES, TAGGING_FAILED
from gateway.jobs.processed import is_of_attempt, leftover_paths, paths_of
from gateway.messages import FAILURE_CODE, TRIES, ImageProcessed, Malformed, decode
from gateway.ports.broker import Delivery

log = structlog.get_logger(__name__)


class ResultKind(StrEnum):
    """What became of a result.

    COUNTED: it ended its image. REPEATED: it is the one that did. LATE: another attempt, a cancel or the cleaner was
    first, or it is the failure of an attempt that is not the newest. FOREIGN, MALFORMED: it went to another queue.
    """

    COUNTED = "counted"
    REPEATED = "repeated"
    LATE = "late"
    FOREIGN = "foreign"
    MALFORMED = "malformed"


@frozen(eq=False)
class Result:
    """One of ours, in hand; `name` is the attempt's."""

    delivery: Delivery
    message: ImageProcessed
    name: AttemptName

    @property
    def is_failure(self) -> bool:
        """Whether it says that its attempt failed."""
        return self.message.status == "failed"

    @property
    def failure_code(self) -> str:
        """Of a failure, as a processor of ours gives it."""
        told = self.delivery.headers.get(FAILURE_CODE)
        return told if isinstance(told, str) and told in TAGGING_CODES else TAGGING_FAILED

    def has_ended(self, image: Image) -> bool:
        """Whether the image ended by this very result."""
        if self.is_failure:
            return image.status is Status.FAILED and image.attempt == self.name.number
        return image.status is Status.COMPLETED and image.processed_path == self.message.processed_path

    def paths(self) -> Sequence[str]:
        """Where its attempt may have an object. One that failed may only if a processor died with it before, as it may
        have just behind its put: those of ours say so.
        """
        message = self.message
        if not self.is_failure:
            paths: Iterable[str] = [message.processed_path]
        elif TRIES in self.delivery.headers:
            paths = paths_of(self.name, message.original_filename)
        else:
            return ()
        return [path for path in paths if is_of_attempt(path, self.name)]

    def leftovers(self, image: Image) -> Sequence[str]:
        """Where objects may lie that nobody names, now that the image has ended: of this attempt, and of others.
        Mostly there are none.
        """
        own, others = self.paths(), leftover_paths(image)
        if not own and not others:
            return ()
        return [path for path in dict.fromkeys((*own, *others)) if path != image.processed_path]


def read_result(delivery: Delivery, prefix: str) -> Result | ResultKind:
    """A result whose attempt has our prefix, else FOREIGN or MALFORMED."""
    try:
        message = decode(ImageProcessed, delivery.body)
    except Malformed as error:
        log.warning("malformed result", reason=str(error))
        return ResultKind.MALFORMED
    name = parse_attempt(message.trace_id, prefix)
    return ResultKind.FOREIGN if name is None else Result(delivery, message, name)
