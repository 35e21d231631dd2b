"""How jobs are worked on and how long they are kept."""

from typing import Literal

from attrs import field, frozen, validators

from gateway.domain.transitions import AttemptPolicy
from gateway.failure_codes import ANALYSIS_UNAVAILABLE


@frozen
class JobsSettings:
    """Times in seconds.

    `trace_prefix` marks our messages among others'. `window` is how many of our images lie in the broker at once; 0:
    twice as many as the analyzers and processors there take in hand, each `consumer_prefetch`. `max_running_jobs` are
    worked on at once, the others wait. Before its second attempt an image waits `attempt_pause_s`, or
    `unavailable_pause_s` where a model was down or limited us, and twice as long before each further one. An image
    without a result is looked for `result_timeout_s` after its publish, time without consumers not counted, and sent
    again; `give_up_s` after its job was accepted it fails, whatever it waits for. It also fails, in embedded mode, once
    the process died `max_interruptions` times with it in work. `watch_every_s` the broker's queues are looked at. An
    ended job is kept for `keep_s`, then deleted, with its objects if `delete_objects`. The answer to a request with an
    idempotency key is given again to its repeats for `idempotency_s`. With `reuse` an image of the same bytes and
    options as one that was analysed, and is kept, is not analysed again.
    """

    trace_prefix: str = field(default="b", validator=validators.matches_re(r"[A-Za-z0-9_.]{1,40}"))
    window: int = field(default=0, validator=validators.ge(0))
    consumer_prefetch: int = field(default=1, validator=validators.ge(1))
    max_running_jobs: int = field(default=1000, validator=validators.ge(1))
    max_attempts: int = field(default=3, validator=validators.ge(1))
    max_interruptions: int = field(default=8, validator=validators.ge(1))
    attempt_pause_s: float = field(default=1.0, validator=validators.ge(0))
    unavailable_pause_s: float = field(default=20.0, validator=validators.ge(0))
    result_timeout_s: float = field(default=600.0, validator=validators.gt(0))
    give_up_s: float = field(default=72 * 3600.0, validator=validators.gt(0))
    watch_every_s: float = field(default=2.0, validator=validators.gt(0))
    keep_s: float = field(default=24 * 3600.0, validator=validators.gt(0))
    delete_objects: bool = True
    idempotency_s: float = field(default=24 * 3600.0, validator=validators.gt(0))
    reuse: bool = False
    metadata_options: Literal["auto", "allowed", "refused"] = field(
        default="auto", validator=validators.in_(("auto", "allowed", "refused"))
    )
    """Whether requests may bring `options.metadata`, which the existing services drop.

    `auto`: when analyzer and processor are built in. `allowed`: those beside are `gateway worker` processes all.
    """
    clean_every_s: float = field(default=60.0, validator=validators.gt(0))
    poll_s: float = field(default=1.0, validator=validators.gt(0))

    @property
    def attempts(self) -> AttemptPolicy:
        return AttemptPolicy(self.max_attempts, self.attempt_pause_s)

    def attempts_after(self, code: str) -> AttemptPolicy:
        """Of an image whose last attempt ended with that failure: a trouble of a minute fails no whole batch."""
        pause_s = self.unavailable_pause_s if code == ANALYSIS_UNAVAILABLE else self.attempt_pause_s
        return AttemptPolicy(self.max_attempts, pause_s)
