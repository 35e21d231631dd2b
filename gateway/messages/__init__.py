"""The messages on the wire between gateway, analyzer and processor: bodies, and the few headers of our own."""

from gateway.messages.bodies import (
    CONTENT_TYPE,
    ImageProcessed,
    ImageUpload,
    MetadataGenerated,
    decode,
    encode,
    parse_timestamp,
)
from gateway.messages.errors import Malformed
from gateway.messages.headers import (
    FAILURE_CODE,
    METADATA_POLICY,
    METADATA_WRITER,
    REJECT_REASON,
    TRIES,
    decode_policy,
    encode_policy,
)

__all__ = [
    "CONTENT_TYPE",
    "FAILURE_CODE",
    "METADATA_POLICY",
    "METADATA_WRITER",
    "REJECT_REASON",
    "TRIES",
    "ImageProcessed",
    "ImageUpload",
    "Malformed",
    "MetadataGenerated",
    "decode",
    "decode_policy",
    "encode",
    "encode_policy",
    "parse_timestamp",
]
