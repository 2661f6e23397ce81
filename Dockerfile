# Airbyte's Python base by default; any image with Python 3.11 to 3.13, pip and sh will do.
ARG BASE=docker.io/airbyte/python-connector-base:4.0.0

FROM ${BASE} AS build
WORKDIR /build
COPY requirements.lock setup.py README.md ./
COPY destination_heap_analytics destination_heap_analytics
RUN python3 -m venv /connector \
    && /connector/bin/pip install --no-cache-dir --constraint requirements.lock '.[s3]' \
    && /connector/bin/pip uninstall --yes pip

FROM ${BASE}
COPY --from=build /connector /connector
ENV PYTHONUNBUFFERED=1
# Airbyte's launcher on Kubernetes evaluates this variable; Docker uses the entry point.
ENV AIRBYTE_ENTRYPOINT="/connector/bin/destination-heap-analytics"
ENTRYPOINT ["/connector/bin/destination-heap-analytics"]
USER 1000:1000
LABEL io.airbyte.name=airbyte/destination-heap-analytics
LABEL io.airbyte.version=1.0.0
