"""What an operator can say about the analyzer."""

from typing import Literal

from attrs import field, frozen, validators


def _none_twice(_: object, __: object, value: tuple[str, ...]) -> None:
    if len(set(value)) < len(value):
        raise ValueError("must name each provider once")


@frozen
class AnalyzerSettings:
    """Who writes titles, descriptions and keywords."""

    kind: Literal["built_in", "external"] = field(
        default="built_in", validator=validators.in_(("built_in", "external"))
    )
    """`external`: services of their own on the same broker."""
    providers: tuple[Literal["vision", "local"], ...] = field(default=(), validator=_none_twice)
    """Who is asked, the next one where one fails. None: `vision` where it has a key, else `local`."""
    concurrency: int = field(default=0, validator=validators.ge(0))
    """Images in work at once, when built in or as a worker of its own.

    0: as many as helper processes or, with a model, requests at once, if that is more; 2 at least.
    """
    prefetch: int = field(default=1, validator=[validators.ge(1), validators.le(65535)])
    """Messages in hand of each that works; with more than 1, those behind a slow image wait with it."""
    max_tries: int = field(default=5, validator=validators.ge(1))
    """How often work on one message is begun whose worker ends over it; then its image fails."""
    timeout_s: float = field(default=60.0, validator=validators.gt(0))
    """The longest that one image may take."""
    http_host: str = "0.0.0.0"  # noqa: S104 health and metrics of a worker are asked from other machines
    """As a worker of its own: address of its health and metrics."""
    http_port: int = field(default=8081, validator=[validators.ge(0), validators.le(65535)])
    """Likewise the port; 0: any free one."""
    stop_timeout_s: float = field(default=8.0, validator=validators.ge(0))
    """As a worker of its own: how long images in hand may take at a stop; then they are given back."""
