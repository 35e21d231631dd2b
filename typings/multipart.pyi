# The part of PyPI's `multipart` that intake/ uses; the package carries no types.
from collections.abc import Iterator

class MultipartError(ValueError): ...
class ParserError(MultipartError): ...
class ParserLimitReached(MultipartError): ...

class MultipartSegment:
    name: str
    filename: str | None
    content_type: str | None
    headerlist: list[tuple[str, str]]
    def header(self, name: str) -> str | None: ...

class PushMultipartParser:
    boundary: bytes
    closed: bool
    error: MultipartError | None
    def __init__(
        self,
        boundary: str | bytes,
        content_length: int = -1,
        max_header_size: int = ...,
        max_header_count: int = ...,
        max_segment_size: float = ...,
        max_segment_count: float = ...,
        header_charset: str = "utf8",
        strict: bool = False,
    ) -> None: ...
    def _on_segment_headerline(self, line: bytes) -> None: ...
    def parse(self, chunk: bytes) -> Iterator[MultipartSegment | bytearray | bytes | None]: ...

def parse_options_header(header: str) -> tuple[str, dict[str, str]]: ...
