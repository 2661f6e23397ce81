"""A studio as a process, and a client that knows its address."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from integration_tests.chaos.process import inherited, program
from integration_tests.chaos.scenario import Service

PATIENCE = 60


@dataclass
class RunningStudio:
    """One that answers; `url` has the token and ends with a slash."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    @property
    def token(self) -> str:
        return self.url.rstrip("/").rpartition("/")[2]

    def send(self, name: str, content: bytes) -> requests.Response:
        """Gives it a sample."""
        query = {"name": name}
        return requests.put(f"{self.url}sample", params=query, data=content, timeout=PATIENCE)

    def type(self, **given: str) -> str:
        """What the page shows when that was typed."""
        fields = {name.replace("__", "."): text for name, text in given.items()}
        answer = requests.post(f"{self.url}outcome", data=fields, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.text

    def download(self, name: str, given: Mapping[str, str]) -> bytes:
        """One of the files that are taken along, when that was typed."""
        answer = requests.post(f"{self.url}{name}", data=given, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.content

    def planned(self) -> str:
        """The plan, when it is there."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            answer = requests.get(f"{self.url}plan", timeout=PATIENCE)
            assert answer.status_code in {200, 204}, answer.text
            if 'id="planned"' in answer.text:
                return answer.text
            time.sleep(0.02)
        raise AssertionError("no plan")

    def peak_memory(self) -> int:
        """In bytes, of all its life."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1_024


@contextmanager
def studio(*arguments: str, service: Service = "heap") -> Iterator[RunningStudio]:
    """A studio for the length of the block."""
    command = [*program(service), "studio", "--no-browser", *arguments]
    with subprocess.Popen(
        command, env=inherited(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", said)
            assert found, said or (process.stderr.read() if process.stderr else "")
            yield RunningStudio(found[0], process)
        finally:
            process.terminate()
            process.wait(PATIENCE)
