"""What to type so that a page which is empty shows something. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

#: A socket that is bound to them listens at every address, and nothing has them for its own.
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # named, not bound


@dataclass(frozen=True, slots=True)
class Load:
    """A connector's `write` of sample files.

    `program` as a person would type it, the files by their paths in the project. The `config`
    names the stand-in that listens at `address`.
    """

    program: str
    config: str
    catalog: str
    rows: str
    address: str

    def typed(self, url: str) -> str:
        """The command, for a stand-in that listens at `url`; it is one for any shell."""
        if url == self.address:
            return self._write(self.config)
        copy = f"/tmp/local_{urlsplit(url).port}.json"  # noqa: S108  # samples hold no secret
        changed = shlex.quote(f"s|{self.address}|{url}|")
        return f"sed {changed} {self.config} > {copy}\n{self._write(copy)}"

    def _write(self, config: str) -> str:
        return (
            f"{self.program} write --config {config} \\\n    --catalog {self.catalog} < {self.rows}"
        )


def reached_at(url: str) -> str:
    """Where a stand-in that listens at `url` is reached from this machine."""
    parts = urlsplit(url)
    host = _ANY.get(parts.hostname or "")
    return url if host is None else urlunsplit(parts._replace(netloc=f"{host}:{parts.port}"))
