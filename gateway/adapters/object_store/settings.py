"""What an operator can say about where images lie."""

import re
from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators

_BUCKET_NAME = re.compile(
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)  # as S3 wants it; so a folder's name holds no slash

_is_bucket_name = validators.matches_re(_BUCKET_NAME)


@frozen
class ObjectStoreSettings:
    """Which object store, where, and how long to wait for it."""

    kind: Literal["folder"] = field(default="folder", validator=validators.in_(("folder",)))
    path: str = ""
    """Of the folder; empty: `objects` in the data directory."""
    original_bucket: str = field(default="original", validator=_is_bucket_name)
    processed_bucket: str = field(default="processed", validator=_is_bucket_name)
    timeout_s: float = field(default=30.0, validator=validators.gt(0))
    """The longest wait for one step: a piece written or read, an object synced to the disk."""
    check_timeout_s: float = field(default=3.0, validator=validators.gt(0))
    threads: int = field(default=8, validator=validators.ge(1))
    """So many steps are under way on the disk at once."""

    def __attrs_post_init__(self) -> None:
        if self.original_bucket == self.processed_bucket:
            raise ValueError("original_bucket and processed_bucket must differ")

    def folder(self, data_dir: Path) -> Path:
        """Where objects lie, of a gateway whose data lies in `data_dir`."""
        return Path(self.path) if self.path else data_dir / "objects"
