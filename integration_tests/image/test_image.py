"""The image of each connector, in real containers, as Airbyte and as people run it.

Heap and Hackle are local, on loopback. `make image` builds what is tested here. The two ways to run
a connector are Docker's (the image's entry point) and that of Airbyte's launcher on Kubernetes: a
shell that evaluates the variable `AIRBYTE_ENTRYPOINT`, in a folder of its own, maybe as user 1000
without any right.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol
from xml.etree import ElementTree as ET

import pytest
import yaml

import sandbox.hackle
import sandbox.heap
from integration_tests.docs.markdown import Text
from sandbox.demo import Sample
from sandbox.hackle.demo import SAMPLE
from sandbox.heap.demo import LOADS

ROOT = Path(__file__).parents[2]
MADE = ROOT / ".cache" / "image"
#: The distribution, whichever connector is in it.
OWN = "destination-heap-analytics"
#: Seconds; a container that hangs fails by it.
PATIENCE = 120
#: MB over the base. An image that grows by a fifth has caught something that nobody meant.
LARGEST_SHARE = 330
#: Where the tests' files are in a container: not where the connector is, nor where it starts.
FOLDER = "/config"

WRITE = "write --config config.json --catalog catalog.json"
LAUNCHER = ["-c", f'eval "$AIRBYTE_ENTRYPOINT {WRITE}"']

Json = dict[str, Any]


class Service(Protocol):
    """A local service, as far as both are alike."""

    url: str

    def events(self) -> list[Json]: ...

    def users(self) -> list[Json]: ...


@dataclass(frozen=True)
class Connector:
    """What an image holds, and what differs between the connectors."""

    package: str
    metadata: str
    #: The samples, the first of them events, and the address in their configurations.
    samples: tuple[Sample, ...]
    address: str
    stream: str
    running: Callable[[], AbstractContextManager[Service]]
    #: What belongs to a record that lands, but for who it is about.
    data: Json
    #: The field that no two of them have in common.
    key: str
    #: The field of a record that says so, and that of the service's events.
    who: tuple[str, str]
    #: A field of the configuration, and what it cannot be.
    wrong: tuple[str, str]

    @property
    def name(self) -> str:
        """The connector's name, and its command's."""
        return self.package.replace("_", "-")

    def record(self, number: int) -> bytes:
        """A line with a record of its own person."""
        data = {**self.data, self.key: number, self.who[0]: f"person{number}@example.com"}
        inner = {"stream": self.stream, "data": data, "emitted_at": 1_767_600_000_000}
        return json.dumps({"type": "RECORD", "record": inner}).encode() + b"\n"

    def persons(self, service: Service) -> list[str]:
        """Whom the events are about that a service holds."""
        return [event[self.who[1]] for event in service.events()]


HEAP = Connector(
    package="destination_heap_analytics",
    metadata="metadata.yaml",
    samples=tuple(sample for sample, _, _ in LOADS.values()),
    address="http://127.0.0.1:8087",
    stream="orders",
    running=sandbox.heap.running,
    data={"amount": 9.5},
    key="order_id",
    who=("user_id", "identity"),
    wrong=("app_id", "not digits"),
)
HACKLE = Connector(
    package="destination_hackle",
    metadata="destination_hackle/metadata.yaml",
    samples=(SAMPLE,),
    address="http://127.0.0.1:8088",
    stream="purchases",
    running=sandbox.hackle.running,
    data={"event": "purchase", "amount": 13200},
    key="id",
    who=("user_id", "user_id"),
    wrong=("sdk_key", "not a key"),
)
CONNECTORS = [HEAP, HACKLE]


@dataclass(frozen=True)
class Image:
    """What was built of a connector, and the command (Docker's, or podman's) that runs it."""

    connector: Connector
    engine: str
    id: str
    base: str

    @classmethod
    def made(cls, connector: Connector) -> Image:
        files = (f"{connector.package}.id", "base")
        try:
            names = [(MADE / name).read_text().strip() for name in files]
        except OSError:
            pytest.fail("there is no image: run `make image-test`")
        image = cls(connector, str(MADE / "engine"), *names)
        inspect = [image.engine, "image", "inspect", image.id]
        there = subprocess.run(inspect, capture_output=True, check=False)
        if there.returncode != 0:
            pytest.fail(f"the image is gone: remove {MADE / '.made'}, run `make image-test`")
        return image

    def command(
        self, args: Sequence[str], options: Sequence[str], folder: Path | None
    ) -> list[str]:
        mount = ["--volume", f"{folder}:{FOLDER}:ro"] if folder else []
        return [self.engine, "run", "-i", *mount, *options, self.id, *args]

    def run(
        self,
        args: Sequence[str],
        *,
        options: Sequence[str] = (),
        folder: Path | None = None,
        stdin: bytes = b"",
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a container to its end, `folder` mounted at /config."""
        return subprocess.run(
            self.command(args, ["--rm", *options], folder),
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    def shell(self, script: str, *options: str) -> str:
        """What a script says that runs in the image's own shell."""
        done = self.run(["-c", script], options=["--entrypoint", "sh", *options])
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def python(self, script: str) -> Any:
        """What a script prints as JSON that runs in the connector's own Python."""
        done = self.run(["-c", script], options=["--entrypoint", "/connector/bin/python"])
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def inspect(self, template: str, image: str = "") -> Any:
        """A part of the image's description, by a template that gives JSON."""
        command = [self.engine, "image", "inspect", "--format", template, image or self.id]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
        return json.loads(done.stdout)


@pytest.fixture(scope="module", params=CONNECTORS, ids=lambda connector: connector.name)
def image(request: pytest.FixtureRequest) -> Image:
    return Image.made(request.param)


@pytest.fixture(scope="module")
def bare(image: Image) -> list[str]:
    """A container in which nothing is allowed but what the connector must have: the network."""
    options = ["--user=1000:1000", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    options += ["--read-only", "--network=host"]
    version = subprocess.run([image.engine, "--version"], capture_output=True, check=True).stdout
    # Podman alone would still give it folders in memory to write to.
    return [*options, "--read-only-tmpfs=false"] if b"podman" in version else options


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """The engine under the name that people call it by, with Heap on its containers' loopback."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in *--network*) ;; run*) shift; set -- run --network=host "$@" ;; esac\n'
        f'exec {MADE / "engine"} "$@"\n'
    )
    program.chmod(0o755)
    return program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files for a container, whose user need not be ours."""
    made = tmp_path / "config"
    made.mkdir(mode=0o755)
    return made


def configure(
    folder: Path,
    connector: Connector,
    service: Service,
    sample: Sample | None = None,
    /,
    **fields: Any,
) -> None:
    """A sample, the connector's first by default, for this service."""
    sample = sample or connector.samples[0]
    config = json.loads((ROOT / sample.config).read_bytes())
    config |= {"base_url": service.url, **fields}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "catalog.json").write_bytes((ROOT / sample.catalog).read_bytes())


def messages(stdout: bytes, kind: str) -> list[Json]:
    """The messages of one type; every line has to be one."""
    parsed = [json.loads(line) for line in stdout.splitlines()]
    return [message for message in parsed if message["type"] == kind]


#: When and in what order an item came: no two syncs have the same.
COMING = {"sequence", "received_at", "created_at", "updated_at"}


def holdings(service: Service) -> list[list[Json]]:
    """All that a service holds, in an order of its own."""
    held = [service.events(), service.users()]
    if isinstance(service, sandbox.heap.Sandbox):
        held.append(service.accounts())
    return [
        sorted(
            ({name: item[name] for name in item.keys() - COMING} for item in items),
            key=lambda item: json.dumps(item, sort_keys=True),
        )
        for items in held
    ]


def state(number: int) -> bytes:
    stream = {"stream_descriptor": {"name": "any"}, "stream_state": {"position": number}}
    inner = {"type": "STREAM", "stream": stream, "id": number}
    return json.dumps({"type": "STATE", "state": inner}).encode() + b"\n"


#: Ends with 0 where the file is valid, else says on stderr what is not.
VALIDATE = """
import sys, pathlib
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(pathlib.Path(sys.argv[1]).read_text())
sys.exit(fault and str(fault))
"""


# -- what it is -----------------------------------------------------------------------------------


def test_labels(image: Image) -> None:
    """Name and version are those of metadata.yaml; so are the package's inside, and `--version`."""
    text = (ROOT / image.connector.metadata).read_text(encoding="utf-8")
    metadata = yaml.safe_load(text)["data"]
    labels = image.inspect("{{json .Config.Labels}}")
    assert labels["io.airbyte.name"] == metadata["dockerRepository"]
    assert labels["io.airbyte.version"] == metadata["dockerImageTag"]
    inside = image.python(
        "import importlib.metadata as m, json;"
        "print(json.dumps(m.version('destination-heap-analytics')))"
    )
    assert inside == metadata["dockerImageTag"]
    told = image.run(["--version"], options=[]).stdout.decode()
    assert told == f"{image.connector.name} {metadata['dockerImageTag']}\n"


def test_settings(image: Image) -> None:
    """One program for Docker and for the launcher, unbuffered, and not as root."""
    program = "/connector/bin/destination"
    assert Path(image.shell(f"readlink {program}").strip()).name == image.connector.name
    variables = image.inspect("{{json .Config.Env}}")
    assert f"AIRBYTE_ENTRYPOINT={program}" in variables
    assert "PYTHONUNBUFFERED=1" in variables
    assert image.inspect("{{json .Config.Entrypoint}}") == [program]
    assert image.inspect("{{json .Config.User}}") == "1000:1000"


def test_contents(image: Image) -> None:
    """The engine, one connector and what they need, in the locked versions, and nothing else.

    No other connector, test, sandbox or sample file.
    """
    inside = image.python(
        "import importlib.metadata as m, json, pathlib, bulk_destination as d;"
        "packages = pathlib.Path(d.__file__).parents[1];"
        "print(json.dumps({"
        "'versions': {p.name: p.version for p in m.distributions()},"
        "'ours': {f.name: [p.name for p in f.iterdir() if p.name != '__pycache__']"
        " for f in packages.iterdir() if f.name.endswith('_destination')"
        " or f.name.startswith('destination_') and f.suffix != '.dist-info'},"
        "'beside': [p.name for p in packages.iterdir()]}))"
    )
    lock = (ROOT / "requirements.lock").read_text()
    pins = set(re.findall(r"^[\w.-]+==[^\s;]+", lock, re.MULTILINE))
    versions = {normal(name): version for name, version in inside["versions"].items()}
    assert versions.pop(OWN)
    assert {f"{name}=={version}" for name, version in versions.items()} <= pins
    assert not versions.keys() & {"pip", "uv", "pytest", "mypy", "ruff", "uvicorn", "starlette"}
    ours = ("bulk_destination", image.connector.package)
    assert inside["ours"].keys() == set(ours)
    for package in ours:
        tree = {path.name for path in (ROOT / package).iterdir()}
        for_airbyte = {"metadata.yaml", "acceptance-test-config.yml"}
        not_here = for_airbyte | {"studio", "__pycache__"}  # a page for people, and its packages
        assert set(inside["ours"][package]) == tree - not_here
    (others,) = (other.package for other in CONNECTORS if other is not image.connector)
    names = ["sandbox", "sample_files", "orders.jsonl", others]
    names += ["purchases.jsonl", "unit_tests", "integration_tests"]
    assert not {*names} & {*inside["beside"]}
    names.remove("sandbox")  # others may have folders of that name
    found = image.shell(
        rf"find / -xdev \( -name {' -o -name '.join(names)} \)",
        "--user=0:0",
    )
    assert found == ""


def test_no_studio(image: Image) -> None:
    """It is for a person's own machine; the image says how to get it there."""
    done = image.run(["studio"])
    assert done.returncode == 1
    assert b"[studio]'" in done.stderr
    assert b"Traceback" not in done.stderr


def test_bill_of_materials(image: Image) -> None:
    """The list that was left beside it names what is in it: no more, no less, no other version."""
    file = MADE / f"{image.connector.package}.cdx.json"
    bill = json.loads(file.read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {normal(part["name"]): part["version"] for part in bill["components"]}
    inside = image.python(
        "import importlib.metadata as m, json;"
        "print(json.dumps({p.name: p.version for p in m.distributions()}))"
    )
    assert named == {normal(name): version for name, version in inside.items()}
    assert all(part.get("licenses") for part in bill["components"] if normal(part["name"]) == OWN)
    # By CycloneDX's own schema, which its own library carries.
    validated = subprocess.run(
        [ROOT / ".cache/cyclonedx/bin/python", "-c", VALIDATE, file],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert validated.returncode == 0, validated.stderr[:300]  # the schema follows


def normal(name: str) -> str:
    """A package's name as a lock file has it."""
    return name.lower().replace("_", "-").replace(".", "-")


def test_extras(image: Image) -> None:
    """What the extra `s3` asks for, as soon as the package has one, is inside."""
    script = (
        "import importlib.metadata as m, json; from packaging.requirements import Requirement;"
        "wanted = [Requirement(r) for r in m.requires('destination-heap-analytics')];"
        "s3 = [r for r in wanted if r.marker and r.marker.evaluate({'extra': 's3'})"
        " and not r.marker.evaluate({'extra': ''})];"
        "print(json.dumps([r.name for r in s3 if m.version(r.name) in r.specifier]))"
    )
    declared = "s3" in image.python(
        "import importlib.metadata as m, json;"
        "print(json.dumps(m.metadata('destination-heap-analytics').get_all('Provides-Extra')))"
    )
    assert bool(image.python(script)) == declared


def test_size(image: Image) -> None:
    """It stays about as small as it is."""
    size, base = image.inspect("{{.Size}}"), image.inspect("{{.Size}}", image.base)
    assert 0 < (size - base) / 1e6 < LARGEST_SHARE


def test_what_the_launcher_calls(image: Image) -> None:
    """The shell and the programs that Airbyte's launcher needs in every image."""
    found = image.shell("for name in sh cat mv touch sleep; do command -v $name || exit 1; done")
    assert len(found.splitlines()) == 5


# -- what it does ---------------------------------------------------------------------------------


def test_spec(image: Image, bare: list[str]) -> None:
    """As Docker runs it, and locked down: the form as it is in the tree, and nothing else."""
    form = json.loads((ROOT / image.connector.package / "spec.json").read_bytes())
    for options in ([], bare):
        done = image.run(["spec"], options=options)
        assert (done.returncode, done.stderr) == (0, b"")
        (message,) = (json.loads(line) for line in done.stdout.splitlines())
        shown = message["spec"]["connectionSpecification"]
        assert shown == form["connectionSpecification"]


def test_check(image: Image, bare: list[str], folder: Path) -> None:
    """Succeeds where the service is, and fails with exit code 0 on a wrong field; adds nothing."""
    args = ["check", "--config", f"{FOLDER}/config.json"]
    connector = image.connector
    with connector.running() as service:
        configure(folder, connector, service)
        done = image.run(args, options=bare, folder=folder)
        assert done.returncode == 0, done.stderr
        (status,) = messages(done.stdout, "CONNECTION_STATUS")
        assert status["connectionStatus"]["status"] == "SUCCEEDED"
        assert not any(holdings(service))
        field, value = connector.wrong
        configure(folder, connector, service, **{field: value})
        done = image.run(args, options=bare, folder=folder)
        assert done.returncode == 0, done.stderr
        (status,) = messages(done.stdout, "CONNECTION_STATUS")
        assert status["connectionStatus"]["status"] == "FAILED"
        assert field in status["connectionStatus"]["message"]


SAMPLE_LOADS = [(connector, sample) for connector in CONNECTORS for sample in connector.samples]


@pytest.mark.parametrize(
    ("image", "sample"),
    SAMPLE_LOADS,
    indirect=["image"],
    ids=lambda value: value.config if isinstance(value, Sample) else value.name,
)
def test_write(image: Image, bare: list[str], folder: Path, sample: Sample) -> None:
    """Both ways to run it leave the same in the service as the tree does, and the same states.

    Docker's way as the image's own user; the launcher's in its folder, locked down.
    """
    connector = image.connector
    rows = (ROOT / sample.rows).read_bytes()
    files = ["--config", f"{FOLDER}/config.json", "--catalog", f"{FOLDER}/catalog.json"]
    launcher = [*bare, f"--workdir={FOLDER}", "--entrypoint=sh"]
    run = connector.running
    with run() as by_docker, run() as by_launcher, run() as by_tree:
        configure(folder, connector, by_docker, sample)
        docker = image.run(["write", *files], options=["--network=host"], folder=folder, stdin=rows)
        configure(folder, connector, by_launcher, sample)
        launched = image.run(LAUNCHER, options=launcher, folder=folder, stdin=rows)
        configure(folder, connector, by_tree, sample)
        tree = subprocess.run(
            [ROOT / ".venv/bin" / connector.name, *WRITE.split()],
            input=rows,
            cwd=folder,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        for done in (docker, launched, tree):
            assert (done.returncode, done.stderr) == (0, b""), done.stdout[-2_000:]
        assert any(holdings(by_tree))
        assert holdings(by_docker) == holdings(by_tree)
        assert holdings(by_launcher) == holdings(by_tree)
        states = messages(tree.stdout, "STATE")
        assert len(states) == rows.count(b'"STATE"') > 0
        assert messages(docker.stdout, "STATE") == states
        assert messages(launched.stdout, "STATE") == states


def test_a_user_that_nobody_foresaw(image: Image, bare: list[str], folder: Path) -> None:
    """Some clusters give each container a user of its own; it has no name and no home there."""
    connector = image.connector
    with connector.running() as service:
        configure(folder, connector, service)
        stdin = connector.record(0) + state(1)
        options = [*bare, "--user=1234567:1234567", f"--workdir={FOLDER}"]
        done = image.run(WRITE.split(), options=options, folder=folder, stdin=stdin)
        assert done.returncode == 0, done.stderr
        assert connector.persons(service) == ["person0@example.com"]
        assert [message["state"]["id"] for message in messages(done.stdout, "STATE")] == [1]


def test_a_failure_reaches_the_launcher(image: Image, bare: list[str], folder: Path) -> None:
    """A TRACE ERROR and, through the shell, an exit code that is not 0."""
    connector = image.connector
    with connector.running() as service:
        configure(folder, connector, service, **{connector.wrong[0]: ""})
        options = [*bare, f"--workdir={FOLDER}", "--entrypoint=sh"]
        stdin = connector.record(0) + state(1)
        done = image.run(LAUNCHER, options=options, folder=folder, stdin=stdin)
        assert done.returncode == 1
        (trace,) = messages(done.stdout, "TRACE")
        assert trace["trace"]["error"]["failure_type"] == "config_error"
        assert messages(done.stdout, "STATE") == []
        assert not any(holdings(service))


# -- how it ends ----------------------------------------------------------------------------------


def feed(stdin: IO[bytes], connector: Connector, numbers: Iterable[int]) -> None:
    for number in numbers:
        stdin.write(connector.record(number) + state(number + 1))
    stdin.flush()


@pytest.mark.parametrize(
    ("image", "signal"),
    # How it dies is the engine's, so the second connector is not killed once more.
    [(HEAP, "TERM"), (HEAP, "KILL"), (HACKLE, "TERM")],
    indirect=["image"],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_container_that_is_stopped(
    image: Image, bare: list[str], folder: Path, signal: str
) -> None:
    """Every state that came out is true; asked to end, all that was read is settled and said.

    The connector is the container's first process, to which Linux gives no signal that it has no
    handler for.
    """
    connector = image.connector
    name = f"{connector.name}-{uuid.uuid4().hex}"
    with connector.running() as service:
        configure(folder, connector, service)
        options = [*bare, f"--workdir={FOLDER}", f"--name={name}"]
        command = image.command(WRITE.split(), options, folder)
        said_in = folder.with_name("stdout")  # a pipe would fill up while nobody reads
        with (
            said_in.open("wb") as stdout,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout) as process,
        ):
            try:
                assert process.stdin is not None
                feed(process.stdin, connector, range(2_500))
                until = time.monotonic() + PATIENCE
                while said_in.read_bytes().count(b'"STATE"') < 2_000:
                    assert time.monotonic() < until
                    time.sleep(0.05)
                kill = [image.engine, "kill", f"--signal={signal}", name]
                subprocess.run(kill, timeout=PATIENCE, check=True)
                process.wait(PATIENCE)
            finally:
                process.kill()
                remove = [image.engine, "rm", "--force", name]
                subprocess.run(remove, capture_output=True, timeout=PATIENCE, check=True)
        held = set(connector.persons(service))
        out = said_in.read_bytes()
        said = [message["state"]["id"] for message in messages(out, "STATE")]
        assert said == list(range(1, len(said) + 1))
        assert {f"person{number}@example.com" for number in range(len(said))} <= held
        if signal == "KILL":
            assert process.returncode == 137
        else:
            assert process.returncode == 1
            (trace,) = messages(out, "TRACE")
            assert trace["trace"]["error"]["failure_type"] == "transient_error"
            # A record may have been read whose state had not.
            assert len(held) - len(said) in {0, 1}


def test_its_page(docker: Path, tmp_path: Path) -> None:
    """The commands of its page work as they stand there, against a local Heap."""
    Image.made(HEAP)
    commands = Text.of("docs/image.md").commands
    shown = [line for line in commands if line.startswith("docker ")]
    shutil.copytree(ROOT / "sample_files", tmp_path / "sample_files")
    with sandbox.heap.running() as heap:
        for sample in HEAP.samples:
            config = tmp_path / sample.config
            config.write_text(config.read_text().replace(HEAP.address, heap.url))
        outputs = [
            subprocess.run(
                command,
                shell=True,
                cwd=tmp_path,
                env={**os.environ, "PATH": f"{docker.parent}:{os.environ['PATH']}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=PATIENCE,
                check=True,
            ).stdout
            for command in shown
        ]
        assert heap.events()
    spec, check, write = outputs
    assert messages(spec, "SPEC")
    assert messages(check, "CONNECTION_STATUS")[0]["connectionStatus"]["status"] == "SUCCEEDED"
    assert len(messages(write, "STATE")) == 7


# -- what Airbyte asks of every image -------------------------------------------------------------


def test_airbytes_own(docker: Path, tmp_path: Path) -> None:
    """The part of Airbyte's standard tests that runs images: `spec` and `check`.

    They call `docker`; here that is the engine that built the image, with Heap on its loopback.
    """
    image = Image.made(HEAP)
    project = tmp_path / "destination-heap-analytics"
    for part in ("destination_heap_analytics", "sample_files", "integration_tests/standards"):
        shutil.copytree(ROOT / part, project / part)
    for name in ("metadata.yaml", "acceptance-test-config.yml"):
        shutil.copy(ROOT / name, project / name)
    arguments = ["--connector-image", image.id, "-m", "image_tests"]
    # The rest holds configurations against the form, as the tests without an image do, or asks
    # Airbyte's registry for the form of the published image.
    arguments += ["-k", "build_and_spec or build_and_check"]
    with sandbox.heap.running() as heap:
        for config in project.rglob("config_*.json"):
            config.write_text(config.read_text().replace(HEAP.address, heap.url))
        done = subprocess.run(
            [
                ROOT / ".cache/airbyte-cdk/bin/airbyte-cdk",
                *("connector", "test"),
                *(f"--pytest-arg={argument}" for argument in arguments),
            ],
            cwd=project,
            env={
                "PATH": f"{docker.parent}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "PYTHONPATH": str(project),
            },
            capture_output=True,
            text=True,
            timeout=5 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6_000:]
        # One bad event for each good configuration that was checked, and nothing kept of it.
        assert [request["status"] for request in heap.requests()] == [400] * len(HEAP.samples)
    results = ET.parse(project / "build/test-results/standard-tests-junit.xml")
    passed = [
        case.attrib["name"]
        for case in results.iter("testcase")
        if case.find("skipped") is None and case.find("failure") is None
    ]
    assert "test_docker_image_build_and_spec" in passed
    assert sum(name.startswith("test_docker_image_build_and_check[") for name in passed) == 4
