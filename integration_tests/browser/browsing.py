"""A real Chromium, the pages it is shown, and the connector's command.

`make test-browser` sees to Chromium and to the packages of `package.json`, in `.cache/browser`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from integration_tests.chaos.process import inherited, program
from integration_tests.chaos.scenario import Service

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache" / "browser"
SCREENSHOTS: Final = CACHE / "screenshots"
DESKTOP: Final = (1280, 900)
PHONE: Final = (390, 844)
#: In seconds. Nothing here takes longer on a slow machine.
PATIENCE: Final = 30


#: Root needs the first. Without those about the network, Chromium calls home at every start.
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """The path of a Chromium."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert found, "no Chromium; `make test-browser` installs it, CHROMIUM=... names another"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests."""
    expect.set_options(timeout=PATIENCE * 1_000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


class Window:
    """A window of its own on `page`; what its console complains of is kept in `complaints`."""

    def __init__(self, browser: Browser, *, size: tuple[int, int], dark: bool) -> None:
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE * 1_000)
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def picture(self, name: str, *, whole: bool = True) -> None:
        """A screenshot for people to look at: the whole page, or what fits into the window."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)

    def close(self) -> None:
        """Closes the window."""
        self._context.close()

    def assert_accessible(self, url: str, paths: Mapping[str, str], name: str) -> None:
        """axe finds nothing on any of a site's pages, and nothing is wider than the screen.

        Each is pictured, `name` with its own; the page `events` as far as it fits.
        """
        axe = (CACHE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
        for at, path in paths.items():
            self.page.goto(f"{url}{path}")
            self.page.evaluate(axe)
            found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            wrong = found["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in wrong] == [], at
            assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), at
            self.picture(name.format(at), whole=at != "events")
        # The browser itself tells of the page that is missing.
        assert [one for one in self.complaints if "404" not in one] == []
        self.complaints.clear()


#: Both sizes and both colours, each once: no style of the page asks for both at a time.
SHAPES: Final = pytest.mark.parametrize(
    ("size", "dark", "shape"),
    [(DESKTOP, False, "desktop"), (PHONE, True, "phone-dark")],
    ids=lambda value: value if isinstance(value, str) else "",
)


class Windows:
    """Opens windows, and closes them all at the end of a test."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.opened: list[Window] = []

    def open(self, url: str, *, size: tuple[int, int] = DESKTOP, dark: bool = False) -> Window:
        """A new window at `url`."""
        window = Window(self._browser, size=size, dark=dark)
        self.opened.append(window)
        window.page.goto(url)
        return window


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    """Windows for one test; none may have had a reason to complain in its console."""
    opener = Windows(browser)
    yield opener
    complaints = [one for window in opener.opened for one in window.complaints]
    for window in opener.opened:
        window.close()
    assert not complaints


def connector(
    *arguments: str, stdin: bytes = b"", service: Service = "heap"
) -> list[dict[str, Any]]:
    """Runs a connector's command to its end; the messages on its stdout."""
    done = subprocess.run(
        [*program(service), *arguments],
        input=stdin,
        env=inherited(),
        capture_output=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def json_file(folder: Path, name: str, content: Mapping[str, Any]) -> str:
    """Writes `content` to a file in `folder`, for a command to read."""
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)
