"""AMQP headers that our own analyzer and processor understand beside the bodies.

The existing services ignore them and hand none on, so nothing that a contract promises may rest on them.
"""

from typing import Final

import orjson
from attrs import asdict

from gateway.messages.errors import Malformed
from gateway.metadata import POLICY_FIELDS, FieldPolicy, MetadataPolicy

METADATA_POLICY: Final = "metadata-policy"
"""gateway -> analyzer -> processor: what a request said about words that are in the image already, as JSON."""
METADATA_WRITER: Final = "metadata-writer"
"""analyzer -> processor: who wrote the words, name and version."""
REJECT_REASON: Final = "reject-reason"
"""With a dead letter: why, in words for people."""
FAILURE_CODE: Final = "failure-code"
"""With a dead letter or a failed result: why, as a stable word of the API."""
TRIES: Final = "tries"
"""In a queue of work: which try it is to work on the message; 1 where it is missing. With a failed result: which one
failed, of a message that had come again."""


def encode_policy(policy: MetadataPolicy) -> str:
    """A JSON object of the fields that the policy speaks of."""
    said = asdict(policy, filter=lambda _, value: value is not None)
    return orjson.dumps(said).decode()


def decode_policy(value: object) -> MetadataPolicy:
    """The policy of a METADATA_POLICY header. Raises Malformed."""
    try:
        said = orjson.loads(value) if isinstance(value, str | bytes) else None
    except orjson.JSONDecodeError as error:
        raise Malformed(f"{METADATA_POLICY} is not JSON", detail=str(error)) from error
    if not isinstance(said, dict):
        raise Malformed(f"{METADATA_POLICY} is no JSON object")
    return MetadataPolicy(**{name: _field_policy(name, said.get(name)) for name in POLICY_FIELDS})


def _field_policy(name: str, value: object) -> FieldPolicy | None:
    if value is None:
        return None
    for policy in FieldPolicy:
        if policy == value:
            return policy
    raise Malformed(f"{METADATA_POLICY}: {name} is none of {', '.join(FieldPolicy)}")
