"""The form, the documentation and the README say the same, and what they show works."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from destination_hackle.config import HackleConfig
from integration_tests.chaos.process import inherited, program
from integration_tests.chaos.scenario import Service
from integration_tests.docs.markdown import ROOT, Text, code

README = Text.of("README.md")

Json = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """The document of one connector, and what it describes."""

    service: Service
    file: str
    package: str
    name: str
    #: The step of the setup that adds the destination, and the fields of the form in it.
    step: str
    fields: tuple[str, ...]

    @property
    def document(self) -> Text:
        return Text.of(self.file)

    @property
    def spec(self) -> Json:
        text = (ROOT / self.package / "spec.json").read_text(encoding="utf-8")
        spec: Json = json.loads(text)
        return spec

    @property
    def form(self) -> Json:
        form: Json = self.spec["connectionSpecification"]
        return form


HEAP = Page(
    service="heap",
    file="docs/heap-analytics.md",
    package="destination_heap_analytics",
    name="Heap Analytics",
    step="Step 4: Add the destination in Airbyte",
    fields=("app_id", "base_url", "api"),
)
HACKLE = Page(
    service="hackle",
    file="docs/hackle.md",
    package="destination_hackle",
    name="Hackle",
    step="Step 3: Add the destination in Airbyte",
    fields=(
        *("sdk_key", "event_key_column", "user_id_column", "value_column", "timestamp_column"),
    ),
)
PAGES = [HEAP, HACKLE]
DOCUMENTS = [
    *(path.name for path in sorted(ROOT.glob("*.md"))),
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
]

for_each = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def objects(form: Json) -> dict[str, Json]:
    """Each object of a form by the heading of its table."""
    found = {}
    for field, constant in (("api", "api_type"), ("object_storage_config", "storage_type")):
        for option in form["properties"].get(field, {}).get("oneOf", []):
            heading = f"`{field}`: `{option['properties'][constant]['const']}`"
            found[heading] = option
            for name, each in option["properties"].items():
                if "items" in each:
                    found[f"{heading}: one of `{name}`"] = each["items"]
    return found


def shown(default: Any) -> str:
    """A default as the tables show it: empty where there is none."""
    if default is None:
        return ""
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def rows_of(form: Json) -> list[list[str]]:
    """What the table of an object has to say of each field, the meaning aside."""
    return [
        [
            f"`{name}`",
            field.get("title", ""),
            "yes" if name in form["required"] else "no",
            shown(field.get("default")),
        ]
        for name, field in form["properties"].items()
    ]


@for_each
def test_the_reference_has_every_object(page: Page) -> None:
    """One table for the form and for each of its choices, none for what is not there."""
    assert page.document.below("Reference").headings == list(objects(page.form))


TABLES = [(page, heading) for page in PAGES for heading in (None, *objects(page.form))]


@pytest.mark.parametrize(
    ("page", "heading"), TABLES, ids=lambda value: value.name if isinstance(value, Page) else value
)
def test_the_reference_is_the_form(page: Page, heading: str | None) -> None:
    """Each field in the form's order, with title, requiredness, default, and a meaning."""
    reference = page.document.below("Reference")
    if heading is None:
        form, rows = page.form, Text(reference.source.partition("\n### ")[0]).rows
    else:
        form, rows = objects(page.form)[heading], reference.below(heading).rows
    assert [row[:4] for row in rows] == rows_of(form)
    assert all(row[4] for row in rows)
    for name, field in form["properties"].items():
        if "const" in field:
            (meaning,) = [row[4] for row in rows if row[0] == f"`{name}`"]
            assert meaning == f"always `{field['const']}`"


@for_each
def test_bounds_are_the_forms(page: Page) -> None:
    """Where the form has a lowest and a highest value, the reference has both."""
    meanings = {code(row[0]): row[4] for row in page.document.below("Reference").rows}
    fields = page.form["properties"]
    bounded = [name for name, field in fields.items() if "maximum" in field]
    assert bounded
    for name in bounded:
        assert f"{fields[name]['minimum']} to {fields[name]['maximum']}" in meanings[name]


@for_each
def test_sync_modes_are_the_forms(page: Page) -> None:
    """Every mode that Airbyte pairs with a supported one is in the table, as supported."""
    supported = set(page.spec["supported_destination_sync_modes"])
    assert supported == {"overwrite", "append", "append_dedup"}
    section = page.document.below("Supported sync modes").source
    table = Text(section.partition("\nWhat keeps")[0]).table
    assert {mode: row[0] for mode, row in table.items()} == {
        "Full Refresh | Overwrite": "Yes",
        "Full Refresh | Append": "Yes",
        "Incremental | Append": "Yes",
        "Incremental | Append + Deduped": "Yes",
    }


def test_what_is_not_known_of_hackle_is_said() -> None:
    """Whoever reads about modes is told first what a repeat may do."""
    modes = HACKLE.document.below("Supported sync modes").source
    assert "**It is not known whether Hackle ignores an event whose `insertId`" in modes
    assert modes.index("It is not known") < modes.index("What keeps")


@for_each
def test_the_titles_named_are_the_forms(page: Page) -> None:
    """The steps of the setup call the fields what the form calls them."""
    step = page.document.below(page.step).source
    titles = {page.form["properties"][name]["title"] for name in page.fields}
    bold = set(re.findall(r"\*\*(.+?)\*\*", step))
    assert titles <= bold
    assert bold - titles == {
        *("Destinations", "+ New destination", page.name, "Set up destination"),
    }


@for_each
def test_the_newest_version(page: Page) -> None:
    """The changelog here begins with the version and the day that CHANGELOG.md released last."""
    newest = page.document.below("Changelog").rows[0]
    changes = Text.of("CHANGELOG.md").source
    found = re.search(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", changes, re.MULTILINE)
    assert found
    assert newest[:2] == [found[1], found[2]]
    if "Upgrading from 0.1.x" in page.document.headings:
        assert f"| 0.1.x | {found[1]} |" in page.document.below("Upgrading from 0.1.x").source


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """Each link within the project names a file that is there, and a heading that is in it."""
    source = re.sub(r"`[^`\n]*`", "", Text.of(document).source)
    links = re.findall(r"\]\(([^)\s]+)\)", source)
    for link in links:
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / document).parent / file if file else ROOT / document
        assert target.exists(), link
        if anchor:
            headings = Text.of(str(target)).headings
            assert anchor in {_anchor(heading) for heading in headings}, link


def _anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_way_to_the_documents() -> None:
    """Who begins at the README or the changelog finds them all."""
    for document in DOCUMENTS:
        if document != "README.md":
            assert f"]({document}" in README.source, document
    changes = Text.of("CHANGELOG.md").source
    assert "](docs/heap-analytics.md#upgrading-from-01x)" in changes
    assert "](docs/hackle.md" in changes


def test_a_whole_configuration() -> None:
    """Hackle's, as it is shown, is accepted as it stands."""
    HackleConfig.parse(json.loads(HACKLE.document.below("The events").blocks("json")[0]))


@for_each
def test_the_form_is_the_packages(page: Page, tmp_path: Path) -> None:
    """What `spec` prints is the form that the documents are held against."""
    done = subprocess.run(
        [*program(page.service), "spec"],
        cwd=tmp_path,
        env=inherited(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if b'"SPEC"' in line]
    assert json.loads(line)["spec"]["connectionSpecification"] == page.form


#: Where a path of a document may begin, beside the top.
FOLDERS = [
    "bulk_destination",
    "integration_tests",
    "sample_files",
    *(page.package for page in PAGES),
]
PLACES = [ROOT, *(ROOT / folder for folder in FOLDERS)]


@pytest.mark.parametrize("document", ["bootstrap.md", "CONTRIBUTING.md"])
def test_paths_are_there(document: str) -> None:
    """Each file and folder that is named; not a service to come (`x`), nor what make makes."""
    named = re.findall(r"`([\w./-]+(?:\.(?:py|sh|md|json|yaml|lock)|/))`", Text.of(document).source)
    assert len(named) > 10
    for path in named:
        if not re.search(r"(^|[/_])x[./]|^[.]cache/", path):
            assert any((place / path).exists() for place in PLACES), path
