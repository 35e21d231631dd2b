"""What an operator can say about the processor."""

from typing import Literal, get_args

from attrs import field, frozen, validators

from gateway.metadata import FieldPolicy, MetadataPolicy

PolicySetting = Literal["auto", "replace", "append", "keep"]


def _policy() -> PolicySetting:
    setting: PolicySetting = field(default="auto", validator=validators.in_(get_args(PolicySetting)))
    return setting


@frozen
class ProcessorSettings:
    """Who writes the tags into the images."""

    kind: Literal["built_in", "external"] = field(
        default="built_in", validator=validators.in_(("built_in", "external"))
    )
    """`external`: services of their own on the same broker."""
    concurrency: int = field(default=0, validator=validators.ge(0))
    """Images in work at once, when built in or as a worker of its own; 0: as many as helper processes, 2 at least."""
    prefetch: int = field(default=1, validator=[validators.ge(1), validators.le(65535)])
    """Messages in hand of each that works; with more than 1, those behind a slow image wait with it."""
    max_tries: int = field(default=5, validator=validators.ge(1))
    """How often work on one message is begun whose worker ends over it; then its image fails."""
    timeout_s: float = field(default=60.0, validator=validators.gt(0))
    """The longest that one image may take."""
    title: PolicySetting = _policy()
    """What becomes of a title that the image has already, where the request says nothing.

    `auto`: a person's is kept, an analyzer's replaced.
    """
    description: PolicySetting = _policy()
    """Likewise of a description."""
    keywords: PolicySetting = _policy()
    """Likewise of keywords; `auto`: the new ones are added."""
    http_host: str = "0.0.0.0"  # noqa: S104 health and metrics of a worker are asked from other machines
    """As a worker of its own: address of its health and metrics."""
    http_port: int = field(default=8082, validator=[validators.ge(0), validators.le(65535)])
    """Likewise the port; 0: any free one."""
    stop_timeout_s: float = field(default=8.0, validator=validators.ge(0))
    """As a worker of its own: how long images in hand may take at a stop; then they are given back."""

    @property
    def policy(self) -> MetadataPolicy:
        """The policies that are set; None for `auto`."""
        return MetadataPolicy(_asked(self.title), _asked(self.description), _asked(self.keywords))


def _asked(setting: PolicySetting) -> FieldPolicy | None:
    return None if setting == "auto" else FieldPolicy(setting)
