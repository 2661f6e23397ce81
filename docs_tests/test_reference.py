"""The form, the documentation and the README say the same, and what they show works."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chaos.process import FORKS, MAIN_PY
from destination_heap_analytics.config import HeapConfig
from docs_tests.markdown import ROOT, Text, code

DOCUMENT = Text.of("docs/heap-analytics.md")
README = Text.of("README.md")
DOCUMENTS = [
    *("README.md", "CHANGELOG.md", "bootstrap.md"),
    *("docs/heap-analytics.md", "docs/scheduler.md"),
]
SPEC = json.loads((ROOT / "destination_heap_analytics/spec.json").read_text(encoding="utf-8"))
FORM = SPEC["connectionSpecification"]

Json = dict[str, Any]


def objects() -> dict[str, Json]:
    """Each object of the form by the heading of its table."""
    found = {}
    for field, constant in (("api", "api_type"), ("object_storage_config", "storage_type")):
        for option in FORM["properties"][field]["oneOf"]:
            found[f"`{field}`: `{option['properties'][constant]['const']}`"] = option
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


def test_the_reference_has_every_object() -> None:
    """One table for the form and for each of its choices, none for what is not there."""
    assert DOCUMENT.below("Reference").headings == list(objects())


@pytest.mark.parametrize("heading", [None, *objects()])
def test_the_reference_is_the_form(heading: str | None) -> None:
    """Each field in the form's order, with title, requiredness, default, and a meaning."""
    reference = DOCUMENT.below("Reference")
    if heading is None:
        form, rows = FORM, Text(reference.source.partition("\n### ")[0]).rows
    else:
        form, rows = objects()[heading], reference.below(heading).rows
    assert [row[:4] for row in rows] == rows_of(form)
    assert all(row[4] for row in rows)
    for name, field in form["properties"].items():
        if "const" in field:
            (meaning,) = [row[4] for row in rows if row[0] == f"`{name}`"]
            assert meaning == f"always `{field['const']}`"


def test_bounds_are_the_forms() -> None:
    """Where the form has a lowest and a highest value, the reference has both."""
    meanings = {code(row[0]): row[4] for row in DOCUMENT.below("Reference").rows}
    bounded = [n for n, field in FORM["properties"].items() if "maximum" in field]
    assert bounded
    for name in bounded:
        field = FORM["properties"][name]
        assert f"{field['minimum']} to {field['maximum']}" in meanings[name]


def test_the_readme_is_the_form() -> None:
    """Its table has each field in order: required, or the same default."""
    table = README.below("The configuration").source.partition("\n### ")[0]
    assert [row[:2] for row in Text(table).rows] == [
        [f"`{name}`", _in_the_readme(name, field)] for name, field in FORM["properties"].items()
    ]


def _in_the_readme(name: str, field: Json) -> str:
    if name in FORM["required"]:
        return "required"
    default = field.get("default")
    match default:
        case None:
            return "none"
        case str():
            return f"`{default}`"
        case bool():
            return json.dumps(default)
        case _:
            return f"{default:,}"


def test_the_readme_names_all_of_the_storage() -> None:
    """Each field of `object_storage_config` is in the README's table."""
    named = {
        name
        for row in README.below("Rejected records").rows
        for name in re.findall(r"`(\w+)`", row[0])
    }
    options = FORM["properties"]["object_storage_config"]["oneOf"]
    assert named == {name for option in options for name in option["properties"]}


def test_sync_modes_are_the_forms() -> None:
    """Every mode that Airbyte pairs with a supported one is in the table, as supported."""
    supported = set(SPEC["supported_destination_sync_modes"])
    assert supported == {"overwrite", "append", "append_dedup"}
    table = Text(DOCUMENT.below("Supported sync modes").source.partition("\nWhat keeps")[0]).table
    assert {mode: row[0] for mode, row in table.items()} == {
        "Full Refresh | Overwrite": "Yes",
        "Full Refresh | Append": "Yes",
        "Incremental | Append": "Yes",
        "Incremental | Append + Deduped": "Yes",
    }


def test_the_titles_named_are_the_forms() -> None:
    """The steps of the setup call the fields what the form calls them."""
    step = DOCUMENT.below("Step 4: Add the destination in Airbyte").source
    titles = {FORM["properties"][name]["title"] for name in ("app_id", "base_url", "api")}
    bold = set(re.findall(r"\*\*(.+?)\*\*", step))
    assert titles <= bold
    assert bold - titles == {
        *("Destinations", "+ New destination", "Heap Analytics", "Set up destination"),
    }


def test_the_newest_version() -> None:
    """The changelog here begins with the version and the day of CHANGELOG.md."""
    newest = DOCUMENT.below("Changelog").rows[0]
    found = re.search(r"^## (\S+) \((\S+)\)$", Text.of("CHANGELOG.md").source, re.MULTILINE)
    assert found
    assert newest[:2] == [found[1], found[2]]
    upgrade = DOCUMENT.below("Upgrading from 0.1.x").source
    assert f"| 0.1.x | {found[1]} |" in upgrade


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
    """Who begins at the README or the changelog finds both."""
    assert "](docs/heap-analytics.md" in README.source
    assert "](docs/scheduler.md" in README.source
    assert "](docs/heap-analytics.md#upgrading-from-01x)" in Text.of("CHANGELOG.md").source


@pytest.mark.parametrize("example", [*README.blocks("json")])
def test_configurations(example: str) -> None:
    """Every configuration that the README shows is accepted as it stands."""
    HeapConfig.parse(json.loads(example))


def test_commands_are_run() -> None:
    """All shell commands of the documents are run by some test, or are named here.

    test_readme.py runs those of Python and curl, image_tests those of the image, and
    test_scheduler.py the rest; `make` targets are there.
    """
    assert DOCUMENT.commands == []
    begin = {command.split()[0] for command in README.commands if command.strip()}
    assert begin == {".venv/bin/python", "curl", "cat", "make", "docker"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([\w-]+)", "\n".join(README.commands), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_form_is_the_packages(tmp_path: Path) -> None:
    """What `spec` prints is the form that the documents are held against."""
    done = FORKS.run(MAIN_PY, ["main.py", "spec"], cwd=tmp_path, timeout=60)
    (line,) = [line for line in done.stdout.splitlines() if b'"SPEC"' in line]
    assert json.loads(line)["spec"]["connectionSpecification"] == FORM
