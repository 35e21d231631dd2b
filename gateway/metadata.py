"""What an image says about itself: the words that an analyzer finds and a processor writes.

Ground floor, for domain, messages, images, analyzer and processor all speak of it.
"""

from attrs import frozen


@frozen
class Metadata:
    """Title, description and keywords; empty ones mean that nothing is known."""

    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.title or self.description or self.keywords)
