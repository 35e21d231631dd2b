"""Settings of the job store."""

from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators

Synchronous = Literal["full", "normal"]


@frozen(kw_only=True)
class JobStoreSettings:
    """Where jobs are kept.

    `path` is SQLite's file (empty: `jobs.sqlite` in the data folder). `synchronous` is `full`, or `normal` where
    losing the last commits at a power cut is acceptable: a 201 then survives a crash of the process alone.
    """

    kind: Literal["sqlite"] = field(default="sqlite", validator=validators.in_(("sqlite",)))
    path: str = ""
    synchronous: Synchronous = field(default="full", validator=validators.in_(("full", "normal")))

    def file(self, data_dir: Path) -> Path:
        """Where jobs lie, of a gateway whose data lies in `data_dir`."""
        return Path(self.path) if self.path else data_dir / "jobs.sqlite"
