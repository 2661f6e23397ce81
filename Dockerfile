# Airbyte's Python base by default; any image with Python 3.11 to 3.13, its venv module and sh will do.
# `make base-digest` adds the digest of what it names, where its registry is reached.
ARG BASE=docker.io/airbyte/python-connector-base:4.0.0

# What every connector needs, in a layer that all of their images share: nearly all of the time and
# the size. What installs it stays behind, and comes by hash as well.
# `s3`: rejected records may go to S3; who configures that in Airbyte cannot install more.
# The two secrets are for a machine with its own index or certificate authority; without them
# nothing is mounted. Of the packages' own tests (pandas alone has 30 MB) nothing is ever imported.
# Bytecode is not compared with its source at each start: nobody edits files in an image.
FROM ${BASE} AS dependencies
USER 0:0
WORKDIR /build
COPY requirements-build.lock requirements.lock ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/run/certificates.pem \
    python3 -m venv /build/tools \
    && /build/tools/bin/pip install --no-cache-dir --require-hashes --requirement requirements-build.lock \
    && python3 -m venv --without-pip /connector \
    && /build/tools/bin/pip --python /connector/bin/python install --no-cache-dir --no-compile --no-deps \
        --require-hashes --requirement requirements.lock \
    && find /connector -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -r {} + \
    && /connector/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /connector/lib

# The engine and one connector: the folder that CONNECTOR names. No index and no build isolation:
# what builds them is what the lock names, and what they ask for has to be there already.
FROM dependencies AS packages
ARG CONNECTOR=destination_heap_analytics
COPY LICENSE pyproject.toml setup.py ./
COPY bulk_destination bulk_destination
COPY ${CONNECTOR} ${CONNECTOR}
RUN /build/tools/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /build/tools/bin/pip --python /connector/bin/python install --quiet --no-index --find-links /wheels \
        --no-compile --root /thin 'destination-heap-analytics[s3]' \
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
