# Everything runs in .venv, which these targets make from hash-pinned locks.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help up test-fast test test-integration test-system test-page test-faults test-three-brokers test-containers chaos chaos-projector chaos-verdict bench-fold bench-rebuild bench-rebuild-beside bench-append bench-append-memory bench-gateways bench-latency bench-query bench-groups bench-size bench-growth bench-borrowers check lock vendor clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-19s %s\n", $$1, $$2}'

.venv/.made: uv.requirements
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv .venv || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r uv.requirements
	@touch $@

.venv/.runtime: .venv/.made requirements.lock pyproject.toml
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

up: .venv/.runtime ## the whole system on this machine: make up ARGS="--port 8090"
	@$(BIN)/library up $(ARGS)

PYTEST := $(BIN)/python -m pytest
# Most of these tests wait: three processes keep two cores busy
PARALLEL := -n 3 -m "not slow and not containers and not page"

test-fast: .venv/.dev ## unit tests, no broker: half a minute, after every change
	@$(PYTEST) -n 3 tests/unit $(ARGS)

test: .venv/.dev ## unit, integration and system tests, before every push
	@$(PYTEST) $(PARALLEL) $(ARGS)

test-integration: .venv/.dev ## tests of one room against a real broker: make test-integration ARGS="-k replay"
	@$(PYTEST) $(PARALLEL) tests/integration $(ARGS)

test-system: .venv/.dev ## tests of whole systems, started by `library up`
	@$(PYTEST) $(PARALLEL) tests/system $(ARGS)

test-page: .venv/.dev ## the page in a browser: 6 minutes; needs chromium
	@$(PYTEST) -m page tests/page $(ARGS)

test-faults: .venv/.dev ## kills, frozen processes, restarts of Kafka: 9 minutes
	@$(PYTEST) -n 2 -m slow tests/integration tests/system tests/chaos $(ARGS)

test-three-brokers: .venv/.dev ## leaders frozen and thawed, brokers killed: 3 minutes, three Javas
	@$(PYTEST) -m slow tests/three_brokers $(ARGS)

test-containers: .venv/.dev ## docker compose; installs an engine and builds images where there are none
	@$(PYTEST) -m containers tests/containers $(ARGS)

chaos: .venv/.dev ## kill and freeze writers, gateway, importer, Kafka, then the projector: make chaos ARGS="--commands 100000"
	@$(BIN)/python -m tests.chaos $(ARGS)
	@$(BIN)/python -m tests.chaos.projector

chaos-projector: .venv/.dev ## only the projector's chaos: make chaos-projector ARGS="--kills 100 --seed 1"
	@$(BIN)/python -m tests.chaos.projector $(ARGS)

chaos-verdict: .venv/.dev ## porcupine judges histories of chaos runs; needs Go: make chaos-verdict ARGS="--mutants"
	@$(BIN)/python -m tests.chaos.verdict $(ARGS)

PEER := benchmarks/kafka_streams/target/peer.jar
$(PEER): benchmarks/kafka_streams/pom.xml $(wildcard benchmarks/kafka_streams/src/main/java/library/bench/*.java schemas/avsc/*.avsc)
	@command -v mvn >/dev/null || { echo "Maven is needed to build the Kafka Streams peer: on Debian, apt-get install maven" >&2; exit 1; }
	@mvn -q -B -f benchmarks/kafka_streams package
	@touch $@

bench-fold: .venv/.dev ## events folded by one process without Kafka, by the fast path and by the slow one
	@$(BIN)/python -m benchmarks.fold $(ARGS)

bench-rebuild: .venv/.dev $(PEER) ## the table rebuilt by us, Kafka Streams and stock Faust: make bench-rebuild ARGS="--titles 200000"
	@$(BIN)/python -m benchmarks.rebuild $(ARGS)

bench-rebuild-beside: .venv/.dev ## what writers notice of a second table that is computed, and of the change to it
	@$(BIN)/python -m benchmarks.rebuild.beside $(ARGS)

bench-append: .venv/.dev ## appends by HTTP, import and single commands, beside `eventsourcing`; needs wrk
	@$(BIN)/python -m benchmarks.append $(ARGS)

bench-append-memory: .venv/.dev ## a gateway's memory while it takes a million commands; needs wrk
	@$(BIN)/python -m benchmarks.append.memory $(ARGS)

bench-gateways: .venv/.dev ## one gateway, several that share, two that do not, and one of three killed; needs wrk
	@$(BIN)/python -m benchmarks.gateways $(ARGS)

bench-query: .venv/.dev $(PEER) ## reads over HTTP by us, Kafka Streams and nginx, and reads of own writes; needs wrk
	@$(BIN)/python -m benchmarks.query $(ARGS)

bench-groups: .venv/.dev ## a million events read into SQLite and PostgreSQL, beside a loop that only fetches
	@$(BIN)/python -m benchmarks.consumer_groups $(ARGS)

bench-latency: .venv/.dev $(PEER) ## where the time of a command that is read back goes, for 1 to 256 clients, beside Kafka Streams
	@$(BIN)/python -m benchmarks.latency $(ARGS)

bench-size: .venv/.dev ## each part on stores of 20,000, 200,000 and 1,000,000 titles; needs wrk and 10 GB of disk
	@$(BIN)/python -m benchmarks.size $(ARGS)

bench-growth: .venv/.dev ## each part on stores of 100,000 to 10,000,000 events, and on one title; needs wrk and 30 GB of disk
	@$(BIN)/python -m benchmarks.growth $(ARGS)

bench-borrowers: .venv/.dev ## each part with the names of 1,000 to 1,000,000 borrowers: make bench-borrowers ARGS="--borrowers 1000 --borrowers 20000"
	@$(BIN)/python -m benchmarks.borrowers $(ARGS)

check: .venv/.dev ## style, types, and the layers of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

lock: .venv/.made ## write the hash locks again, without registry addresses
	@$(BIN)/uv pip compile -q --universal -p 3.11 --generate-hashes --no-header --no-annotate --extra embedded --group build pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal -p 3.11 --generate-hashes --no-header --no-annotate --extra embedded --extra tracing --group build --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

vendor: ## fetch the page's libraries anew from npm and compare: make vendor ARGS=--write replaces them
	@$(PYTHON) .ci/vendor.py $(ARGS)

clean: ## remove what this Makefile made; never data
	@rm -rf .venv
