# Airbyte's Python base by default; any image with Python 3.11 to 3.13, its venv module and sh will do.
ARG BASE=docker.io/airbyte/python-connector-base:4.0.0

# What every connector needs, in a layer that all of their images share: nearly all of the time and
# the size. `s3`: rejected records may go to S3; who configures that in Airbyte cannot install more.
# setuptools first and no build isolation, or pip would build with a version that no lock names; no
# package is here yet, so of the distribution itself only what it asks for stays.
# The two secrets are for a machine with its own index or certificate authority; without them
# nothing is mounted. Of the packages' own tests (pandas alone has 30 MB) nothing is ever imported.
# Bytecode is not compared with its source at each start: nobody edits files in an image.
FROM ${BASE} AS dependencies
USER 0:0
WORKDIR /build
COPY requirements.lock pyproject.toml setup.py ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/run/certificates.pem \
    python3 -m venv /build/pip \
    && python3 -m venv --without-pip /connector \
    && pip="/build/pip/bin/pip --python /connector/bin/python" \
    && $pip install --no-cache-dir --no-compile --constraint requirements.lock setuptools \
    && $pip install --no-cache-dir --no-compile --constraint requirements.lock --no-build-isolation '.[s3]' \
    && $pip check \
    && $pip uninstall --quiet --yes destination-heap-analytics \
    && find /connector -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -r {} + \
    && /connector/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /connector/lib

# The engine and one connector: the folder that CONNECTOR names.
FROM dependencies AS packages
ARG CONNECTOR=destination_heap_analytics
COPY bulk_destination bulk_destination
COPY ${CONNECTOR} ${CONNECTOR}
RUN /build/pip/bin/pip --python /connector/bin/python install --quiet --no-index --no-deps \
        --no-compile --no-build-isolation --root /thin . \
    && ln -s "$(basename /thin/connector/bin/destination-*)" /thin/connector/bin/destination \
    && /connector/bin/python -m compileall -q -s /thin --invalidation-mode unchecked-hash /thin

FROM ${BASE}
COPY --from=dependencies /connector /connector
# A second belt: the connector flushes each state itself.
ENV PYTHONUNBUFFERED=1
# Airbyte's launcher on Kubernetes evaluates this variable; Docker uses the entry point. Both are a
# link to the connector's own command.
ENV AIRBYTE_ENTRYPOINT="/connector/bin/destination"
ENTRYPOINT ["/connector/bin/destination"]
USER 1000:1000
COPY --from=packages /thin/connector /connector
# `make image` takes both from the connector's metadata.yaml; built by hand, the image says that it
# is no release.
ARG NAME=destination
ARG VERSION=unreleased
LABEL io.airbyte.name=${NAME} \
    io.airbyte.version=${VERSION}
