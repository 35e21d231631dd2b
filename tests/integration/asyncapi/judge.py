"""Whether a message is one that the document has for its channel, and which."""

from typing import Any

from attrs import define
from jsonschema import Draft7Validator, FormatChecker

from tests.closed_schemas import closed
from tests.integration.asyncapi.reading import resolved

Message = dict[str, Any]


@define
class Judge:
    """Of one document, with all its objects closed: a field that it forgets is found. Else as clients read it."""

    document: dict[str, Any]
    is_strict: bool = True

    def message_of(self, channel: str, message: Message) -> str:
        """The name that the channel gives to this message. Fails unless there is just one."""
        channels = self.document["channels"]
        complaints = {key: self._complaint(channel, key, message) for key in channels[channel]["messages"]}
        fitting: list[str] = [key for key, complaint in complaints.items() if complaint is None]
        assert len(fitting) == 1, f"{message} on {channel}: {fitting or complaints}"
        return fitting[0]

    def _complaint(self, channel: str, key: str, message: Message) -> str | None:
        """What is wrong about it as a message of that name."""
        described = resolved(self.document, self.document["channels"][channel]["messages"][key])
        components = self.document["components"]
        shape = {**described["payload"], "components": closed(components) if self.is_strict else components}
        error = next(Draft7Validator(shape, format_checker=FormatChecker()).iter_errors(message), None)
        return None if error is None else str(error.message)
