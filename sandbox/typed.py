"""Commands as they can be typed where they are printed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def program(name: str) -> str:
    """A program that stands beside the Python that runs this, by its path from this folder."""
    here, path = Path.cwd(), Path(sys.executable).with_name(name)
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def module(name: str) -> str:
    """A module of this project, run by the Python that runs this."""
    return f"{program(Path(sys.executable).name)} -m {name}"
