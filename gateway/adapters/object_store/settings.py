"""What an operator can say about where images lie."""

import re
from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators

SMALLEST_PART_BYTES = 5 * 1024**2
"""Of a multipart upload, as S3 has it."""

_BUCKET_NAME = re.compile(
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)  # as S3 wants it; so a folder's name holds no slash
_ENDPOINT = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")


def _is_bucket_name(_: object, attribute: object, value: str) -> None:
    if not _BUCKET_NAME.fullmatch(value):
        raise ValueError(
            "must be 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at each end"
        )


def _is_endpoint(_: object, attribute: object, value: str) -> None:
    match = _ENDPOINT.fullmatch(value)
    if match is None or not 1 <= int(match["port"] or 1) <= 65535:
        raise ValueError(
            "must be like minio:9000, without http:// and path; MINIO_USE_SSL says whether by https"
        )


@frozen
class ObjectStoreSettings:
    """Which object store, where, and how long to wait for it."""

    kind: Literal["folder", "s3"] = field(default="folder", validator=validators.in_(("folder", "s3")))
    path: str = ""
    """Of the folder; empty: `objects` in the data directory."""
    endpoint: str = field(default="127.0.0.1:9000", validator=_is_endpoint)
    """S3: host:port of MinIO, or of any other S3."""
    tls: bool = False
    """S3: by https."""
    ca_file: str = ""
    """S3 by https: certificates to trust, in PEM; empty: the system's."""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    region: str = field(default="us-east-1", validator=validators.min_len(1))
    """S3: as requests are signed for."""
    create_buckets: bool = True
    """S3: make buckets that are missing; off: only look for them."""
    connections: int = field(default=32, validator=validators.ge(1))
    """S3: open at once, at most; a quarter of them is kept free of those that only read."""
    attempts: int = field(default=3, validator=validators.ge(1))
    """S3: of one request, within `timeout_s`."""
    connect_timeout_s: float = field(default=3.0, validator=validators.gt(0))
    read_timeout_s: float = field(default=15.0, validator=validators.gt(0))
    """S3: how long an answer may be silent."""
    part_bytes: int = field(default=SMALLEST_PART_BYTES, validator=validators.ge(SMALLEST_PART_BYTES))
    """S3: an object up to so many bytes is put at once, a larger one in parts of that size."""
    original_bucket: str = field(default="original", validator=_is_bucket_name)
    processed_bucket: str = field(default="processed", validator=_is_bucket_name)
    timeout_s: float = field(default=30.0, validator=validators.gt(0))
    """The longest wait for one step: a piece or a part written or read, an object synced to the disk."""
    check_timeout_s: float = field(default=3.0, validator=validators.gt(0))
    threads: int = field(default=8, validator=validators.ge(1))
    """Folder: so many steps are under way on the disk at once."""

    def __attrs_post_init__(self) -> None:
        if self.original_bucket == self.processed_bucket:
            raise ValueError("original_bucket and processed_bucket must differ")

    def folder(self, data_dir: Path) -> Path:
        """Where objects lie, of a gateway whose data lies in `data_dir`."""
        return Path(self.path) if self.path else data_dir / "objects"
