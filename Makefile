# Every command a developer or CI needs. CI calls these and nothing else.
#
#   make demo        the main job on real input, in an environment of its own (needs Python and an index, no more)
#   make demo-durable  the same with an outbox and a ledger in Redis, told by a file (needs redis-server)
#   make example-X   another example, X as in examples/README.md
#   make test        what must hold, within 6 minutes on 2 cores
#   make test-fast   the same without real processes, for the inner loop
#   make test-floor  the contracts and a smoke of every way of use on the lowest supported versions
#   make test-slim   what the bytes mean, without the extra `fast`: the standard library's JSON and gzip
#   make test-all    everything, the long tests too
#   make check       format, lint, types, import direction, package, links of the docs
#   make docs        the docs site, into site/; a link that leads nowhere or a page without a place fails
#   make docs-serve  the same while you write, on http://localhost:8000
#   make bench       what it costs, beside its peers: one table (8 minutes; BENCH_ARGS=--quick for 4, --million for 15)
#   make screenshots  the pictures in docs/images, of the real page in a real browser
#   make setup       the environment of all of these but the demo; quick when nothing changed

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# The lowest supported Python where this machine has it, on the path or with pyenv; else the one above.
FLOOR_PYTHON ?= $(shell for python in python3.10 "$$(pyenv prefix 3.10 2>/dev/null)/bin/python3.10" "$(PYTHON)"; do \
	"$$python" -c '' 2>/dev/null && echo "$$python" && break; done)
# Worker processes of pytest; the tests wait more than they compute.
JOBS ?= 2
PYTEST_ARGS ?=

VENV := .venv
FLOOR := .venv-floor
SLIM := .venv-slim
BENCH := .venv-bench
BENCH_ARGS ?=
DEMO := .venv-demo
EXAMPLES := .venv-examples
EXAMPLE_LISTS := $(wildcard examples/*/requirements.txt)
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: setup system-packages demo demo-durable test test-fast test-floor test-slim test-all bench docs docs-serve screenshots check clean

setup: system-packages $(VENV)/.stamp

system-packages:
	@scripts/system_packages.sh

$(VENV)/.stamp: pyproject.toml requirements/dev.txt requirements/docs.txt $(EXAMPLE_LISTS)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) --upgrade pip
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[all,yaml]' -r requirements/dev.txt
	@touch $@

$(FLOOR)/.stamp: pyproject.toml requirements/floor.txt
	rm -rf $(FLOOR)
	$(FLOOR_PYTHON) -m venv $(FLOOR)
	$(FLOOR)/bin/python -m pip install $(PIP_FLAGS) --upgrade pip
	$(FLOOR)/bin/python -m pip install $(PIP_FLAGS) -e '.[all]' -r requirements/floor.txt
	@touch $@

$(SLIM)/.stamp: pyproject.toml requirements/slim.txt
	$(PYTHON) -m venv $(SLIM)
	$(SLIM)/bin/python -m pip install $(PIP_FLAGS) -e '.[redis]' -r requirements/slim.txt
	@touch $@

$(BENCH)/.stamp: pyproject.toml requirements/bench.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install $(PIP_FLAGS) -e '.[fast,redis]' -r requirements/bench.txt
	@touch $@

$(DEMO)/.stamp: pyproject.toml examples/b2b_saas/requirements.txt
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install $(PIP_FLAGS) -e . -r examples/b2b_saas/requirements.txt
	@touch $@

demo: $(DEMO)/.stamp
	@$(DEMO)/bin/python -m examples.b2b_saas.demo

demo-durable: $(EXAMPLES)/.stamp
	@$(EXAMPLES)/bin/python -m examples.b2b_saas.demo --durable --by yaml

$(EXAMPLES)/.stamp: pyproject.toml $(EXAMPLE_LISTS)
	$(PYTHON) -m venv $(EXAMPLES)
	$(EXAMPLES)/bin/python -m pip install $(PIP_FLAGS) -e '.[redis,yaml]' $(EXAMPLE_LISTS:%=-r %)
	@touch $@

example-%: $(EXAMPLES)/.stamp
	@$(EXAMPLES)/bin/python -m examples.$*

test: setup
	$(VENV)/bin/python -m pytest -m 'not long and not floor' -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

test-fast: $(VENV)/.stamp
	$(VENV)/bin/python -m pytest -m 'not long and not floor' -q --ignore tests/e2e --ignore tests/faults --ignore tests/package $(PYTEST_ARGS)

# The oldest client of Redis leaves a socket open when a server on a Unix socket is not there.
test-floor: system-packages $(FLOOR)/.stamp
	$(FLOOR)/bin/python -m pytest -m 'not long and not newest' -W 'ignore:unclosed <socket.socket:ResourceWarning' tests/floor tests/contracts tests/unit \
		tests/e2e/test_ways_of_use.py $(PYTEST_ARGS)

# SLIM_TESTS="tests/property tests/contracts tests/unit/testing tests/faults tests/fleet" runs more, as CI does beside.
test-slim: system-packages $(SLIM)/.stamp
	@for package in orjson zstandard; do \
		! $(SLIM)/bin/python -c "import $$package" 2>/dev/null || { echo "$$package is installed here"; exit 1; }; done
	$(SLIM)/bin/python -m pytest -m 'not long and not floor and not fast' -n $(JOBS) --dist loadgroup \
		$(or $(SLIM_TESTS),tests/wire tests/unit/wire tests/unit/delivery tests/contracts/test_exporters.py \
		tests/property/test_translation.py tests/property/test_outbox_machine.py) $(PYTEST_ARGS)

test-all: setup
	$(VENV)/bin/python -m pytest -m 'not floor' -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

# The result is kept for docs/explanation/performance.md: `make bench BENCH_ARGS=--page` renews the tables there.
bench: system-packages $(BENCH)/.stamp
	@$(BENCH)/bin/python -m benchmarks $(BENCH_ARGS)

docs: $(VENV)/.stamp
	@$(VENV)/bin/python scripts/build_site.py

docs-serve: $(VENV)/.stamp
	@$(VENV)/bin/python -m zensical serve

# The pictures of README and docs, made of the running page: look at them before committing.
screenshots: setup
	$(VENV)/bin/python scripts/screenshots.py docs/images

check: $(VENV)/.stamp
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" scripts/check.sh

clean:
	rm -rf $(VENV) $(FLOOR) $(SLIM) $(BENCH) $(DEMO) $(EXAMPLES) build dist site
