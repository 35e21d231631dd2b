"""How much memory a process has at most, between two moments, as Linux counts it (proc_pid_status(5))."""

from pathlib import Path
from typing import Final

from attrs import frozen

_FORGET_PEAK: Final = "5"
"""Written to `clear_refs`: the peak is what there is now (proc_pid_clear_refs(5))."""


@frozen
class Peak:
    """Of one process, since `since` was called."""

    _pid: int
    _before_mb: float

    @classmethod
    def since_now(cls, pid: int) -> "Peak":
        Path(f"/proc/{pid}/clear_refs").write_text(_FORGET_PEAK)
        return cls(pid, _mb(pid, "VmRSS"))

    @property
    def growth_mb(self) -> float:
        """How much more there was at most than at the begin."""
        return max(_mb(self._pid, "VmHWM") - self._before_mb, 0.0)


def _mb(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no {field}")
