"""What a client asks for with a whole batch: `{"metadata": {"title" | "description" | "keywords": ...}}`.

One shape wherever it stands: the field `options` of a JSON body, a part of a multipart one, a query parameter. Its
faults are told by pointers that begin with /options.
"""

from typing import Any, Final

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput, Fault
from gateway.intake.repeats import refuse_repeats
from gateway.intake.shape import kind_of, not_an_object, read_json, refuse_any, unknown_fields
from gateway.metadata import POLICY_FIELDS, FieldPolicy, MetadataPolicy

MAX_OPTIONS_BYTES: Final = 64 * 1024
"""Of a document that is options and nothing else."""

METADATA_AT: Final = "/options/metadata"


def parse_options(document: bytes | str, name: str) -> BatchOptions:
    """The options that the document describes. Raises BadInput; `name` is what the document is called there."""
    faults: list[Fault] = []
    options = read_options(read_json(document, name), faults)
    refuse_any(faults)
    refuse_repeats(document, name)
    return options


def options_twice() -> BadInput:
    """Where a request gives options in two places, neither is taken for what was meant."""
    return BadInput("The request has options twice.", code="options_twice")


def read_options(options: Any, faults: list[Fault]) -> BatchOptions:
    """The options as far as they could be read; what is wrong with them is added to `faults`."""
    if not isinstance(options, dict):
        faults.append(not_an_object(options, "/options", "options"))
        return BatchOptions()
    faults += unknown_fields(options, "/options", ("metadata",))
    return (
        BatchOptions(_read_policy(options["metadata"], faults)) if "metadata" in options else BatchOptions()
    )


def _read_policy(said: Any, faults: list[Fault]) -> MetadataPolicy | None:
    """None where nothing was said of any field."""
    if not isinstance(said, dict):
        faults.append(not_an_object(said, METADATA_AT, "metadata"))
        return None
    faults += unknown_fields(said, METADATA_AT, POLICY_FIELDS)
    read = {name: _read_field(name, said[name], faults) for name in POLICY_FIELDS if name in said}
    return MetadataPolicy(**read) if read else None


def _read_field(name: str, value: Any, faults: list[Fault]) -> FieldPolicy | None:
    at = f"{METADATA_AT}/{name}"
    if not isinstance(value, str):
        faults.append(Fault(at, "wrong_type", f"{name} must be a string, not {kind_of(value)}"))
        return None
    try:
        return FieldPolicy(value)
    except ValueError:
        words = ", ".join(FieldPolicy)
        faults.append(Fault(at, "bad_option", f"{name} must be one of {words}, not {value[:40]!r}"))
        return None
