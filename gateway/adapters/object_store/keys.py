"""Keys as paths inside a bucket's folder: which are taken, and of what parts they consist."""

from gateway.errors import BadInput

MAX_KEY_BYTES = 1024  # as in S3
MAX_PART_BYTES = 255  # NAME_MAX of Linux' file systems
MAX_PARTS = 32  # each is a folder that a put holds open


class BadKey(BadInput):
    """A key under which nothing can be stored."""

    default_code = "bad_key"


def parts_of(key: str) -> list[str]:
    """The folders that the key names, then the file; none of them leads out of a folder. Raises BadKey."""
    parts = key.split("/")
    if len(key) > MAX_KEY_BYTES or len(_encoded(key)) > MAX_KEY_BYTES or len(parts) > MAX_PARTS:
        raise BadKey("The object key is too long.")
    for part in parts:
        _check_part(part)
    return parts


def _check_part(part: str) -> None:
    if part in ("", ".", "..") or "\0" in part:
        raise BadKey("The object key has an empty part, dots or a NUL.")
    if len(_encoded(part)) > MAX_PART_BYTES:
        raise BadKey("A part of the object key is too long.")


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadKey("The object key is not UTF-8.") from None
