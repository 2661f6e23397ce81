from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
README = ROOT / "README.md"
#: One distribution: both connectors stand on the same engine. An image is built of the engine and
#: one of them, and its first layer of what they need alone.
CONNECTORS = [
    name for name in ("destination_heap_analytics", "destination_hackle") if (ROOT / name).is_dir()
]
ENGINE = find_packages(str(ROOT), include=["bulk_destination", "bulk_destination.*"])

setup(
    name="destination-heap-analytics",
    version="1.1.0",
    description="Airbyte destination for Heap: events, user properties and account properties",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11,<3.14",
    packages=[*ENGINE, *CONNECTORS],
    package_data={
        name: ["spec.json", "py.typed", "templates/*.html", "static/*"]
        for name in [*ENGINE, *CONNECTORS]
    },
    install_requires=[
        "airbyte-cdk>=7.39,<8",  # the Destination class, the protocol, and with it orjson, pydantic
        "orjson>=3.10,<4",  # JSON at the speed that a million records need
        "pendulum>=3.0,<4",  # the rarer forms of ISO 8601
        "pydantic>=2.7,<3",  # the configuration as one frozen value
        "requests>=2.32,<3",  # HTTP
        "rich>=13,<16",  # the tables of `preview`, the bar of `write --progress`
        "tzdata>=2024.1,<2030",  # zones for `time_zone`: slim images have none
        "urllib3>=2.2,<3",  # its errors tell a refused connection from an unknown host; read1
    ],
    extras_require={
        "s3": [
            # Rejected records in S3. AWS's own library: it knows every way to get credentials, and
            # brings 2 packages where s3fs brings 14. Imported only where S3 is configured.
            "botocore>=1.36,<2",
        ],
        "sandbox": [
            "jinja2>=3.1,<4",  # the page's templates; it escapes what they show
            "starlette>=0.40,<2",
            "uvicorn>=0.30,<1",
            "httptools>=0.6,<1",  # so that the sandbox does not hide the connector's own cost
        ],
        "studio": [
            # The page of `studio`, on what the local Heap's stands on.
            "jinja2>=3.1,<4",
            "starlette>=0.40,<2",
            "uvicorn>=0.30,<1",
        ],
        "tests": [
            "airbyte-connector-models>=0.1,<1",  # the registry's own model of metadata.yaml
            "botocore>=1.36,<2",  # as in `s3`
            "check-jsonschema>=0.33,<1",  # GitHub's workflows, by the schema that it carries
            "flask>=3,<4",  # what moto's server needs; moto[server] brings 37 packages
            "flask-cors>=5,<7",  # the same
            "hypothesis>=6.100,<7",
            "playwright>=1.49,<2",  # drives the Chromium of the browser tests
            "pre-commit>=4,<5",  # `make lint` on each commit, for who wants that
            "jsonschema>=4.20,<5",
            "moto[s3]>=5.1,<6",  # a server that answers as S3 and STS do
            "mypy>=1.15,<3",
            "pytest>=8,<10",
            "pyte>=0.8,<1",  # a terminal, as a screen can be read
            "pytest-xdist>=3.5,<4",  # most tests wait for a process; two wait at once
            "requests-mock>=1.11,<2",
            "ruff>=0.9,<1",
            "types-jsonschema>=4.20,<5",
            "types-PyYAML>=6,<7",
            "types-requests>=2.32,<3",
        ],
    },
    entry_points={
        "console_scripts": [f"{name.replace('_', '-')}={name}.run:run" for name in CONNECTORS],
    },
)
