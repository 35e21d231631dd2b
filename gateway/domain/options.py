"""What a client asks for with a whole batch."""

from attrs import frozen

from gateway.metadata import MetadataPolicy


@frozen
class BatchOptions:
    """`metadata`: what becomes of words that the images have already; None: as the setting says."""

    metadata: MetadataPolicy | None = None
