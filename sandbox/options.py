"""What can be set on any stand-in, as a frozen value; a value that exists is legal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.faults import DEFAULT_KINDS, KINDS

LOOPBACK: Final = "127.0.0.1"
HIGHEST_PORT: Final = 65_535


class OptionError(ValueError):
    """Options that make no sense; `faults` has one sentence for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """What any stand-in needs: where it listens, what it keeps, how it misbehaves.

    - `host`, `port`: where to listen; port 0 takes a free one
    - `db`: an SQLite file; `None` takes a temporary one, gone at the end
    - `fail_rate`: the share of write requests that meet a fault, 0 to 1
    - `seed`: repeats a row of faults exactly
    - `fail_kinds`: names out of `faults.KINDS`
    - `hang_seconds`: how long a hang lasts before the connection is reset
    - `latency_ms`: by how much every write answer is delayed
    - `max_body_bytes`: larger bodies are answered by 413; `None` sets no limit
    - `poison`: an item with a property key or value equal to one of these is refused
    - `quote_values`: whether the text of a 400 quotes the offending value, to prove that
      clients do not pass it on

    Raises `OptionError` naming all faults.
    """

    host: str = LOOPBACK
    port: int = 0
    db: Path | None = None
    fail_rate: float = 0.0
    seed: int = 0
    fail_kinds: tuple[str, ...] = DEFAULT_KINDS
    hang_seconds: float = 30.0
    latency_ms: float = 0.0
    max_body_bytes: int | None = None
    poison: tuple[str, ...] = ()
    quote_values: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense, all at once."""
        faults = list(self._faults())
        if faults:
            raise OptionError(faults)

    def _faults(self) -> Iterator[str]:
        if not 0 <= self.port <= HIGHEST_PORT:
            yield f"port must be 0 to {HIGHEST_PORT}"
        if not 0 <= self.fail_rate <= 1:
            yield "the rate of faults must be 0 to 1"
        if not self.fail_kinds:
            yield "at least one kind of fault must be named"
        for kind in self.fail_kinds:
            if kind not in KINDS:
                yield f"no kind of fault is named {kind!r}; there are {', '.join(KINDS)}"
        if not self.hang_seconds >= 0:
            yield "a hang cannot last less than 0 seconds"
        if not self.latency_ms >= 0:
            yield "the latency cannot be less than 0 milliseconds"
        if self.max_body_bytes is not None and self.max_body_bytes < 1:
            yield "the largest body must have at least 1 byte"
