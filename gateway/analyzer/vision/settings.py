"""What an operator can say about the vision provider."""

from typing import Final

from attrs import field, frozen, validators
from yarl import URL

OPENROUTER: Final = "https://openrouter.ai/api/v1"


def _is_http(_: object, __: object, value: str) -> None:
    url = URL(value)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must be an address like https://openrouter.ai/api/v1")
    if url.user or url.password:
        raise ValueError("must be without user and password; the key has a setting of its own")


def _is_http_or_none(_: object, __: object, value: str) -> None:
    if value and (URL(value).scheme != "http" or not URL(value).host):
        raise ValueError("must be an address like http://proxy.example.com:3128")


def _stripped(value: str) -> str:
    """Secrets come out of files, whose last line ends."""
    return value.strip()


def _is_a_token(_: object, __: object, value: str) -> None:
    """A bearer token has no blanks (RFC 6750, section 2.1)."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must be printable ASCII without blanks")


@frozen
class VisionSettings:
    """An endpoint that speaks chat completions, as OpenRouter, OpenAI and many servers for one's own models do."""

    url: str = field(default=OPENROUTER, validator=_is_http)
    """Its base address, before `/chat/completions`."""
    api_key: str = field(default="", repr=False, converter=_stripped, validator=_is_a_token)
    """Sent as a bearer token; empty: none is sent."""
    proxy: str = field(default="", repr=False, metadata={"secret": True}, validator=_is_http_or_none)
    """Address of an HTTP proxy on the way to it, perhaps with user and password; empty: none."""
    model: str = field(default="openai/gpt-4o", validator=validators.min_len(1))
    """As the endpoint calls it."""
    prompt: str = ""
    """What the model is asked, a template with `$language`; empty: one of ours."""
    prompt_file: str = ""
    """A file with the prompt, read at the start; it goes before `prompt`."""
    language: str = field(default="English", validator=validators.min_len(1))
    """Of the words: its English name."""
    temperature: float = field(default=0.7, validator=[validators.ge(0), validators.le(2)])
    """0: the likeliest words; more: more variety."""
    max_tokens: int = field(default=500, validator=validators.ge(16))
    """Length of an answer."""
    longest_side: int = field(default=1024, validator=[validators.ge(64), validators.le(8192)])
    """Pixels; a larger image is shrunk before it is sent."""
    send_location: bool = False
    """Whether the model is told where a photo was taken, when its EXIF says so."""
    request_timeout_s: float = field(default=30.0, validator=validators.gt(0))
    """The longest that one request may take."""
    max_tries: int = field(default=4, validator=validators.ge(1))
    """Requests for one image at most; between them it waits, longer each time, or as long as Retry-After says."""
    max_in_flight: int = field(default=4, validator=validators.ge(1))
    """Requests at once, of one process."""
    max_per_minute: int = field(default=0, validator=validators.ge(0))
    """Requests that one process begins in a minute; 0: no bound."""

    @property
    def host(self) -> str:
        """Where pictures go."""
        return URL(self.url).host or ""

    @property
    def is_openrouter(self) -> bool:
        return self.host == "openrouter.ai" or self.host.endswith(".openrouter.ai")

    @property
    def endpoint(self) -> URL:
        """Where requests go; a query that the base address has stays with it."""
        base = URL(self.url)
        path = base.path.rstrip("/").removesuffix("/chat/completions")
        return base.with_path(f"{path}/chat/completions").with_query(base.query)
