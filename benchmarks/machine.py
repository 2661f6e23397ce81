"""What the figures were taken on, and how much of it something else took meanwhile."""

import os
import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

_STAT: Final = Path("/proc/stat")
#: Columns of its first line (proc_stat(5)) in which nobody worked: idle and iowait.
_IDLE: Final = (3, 4)


def machine() -> str:
    """Versions, cores and the kind of processor, in a line."""
    names = ("airbyte-cdk", "orjson", "requests")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    cores = len(os.sched_getaffinity(0))
    return f"Python {platform.python_version()}, {versions}; {cores} cores, {platform.machine()}."


def _busy_seconds() -> float | None:
    """Of all cores and processes since the machine started, what a hypervisor took included."""
    if not _STAT.exists():
        return None
    with _STAT.open(encoding="ascii") as file:
        # Guests' time, the ninth and tenth column, stands in the first two as well.
        ticks = [int(word) for word in file.readline().split()[1:9]]
    busy = sum(tick for column, tick in enumerate(ticks) if column not in _IDLE)
    return busy / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Of this process and of those it has waited for."""
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system


def share(busy: float, own: float, elapsed: float, cores: int) -> float:
    """Of `cores` in `elapsed` seconds, the part that was `busy` and not `own`: 0 to 1."""
    return min(1.0, max(0.0, (busy - own) / (elapsed * cores)))


@dataclass(frozen=True, slots=True)
class Watch:
    """Begins when it is made."""

    _began: float = field(default_factory=time.perf_counter)
    _busy: float | None = field(default_factory=_busy_seconds)
    _own: float = field(default_factory=_own_seconds)

    def others_share(self) -> float | None:
        """How much of all cores' time went to other work since then, 0 to 1; None if unknown."""
        busy = _busy_seconds()
        if busy is None or self._busy is None:
            return None
        elapsed = time.perf_counter() - self._began
        return share(busy - self._busy, _own_seconds() - self._own, elapsed, os.cpu_count() or 1)
