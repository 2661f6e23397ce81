"""`make screenshots`: the pictures of the README, taken of the real things.

The preview is what the command prints, its colours turned into HTML; the page is the local
Heap's, after the samples were loaded by all three APIs; the studio is that of docs/studio.md.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import requests
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.text import Text

from integration_tests.browser.browsing import FLAGS, ROOT, Window, chromium, connector, json_file
from integration_tests.browser.forms import field
from integration_tests.studios import studio
from sandbox.heap import running
from sandbox.heap.demo import LOADS

IMAGES: Final = ROOT / "docs" / "images"
WIDTH: Final = 100
_HTML: Final = """<body style="margin:0;background:{background};color:{foreground}">
<pre style="display:inline-block;margin:0;padding:16px;font:14px/1.2 monospace">{code}</pre>"""


def preview() -> str:
    """What `preview` shows of the sample orders, as HTML."""
    orders, _, _ = LOADS["track"]
    shown = subprocess.run(
        [
            *(sys.executable, str(ROOT / "main.py"), "preview"),
            *("--config", str(ROOT / orders.config), "--catalog", str(ROOT / orders.catalog)),
        ],
        input=(ROOT / orders.rows).read_bytes(),
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"},
        capture_output=True,
        check=False,
    )
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(shown.stdout.decode()))
    return console.export_html(inline_styles=True, code_format=_HTML)


def picture_preview(browser: Browser) -> None:
    """`docs/images/preview.png`"""
    page = browser.new_page(viewport={"width": 1200, "height": 400})
    page.set_content(preview())
    page.locator("pre").screenshot(path=IMAGES / "preview.png")


def picture_page(browser: Browser) -> None:
    """`docs/images/page.png`"""
    with running() as heap, tempfile.TemporaryDirectory() as folder:
        # The events last, as the newest stand first.
        for name, (sample, _, _) in reversed(LOADS.items()):
            config = json.loads((ROOT / sample.config).read_text(encoding="utf-8"))
            connector(
                "write",
                *("--config", json_file(Path(folder), name, config | {"base_url": heap.url})),
                *("--catalog", str(ROOT / sample.catalog)),
                stdin=(ROOT / sample.rows).read_bytes(),
            )
        refused = {"app_id": "11", "events": [{"event": "Signed Up", "properties": {}}]}
        requests.post(f"{heap.url}/api/track", json=refused, timeout=10)
        window = Window(browser, size=(1200, 800), dark=False)
        window.page.goto(heap.url)
        window.page.locator("ol.rows > li").first.wait_for()
        window.page.screenshot(path=IMAGES / "page.png")
        window.close()


def picture_studio(browser: Browser) -> None:
    """`docs/images/studio.png` and `docs/images/studio-phone.png`"""
    shapes = {"studio": ((1400, 860), False), "studio-phone": ((390, 760), True)}
    with studio(str(ROOT / "sample_files" / "orders.csv")) as page:
        for name, (size, dark) in shapes.items():
            window = Window(browser, size=size, dark=dark)
            window.page.goto(page.url)
            window.page.locator("#planned .figures").wait_for()
            field(window.page, "Environment ID").fill("3000610572")
            window.page.locator("#take .warning").wait_for(state="detached")
            window.page.locator("#planned .figures").wait_for()
            if name == "studio-phone":
                identity = window.page.locator("#problem-api-track-identity_column")
                identity.evaluate("one => one.scrollIntoView({block: 'center'})")
            window.page.screenshot(path=IMAGES / f"{name}.png")
            window.close()


def main() -> None:
    """Takes all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        picture_preview(browser)
        picture_page(browser)
        picture_studio(browser)
        browser.close()
    print(f"{IMAGES.relative_to(ROOT)}: preview.png, page.png, studio.png, studio-phone.png")


if __name__ == "__main__":
    main()
