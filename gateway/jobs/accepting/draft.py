"""What a request for a batch has brought so far."""

from collections.abc import Mapping

from attrs import define, field

from gateway.domain.job import Image
from gateway.domain.options import BatchOptions
from gateway.errors import BadInput
from gateway.intake.batch import IncomingImage, LinkedImage
from gateway.jobs.accepting.idempotency import Asked


@define(eq=False)
class Draft:
    """A batch on its way. `images` are those of a new job; under `used` something may lie in the object store.

    `strict` is how it is asked for; with `may_be_repeated` the content of its images is known to the last byte.
    """

    strict: bool
    may_be_repeated: bool
    options: BatchOptions | None = None
    images: list[Image] = field(factory=list)
    used: list[str] = field(factory=list)
    _asked: list[Mapping[str, str | None]] = field(factory=list)

    @property
    def size(self) -> int:
        """How many images it has."""
        return len(self._asked)

    def ask(self, incoming: IncomingImage, identity: str) -> None:
        """Note what an image is: that of which content, or from where."""
        source = "url" if isinstance(incoming, LinkedImage) else "sha256"
        self._asked.append({"name": incoming.name, source: identity})

    def set_options(self, options: BatchOptions) -> None:
        """Raises BadInput the second time."""
        if self.options is not None:
            raise BadInput("The request has options twice.", code="options_twice")
        self.options = options

    @property
    def asked(self) -> Asked:
        """All that decides what becomes of the request; options that say nothing are none."""
        options = self.options or BatchOptions()
        return Asked("batch", {"strict": self.strict, "options": options, "images": self._asked})
