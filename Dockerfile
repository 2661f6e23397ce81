# Airbyte's Python base by default; any image with Python 3.11 to 3.13, its venv module and sh will do.
ARG BASE=docker.io/airbyte/python-connector-base:4.0.0

FROM ${BASE} AS build
USER 0:0
WORKDIR /build
COPY requirements.lock pyproject.toml setup.py ./
COPY bulk_destination bulk_destination
COPY destination_heap_analytics destination_heap_analytics
COPY destination_hackle destination_hackle
# `s3`: rejected records may go to S3; who configures that in Airbyte cannot install anything more.
# setuptools first and no build isolation, or pip would build with a version that no lock names.
# The two secrets are for a machine with its own index or certificate authority; without them
# nothing is mounted. Of the packages' own tests (pandas alone has 30 MB) nothing is ever imported.
# Bytecode is not compared with its source at each start: nobody edits files in an image.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/run/certificates.pem \
    python3 -m venv /connector \
    && /connector/bin/pip install --no-cache-dir --no-compile --constraint requirements.lock setuptools \
    && /connector/bin/pip install --no-cache-dir --no-compile --constraint requirements.lock --no-build-isolation '.[s3]' \
    && /connector/bin/pip check \
    && /connector/bin/pip uninstall --quiet --yes pip \
    && find /connector -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -r {} + \
    && /connector/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /connector/lib

FROM ${BASE}
COPY --from=build /connector /connector
# A second belt: the connector flushes each state itself.
ENV PYTHONUNBUFFERED=1
# Airbyte's launcher on Kubernetes evaluates this variable; Docker uses the entry point.
ENV AIRBYTE_ENTRYPOINT="/connector/bin/destination-heap-analytics"
ENTRYPOINT ["/connector/bin/destination-heap-analytics"]
USER 1000:1000
# `make image` takes both from metadata.yaml; built by hand, the image says that it is no release.
ARG NAME=destination-heap-analytics
ARG VERSION=unreleased
LABEL io.airbyte.name=${NAME} \
    io.airbyte.version=${VERSION}
