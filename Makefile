# make demo, make test: each works as the first command, with Python (3.11 to 3.13) and make alone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CACHE := .cache
# Each with hashes: what an image holds, what the tests need besides, and what installs both.
LOCK := requirements.lock
DEV_LOCK := requirements-dev.lock
BUILD_LOCK := requirements-build.lock
IMAGE := $(CACHE)/image
CONNECTORS := destination_heap_analytics destination_hackle
REAL_SOURCE := integration_tests/real_source
STANDARDS := integration_tests/standards
REAL_PEER := integration_tests/real_peer
PEERS := benchmarks/peers
CYCLONEDX := integration_tests/image
RECIPES := integration_tests/recipes
# Passed on: to pytest, to the stand-ins, to the benchmarks, to uv by `make lock`.
ARGS ?=

# Environments that a shell may have set, and that would make starts slow or hide a missing flush.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONUNBUFFERED

.PHONY: help demo demo-hackle base-digest test lint unit-tests integration-tests docs-tests test-recipes test-spark test-browser reference screenshots chaos real-source-environments real-peer-environment peer-environments bench image image-test sandbox sandbox-hackle lock clean
.DEFAULT_GOAL := help

help: ## What there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 28

demo: $(VENV)/.demo ## Start a local Heap, load orders, users and companies by one sync, show what landed
	@$(BIN)/python -m sandbox.heap.demo

demo-hackle: $(VENV)/.demo ## Start a local Hackle, load the sample purchases, show what landed
	@$(BIN)/python -m sandbox.hackle.demo

test: lint unit-tests integration-tests docs-tests ## Everything that needs Python and the package index only

CHECK = $(BIN)/check-jsonschema --quiet --builtin-schema

lint: $(VENV)/.tests ## Style and types, and the files by which GitHub runs and asks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(CHECK) vendor.github-workflows .github/workflows/*.yml
	$(CHECK) custom.github-workflows-require-timeout .github/workflows/*.yml
	$(CHECK) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(CHECK) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(CHECK) vendor.dependabot .github/dependabot.yml
	$(BIN)/pre-commit validate-config

unit-tests: $(VENV)/.tests ## The tests that start no process of the connector; some of them: make unit-tests ARGS="-k columns"
	$(BIN)/python -m pytest -n 2 unit_tests $(ARGS)

integration-tests: $(VENV)/.tests real-source-environments real-peer-environment $(CACHE)/airbyte-cdk/.made ## The connector as a process, the local Heap, a real source
	$(BIN)/python -m pytest -n 3 --dist loadgroup integration_tests $(addprefix --ignore integration_tests/,browser docs image recipes) $(ARGS)

docs-tests: $(VENV)/.tests $(CACHE)/source-faker/.made ## What the documents show and say, run
	$(BIN)/python -m pytest -n 3 integration_tests/docs $(ARGS)

test-recipes: $(VENV)/.tests $(CACHE)/notebook/.made $(CACHE)/dagster/.made $(CACHE)/airflow/.made ## The recipes for Python, run by the real things
	$(BIN)/python -m pytest -n 2 $(RECIPES) --ignore $(RECIPES)/test_spark.py $(ARGS)

test-spark: $(VENV)/.tests $(CACHE)/spark/.made ## The recipe for Spark, its executors killed; needs Java 17 or newer
	@command -v java > /dev/null || { echo "test-spark: Java is needed (apt-get install openjdk-17-jre-headless)" >&2; exit 1; }
	$(BIN)/python -m pytest $(RECIPES)/test_spark.py $(ARGS)

chaos: $(VENV)/.demo ## 220 seeded syncs into a Heap and a Hackle that fail, some killed, and one within Heap's quotas
	$(BIN)/python -m integration_tests.chaos $(ARGS)

test-browser: $(VENV)/.tests $(CACHE)/browser/.made ## The form, the studio and the local Heap's page in Chromium; needs npm, installs Chromium where none is
	CHROMIUM="$$(integration_tests/browser/chromium.sh)" && export CHROMIUM && $(BIN)/python -m pytest -n 2 integration_tests/browser $(ARGS)

reference: $(VENV)/.tests ## The reference of the functions for Python, of their docstrings
	$(BIN)/python -m integration_tests.docs.python_reference

screenshots: $(VENV)/.tests $(CACHE)/browser/.made ## The pictures of the README, of the real things
	CHROMIUM="$$(integration_tests/browser/chromium.sh)" && export CHROMIUM && $(BIN)/python -m integration_tests.browser.screenshots

real-source-environments: $(CACHE)/pyairbyte/.made $(CACHE)/source-faker/.made ## PyAirbyte and source-faker, apart from each other

real-peer-environment: $(CACHE)/hackle-sdk/.made ## Hackle's own SDK, apart from the rest

peer-environments: $(CACHE)/dlt/.made $(CACHE)/drt/.made $(CACHE)/segment/.made ## What the bench compares with, each apart from the rest

bench: $(VENV)/.demo $(CACHE)/hackle-sdk/.made peer-environments ## What the connector costs, in one table; a part of it: make bench ARGS="--parts start"
	@$(BIN)/python -m benchmarks $(ARGS)

image: $(IMAGE)/.made ## The image of each connector, by Docker, or without it by what Debian has, and the list of what is in it

image-test: image $(VENV)/.tests $(CACHE)/airbyte-cdk/.made ## The images in real containers, against a local Heap and a local Hackle
	$(BIN)/python -m pytest -n 3 integration_tests/image $(ARGS)

sandbox-hackle: $(VENV)/.demo ## A local Hackle on http://127.0.0.1:8088, until Ctrl-C
	$(BIN)/python -m sandbox.hackle --port 8088 $(ARGS)

sandbox: $(VENV)/.demo ## A local Heap on http://127.0.0.1:8087, until Ctrl-C
	$(BIN)/python -m sandbox.heap --port 8087 $(ARGS)

COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-header --no-annotate $(ARGS)

lock: $(BIN)/uv ## Every lock by the ranges of setup.py; the newest versions: make lock ARGS=--upgrade
	$(COMPILE) --all-extras --output-file $(DEV_LOCK) setup.py
	$(COMPILE) --extra s3 --constraint $(DEV_LOCK) --output-file $(LOCK) setup.py
	printf '%s\n' pip 'setuptools>=77' 'uv>=0.5,<1' | $(COMPILE) --constraint $(DEV_LOCK) --output-file $(BUILD_LOCK) -
	echo cyclonedx-bom | $(COMPILE) --output-file $(CYCLONEDX)/cyclonedx.lock -
	echo airbyte | $(COMPILE) --output-file $(REAL_SOURCE)/pyairbyte.lock -
	echo airbyte-source-faker | $(COMPILE) --output-file $(REAL_SOURCE)/source-faker.lock -
	echo 'airbyte-cdk[dev]' | $(COMPILE) --output-file $(STANDARDS)/airbyte-cdk.lock setup.py -
	$(COMPILE) --only-binary :all: --override $(REAL_PEER)/overrides.txt \
		--output-file $(REAL_PEER)/hackle-sdk.lock $(REAL_PEER)/requirements.txt
	echo pyspark | $(COMPILE) --output-file $(RECIPES)/spark.lock setup.py -
	printf '%s\n' nbclient ipykernel pandas polars pyarrow duckdb | $(COMPILE) --output-file $(RECIPES)/notebook.lock setup.py -
	echo dagster | $(COMPILE) --output-file $(RECIPES)/dagster.lock setup.py -
	echo 'apache-airflow>=3' | $(COMPILE) --output-file $(RECIPES)/airflow.lock setup.py -
	echo dlt | $(COMPILE) --output-file $(PEERS)/dlt.lock -
	echo 'drt-core[duckdb]' | $(COMPILE) --output-file $(PEERS)/drt.lock -
	echo segment-analytics-python | $(COMPILE) --output-file $(PEERS)/segment.lock -

base-digest: ## Pin the Dockerfile's base by its digest; needs Docker and the base's registry
	integration_tests/image/pin_base.sh Dockerfile

clean: ## Remove what make made
	-[ ! -s $(IMAGE)/base ] || $(IMAGE)/engine rmi --force $$(cat $(IMAGE)/*.id $(IMAGE)/base)
	rm -rf $(VENV) $(CACHE) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

$(BIN)/uv: $(BUILD_LOCK)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $<
	@touch $@

# uv holds what it installs against the hashes of its constraints; a unit test looks that nothing
# was installed that is not among them.
INSTALL = VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --constraint $(DEV_LOCK) --build-constraint $(BUILD_LOCK)

$(VENV)/.demo: setup.py $(DEV_LOCK) | $(BIN)/uv
	$(INSTALL) --editable '.[sandbox]'
	@touch $@

$(VENV)/.tests: $(VENV)/.demo
	$(INSTALL) --editable '.[sandbox,tests]'
	@touch $@

# Environments apart from ours: the standard tests need an older pytest, PyAirbyte and
# source-faker want Python below 3.13, Hackle's SDK is nobody's dependency. Not compiled at once:
# what is never imported is most of it, and the first start compiles the rest.
define environment
$(BIN)/uv venv --quiet --clear --no-python-downloads --python '>=3.11,<3.13' $(CACHE)/$*
$(BIN)/uv pip sync --quiet --require-hashes --python $(CACHE)/$*/bin/python $<
@touch $@
endef

$(CACHE)/%/.made: $(REAL_SOURCE)/%.lock | $(BIN)/uv
	$(environment)

$(CACHE)/%/.made: $(STANDARDS)/%.lock | $(BIN)/uv
	$(environment)

$(CACHE)/%/.made: $(REAL_PEER)/%.lock | $(BIN)/uv
	$(environment)

$(CACHE)/%/.made: $(PEERS)/%.lock | $(BIN)/uv
	$(environment)

$(CACHE)/%/.made: $(CYCLONEDX)/%.lock | $(BIN)/uv
	$(environment)

$(CACHE)/%/.made: $(RECIPES)/%.lock | $(BIN)/uv
	$(environment)

# Nothing of it runs while it is installed. npm and Node.js come with the system.
$(CACHE)/browser/.made: integration_tests/browser/package.json integration_tests/browser/package-lock.json
	@command -v npm > /dev/null || { echo "test-browser: npm is needed (Node.js 20 or newer)" >&2; exit 1; }
	@mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# What the Dockerfile copies, and what build.sh reads.
$(IMAGE)/.made: Dockerfile .dockerignore integration_tests/image/build.sh metadata.yaml $(LOCK) $(BUILD_LOCK) LICENSE pyproject.toml setup.py \
		$(CACHE)/cyclonedx/.made \
		$(wildcard $(addsuffix /*.*,bulk_destination bulk_destination/* $(CONNECTORS)))
	PYTHON=$(PYTHON) integration_tests/image/build.sh $(IMAGE) $(CACHE)/cyclonedx $(CONNECTORS)
	@touch $@
