"""What holds for the project as a whole."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml
from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import (
    ConnectorMetadataDefinitionV0,
)

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "bulk_destination"
CONNECTORS = {
    "destination_heap_analytics": [
        *("config", "objects", "routing", "values", "apis", "deletion", "service"),
        *("library", "destination", "run", "__init__"),
    ],
    "destination_hackle": [
        *("config", "values", "payloads", "service", "library", "destination", "run", "__init__"),
    ],
}

#: From the bottom up: a room, or a module beside them, may import only what stands before it.
RANKS = [
    *("errors", "names", "ledger", "fields"),
    *("mapping", "protocol", "http", "delivery", "rejected"),
    *("config", "connection", "verdict", "intake", "look", "connection_check", "loading", "write"),
    *("library", "studio", "command_line", "destination", "__init__"),
]
#: The same within each room.
ROOMS = {
    "mapping": [
        *("values", "times", "payload_json", "spelling", "columns", "schema", "entries"),
        *(
            "grammar",
            "lookups",
            "presence",
            "bookkeeping",
            "reading",
            "exclusions",
            "stream",
            "properties",
        ),
        *("idempotency", "record_mapper", "__init__"),
    ],
    "protocol": [
        *("lines", "splicing", "messages", "catalog", "checkpoints", "arguments", "json_files"),
        *("spool", "stdin", "stdout", "__init__"),
    ],
    "http": [
        *("words", "signs", "replies", "endpoint", "pacing", "jobs", "answer", "wire"),
        *("client", "job_client", "__init__"),
    ],
    "delivery": [
        *("threads", "quotas", "concurrency", "batches", "backlog", "throttling", "outages"),
        *("settlement", "inbox", "sender", "held", "delivery"),
        *("held_delivery", "deliveries", "__init__"),
    ],
    "rejected": [
        *("rejected_records", "object_storage_config", "local_storage", "s3_session", "s3_storage"),
        *("object_storage", "saving", "rejected_files", "__init__"),
    ],
    "loading": ["surroundings", "ways", "walk", "__init__"],
    "library": [
        *("tables", "rows", "report", "plan", "partitions", "feed", "library", "__init__"),
    ],
    "look": [
        *(
            "samples",
            "columns_seen",
            "told_names",
            "shown_values",
            "shapes",
            "blame",
            "plan",
            "dry_run",
            "folded",
            "stdin_sample",
            "preview",
            "progress",
            "readable",
            "terminal",
        ),
        "__init__",
    ],
    "studio": [
        *("guard", "form", "suggestions", "chart", "takeaway", "behind", "sample", "judging"),
        *("rendering", "source", "studio", "pages", "command", "__init__"),
    ],
}
#: Modules that decide; `mapping` is pure as a whole.
PURE = [
    *("errors", "names", "ledger", "fields", "connection", "verdict"),
    *(f"mapping/{module}" for module in ROOMS["mapping"]),
    *(f"protocol/{module}" for module in ("lines", "splicing", "messages")),
    *(f"protocol/{module}" for module in ("catalog", "checkpoints")),
    *(f"http/{module}" for module in ("words", "signs", "replies", "endpoint", "pacing", "jobs")),
    *(f"delivery/{module}" for module in ("quotas", "concurrency", "held")),
    *(f"delivery/{module}" for module in ("batches", "backlog", "throttling", "outages")),
    *("rejected/rejected_records", "rejected/object_storage_config"),
    *(f"library/{module}" for module in ("tables", "rows", "report", "plan", "partitions")),
    *("look/samples", "look/columns_seen", "look/told_names", "look/plan", "look/progress"),
    *("look/shown_values", "look/shapes", "look/blame", "look/readable"),
    *(f"studio/{module}" for module in ("guard", "form", "suggestions", "chart", "takeaway")),
]
#: Of each connector; all but its face and its command.
CONNECTOR_PURE = {
    *("config", "objects", "routing", "values", "apis", "deletion", "payloads", "service"),
}
#: The same for the local stand-ins: the parts that all have in common, and each service.
SANDBOXES = {
    "sandbox": [
        *(
            "typed",
            "answers",
            "property_counts",
            "event_counts",
            "quotas",
            "history",
            "faults",
            "journal",
            "options",
        ),
        *("options", "server", "database", "intake", "standin", "guard", "http", "running"),
        *("page.chart", "page.shown", "page.outcomes", "page.loading", "page.rendering"),
        *("page.views", "page.routes"),
        *("page.__init__", "command", "demo", "__init__"),
    ],
    "sandbox/heap": [
        *("options", "validation", "store", "sandbox", "page.views", "page.__init__"),
        *("app", "cli", "running", "__init__", "demo", "__main__"),
    ],
    "sandbox/hackle": [
        *("options", "validation", "store", "sandbox", "page.views", "page.__init__"),
        *("app", "cli", "running", "__init__", "demo", "__main__"),
    ],
}
SANDBOX_PURE = {
    "sandbox": {
        *("answers", "quotas", "history", "faults", "guard"),
        *("page.chart", "page.shown", "page.outcomes", "page.loading"),
    },
    "sandbox/heap": {"validation"},
    "sandbox/hackle": {"validation"},
}
OUTSIDE = {"socket", "threading", "queue", "requests", "time", "os", "sys"}


#: The same for the fault suite; what says what must land knows no connector.
CHAOS = ROOT / "integration_tests" / "chaos"
CHAOS_LAYERS = [
    *(
        "source",
        "scenario",
        "model",
        "leaks",
        "kept",
        "hurried",
        "process",
        "witness",
        "relay",
        "verdict",
        "play",
        "quotas",
        "deletion",
    ),
    *("__init__", "__main__"),
]
CHAOS_APART = {"source", "scenario", "model", "leaks", "kept", "witness", "verdict"}


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


FOLDERS = {
    **{f"bulk_destination.{room}": layers for room, layers in ROOMS.items()},
    **CONNECTORS,
    "integration_tests.chaos": CHAOS_LAYERS,
}


@pytest.mark.parametrize("package", FOLDERS)
def test_imports_go_downward(package: str) -> None:
    """No module knows one that stands above it, so there is no circle."""
    folder, layers = ROOT / package.replace(".", "/"), FOLDERS[package]
    assert {path.stem for path in folder.glob("*.py")} == set(layers)
    for height, module in enumerate(layers):
        for name in _names_within(package, folder / f"{module}.py"):
            if name in layers:
                assert layers.index(name) < height, f"{module} imports {name}"


def test_rooms_stand_on_each_other() -> None:
    """Neither does a room of the engine, or a module beside the rooms."""
    rooms = {path.parent.name for path in ENGINE.glob("*/__init__.py")}
    assert rooms == ROOMS.keys()
    assert {path.stem for path in ENGINE.glob("*.py")} | rooms == set(RANKS)
    for height, name in enumerate(RANKS):
        place = ENGINE / name
        for path in place.glob("*.py") if name in rooms else [ENGINE / f"{name}.py"]:
            for imported in _names_within(ENGINE.name, path) - {name}:
                assert RANKS.index(imported) < height, f"{path} imports {imported}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_its_duty(room: str) -> None:
    """Whoever opens a room reads first, in two sentences, what it is for."""
    duty = ast.get_docstring(ast.parse((ENGINE / room / "__init__.py").read_text()))
    assert duty is not None
    assert duty.count(".") >= 2


def _names_within(package: str, path: Path) -> set[str]:
    """What `path` imports of `package`, each by its first name below it."""
    inside = f"{package}."
    found = (name.removeprefix(inside) for name in _imports(path) if name.startswith(inside))
    return {name.partition(".")[0] for name in found if name[:1].islower()}


@pytest.mark.parametrize("package", SANDBOXES)
def test_a_sandbox_imports_downward(package: str) -> None:
    """Neither does any module of a stand-in; what all share knows none of the services."""
    folder, layers = ROOT / package, SANDBOXES[package]
    apart = {ROOT / other for other in SANDBOXES} - {folder}
    files = {
        ".".join(path.relative_to(folder).with_suffix("").parts): path
        for path in folder.rglob("*.py")
        if package != "sandbox" or not apart.intersection(path.parents)
    }
    assert files.keys() == set(layers)
    dotted = package.replace("/", ".")
    for height, module in enumerate(layers):
        for imported in _imports(files[module]):
            name = imported.removeprefix(f"{dotted}.")
            if name != imported and name in files:
                assert layers.index(name) < height, f"{module} imports {name}"
            for other in SANDBOXES.keys() - {package, "sandbox"}:
                assert not imported.startswith(other.replace("/", ".")), module


def test_the_core_is_pure() -> None:
    """Modules that decide know no socket, thread, clock or file."""
    for module in PURE:
        assert not _imports(ENGINE / f"{module}.py") & OUTSIDE, module
    for name, layers in CONNECTORS.items():
        for module in CONNECTOR_PURE.intersection(layers):
            assert not _imports(ROOT / name / f"{module}.py") & OUTSIDE, module
    for package, modules in SANDBOX_PURE.items():
        for module in modules:
            path = ROOT / package / f"{module.replace('.', '/')}.py"
            assert not _imports(path) & OUTSIDE, module


def test_sandbox_and_connector_share_nothing() -> None:
    """A misreading of a service in the one is not copied to the other."""
    connectors = {ENGINE.name, *CONNECTORS}
    for path in (ROOT / "sandbox").rglob("*.py"):
        assert not _packages(path) & connectors, path
    for path in (path for package in connectors for path in (ROOT / package).rglob("*.py")):
        assert "sandbox" not in _packages(path), path


def test_the_engine_knows_no_service() -> None:
    """Neither by an import nor by a word: what is special to a service is handed in."""
    services = [name.split("_")[1] for name in CONNECTORS]
    assert services == ["heap", "hackle"]
    for path in ENGINE.rglob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert not _packages(path) & CONNECTORS.keys(), path.name
        assert not any(service in text for service in services), path.name


def test_no_service_knows_another() -> None:
    """A connector stands on the engine alone."""
    for name in CONNECTORS:
        others = CONNECTORS.keys() - {name}
        for path in (ROOT / name).glob("*.py"):
            assert not _packages(path) & others, path


def _packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in _imports(path)}


def test_the_fault_suite_judges_for_itself() -> None:
    """What must land is not asked of the connector's own code."""
    for module in CHAOS_APART:
        assert not _packages(CHAOS / f"{module}.py") & {ENGINE.name, *CONNECTORS}, module


#: Airbyte looks for one at the top; that is the connector's that the project is named for.
METADATA = {
    "destination_heap_analytics": ROOT / "metadata.yaml",
    "destination_hackle": ROOT / "destination_hackle" / "metadata.yaml",
}


def test_one_version() -> None:
    """setup.py, the engine, each metadata.yaml and the newest changelog entry agree.

    The images' labels are metadata.yaml's by `make image`; integration_tests/image looks at them.
    """

    def first(pattern: str, file: str) -> str:
        found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert found, f"{pattern} in {file}"
        return found[1]

    assert METADATA.keys() == CONNECTORS.keys()
    versions = {
        yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["dockerImageTag"]
        for path in METADATA.values()
    }
    assert {
        first(r'version="([^"]+)"', "setup.py"),
        first(r'__version__.*= "([^"]+)"', "bulk_destination/__init__.py"),
        first(r"^## (\S+)", "CHANGELOG.md"),
    } == versions
    assert not any(version in (ROOT / "Dockerfile").read_text() for version in versions)


@pytest.mark.parametrize("connector", CONNECTORS)
def test_metadata(connector: str) -> None:
    """Airbyte's registry takes metadata.yaml, by the model that it publishes."""
    metadata = yaml.safe_load(METADATA[connector].read_text(encoding="utf-8"))
    data = ConnectorMetadataDefinitionV0.model_validate(metadata).data
    name = connector.replace("_", "-")
    assert data.docker_repository == f"airbyte/{name}"
    assert data.github_issue_label == name
    assert data.connector_type.value == "destination"
    assert data.supports_refreshes is True
    # What is not a field of Airbyte's is refused, so a slip of the pen cannot hide in it.
    with pytest.raises(ValueError, match="licence"):
        ConnectorMetadataDefinitionV0.model_validate(
            {**metadata, "data": {**metadata["data"], "licence": "MIT"}}
        )


def test_metadata_is_of_one_connector() -> None:
    """No two have an id in common, and each links to the page that its form does."""
    ids = set()
    for connector, path in METADATA.items():
        data = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]
        form = json.loads((ROOT / connector / "spec.json").read_bytes())
        assert data["documentationUrl"] == form["documentationUrl"]
        ids.add(data["definitionId"])
    assert len(ids) == len(METADATA)
