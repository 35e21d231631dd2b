"""What is wrong with a message."""

from gateway.errors import GatewayError


class Malformed(GatewayError):
    """A body, or a header of ours, that is none of its kind."""

    default_code = "malformed_message"
