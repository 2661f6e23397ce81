"""For Airbyte's standard tests alone: something answers where the good configurations lead.

`airbyte-cdk connector test` has a service asked by each `check`. Its environment has the packages
of the connector and no more, so this is a server of the standard library that answers 400, as Heap
has to for an event without an identity. Where `make sandbox` is running, that is asked.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).parent


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def pytest_configure(config: pytest.Config) -> None:
    """Starts it, if these are Airbyte's tests and nobody listens there yet."""
    if not config.pluginmanager.has_plugin("airbyte_cdk.test.standard_tests.pytest_hooks"):
        return
    tests = yaml.safe_load((ROOT / "acceptance-test-config.yml").read_text())["acceptance_tests"]
    good = [each for each in tests["connection"]["tests"] if each["status"] == "succeed"]
    for each in good:
        url = urlsplit(json.loads((ROOT / each["config_path"]).read_bytes())["base_url"])
        assert url.hostname is not None
        try:
            server = ThreadingHTTPServer((url.hostname, url.port or 80), _Refusing)
        except OSError:  # in use: by the one before, or by `make sandbox`
            continue
        threading.Thread(target=server.serve_forever, daemon=True).start()
