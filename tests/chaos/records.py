"""The harness' own list: what its clients sent, and what they were told. That list is the truth that the gateway is
held to.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from attrs import define, field, frozen

BROKEN = b"this is no image"


@frozen
class Sent:
    """One image as its client knows it; no two good ones are alike, and no two have the same name."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_good(self) -> bool:
        return self.content != BROKEN


@frozen
class Accepted:
    """A 201."""

    job_id: str
    images: Sequence[Sent]


@define
class Records:
    """What the clients know: the 201s, what was refused or broken off, and what nobody can know."""

    accepted: list[Accepted] = field(factory=list)
    refused: set[str] = field(factory=set)
    """Names of images of requests that were answered with an error, or never sent to their end."""
    unanswered: set[str] = field(factory=set)
    """Names of images of good requests without an answer: accepted or not, nobody was told."""
    wrong: list[str] = field(factory=list)
    """Answers that no such request may get, in words."""
    under_way: int = 0
    """Requests that are being sent, or wait for their answer."""
    on_accepted: Callable[[Accepted], None] = lambda _: None

    def accept(self, accepted: Accepted) -> None:
        self.accepted.append(accepted)
        self.on_accepted(accepted)

    def refuse(self, images: Iterable[Sent]) -> None:
        self.refused |= {each.name for each in images}

    def leave_unanswered(self, images: Iterable[Sent]) -> None:
        self.unanswered |= {each.name for each in images} - self.refused

    @contextmanager
    def sending(self) -> Iterator[None]:
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    @property
    def images_accepted(self) -> int:
        return sum(len(each.images) for each in self.accepted)
