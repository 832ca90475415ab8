# The one door to this project: `make` lists what it can do. Each target installs what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4
# A current Docker takes half of the time of Debian 12's, and is what most people have. The latter has tests of its own.
ENGINE = DOCKER_HOST="$${DOCKER_HOST:-$$(cat .cache/engines/docker-classic.host 2>/dev/null || true)}"
export TESTCONTAINERS_RYUK_DISABLED := true
# Without bytecode each process that a test starts would compile all that it imports again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help downloads parts demo test unit unit-first unit-second inprocess shells processes lint format typecheck coverage bench performance peers engines-table reliability docs docs-generated screenshots npm-tools engines-fetch build constraints owner release-check engine engine-stop clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Debian keeps venv in a package of its own, which a new machine may lack.
$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || \
	    { echo "please install Python's venv (on Debian: sudo apt-get install python3-venv)" >&2; exit 1; }; \
	  bash -euc 'state=.cache; mkdir -p $$state; . .ci/packages; install_packages python3-venv' setup; \
	  $(PYTHON) -m venv $(VENV); }

# All that the commands, and so the demo, need.
$(VENV)/package: $(BIN)/python pyproject.toml
	@echo "[setup] installing the package into $(VENV)" >&2
	@$(BIN)/python -m pip install -qq --editable '.[local]'
	@touch $@

# The tools that test, lint and measure beside it.
$(VENV)/installed: $(VENV)/package
	@echo "[setup] installing the tools of the project into $(VENV)" >&2
	@$(BIN)/python -m pip install -qq --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install -qq --group dev
	@touch $@

engine: $(VENV)/package ## make a Docker engine answer, and have the images that demo and tests start from
	@.ci/engine $(BIN)/python

engine-stop: ## stop the engines that `make engine` and `make parts` started
	@.ci/engines stop
	@.ci/engine stop

# What needs neither Python nor an engine.
downloads: npm-tools engines-fetch

npm-tools:
	@.ci/npm-tools

engines-fetch:
	@.ci/engines fetch

# skopeo reads what was published, and is measured beside it.
peers:
	@command -v skopeo >/dev/null || bash -euc 'mkdir -p .cache; state=.cache; . .ci/packages; \
	  can_install || exit 0; install_packages skopeo' setup

parts: $(VENV)/installed engine downloads peers ## have all that the whole suite needs: more engines, buildx, base images, tools from npm
	@.ci/engines start $(BIN)/python & engines=$$!; \
	  .ci/engine buildx $(CURDIR)/.cache/docker-config & buildx=$$!; \
	  .ci/engine helper $(BIN)/python & helper=$$!; \
	  .ci/engine base $(BIN)/python; \
	  wait $$engines; wait $$buildx; wait $$helper
	@.ci/engines lend $(BIN)/python

demo: engine ## publish examples/hello-job to a Scheduler on this machine, for real
	@$(BIN)/python examples/demo.py

# Docker's programs collect garbage less often: there is enough memory, and it saves a tenth of their time.
test coverage: export GOGC ?= 800

# Most of the other tests wait, so more workers than processors.
test: ## check everything: style, types, the whole suite with the real engine
	@HYPOTHESIS=timeless $(MAKE) --no-print-directory --jobs 3 --output-sync=line parts inprocess lint \
	  typecheck unit processes
	@$(ENGINE) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder tests/integration

# Two plain processes: to distribute short tests one by one costs a third of their time.
FIRST_HALF := $(addprefix tests/unit/,archives registry scheduler sources http publishing)
unit: $(VENV)/installed ## run the unit tests: seconds, no network, no engine
	@$(MAKE) --no-print-directory $(if $(findstring --jobserver,$(MAKEFLAGS)),,--jobs 2 --output-sync) unit-first unit-second

unit-first unit-second: export HYPOTHESIS ?= quick
unit-first:
	@$(BIN)/python -m pytest --quiet $(FIRST_HALF)
unit-second:
	@$(BIN)/python -m pytest --quiet tests/unit tests/contract $(addprefix --ignore=,$(FIRST_HALF))

inprocess: $(VENV)/installed ## run publish() and all commands in one process, without an engine
	@$(BIN)/python -m pytest --quiet tests/inprocess

# Completion is tried in each shell that there is; CI has all.
shells:
	@command -v zsh >/dev/null && command -v fish >/dev/null || bash -euc 'mkdir -p .cache; state=.cache; \
	  . .ci/packages; can_install || exit 0; install_packages zsh fish' setup

processes: $(VENV)/installed shells ## run the tests that start commands as processes, without an engine
	@$(BIN)/python -m pytest --quiet tests/processes

lint: $(VENV)/installed npm-tools ## look for mistakes, for what is not formatted, and for words that are hard to read
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/yamllint --strict -c .ci/yamllint.yml action.yml templates examples .github .ci/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/github-*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci examples/gitlab-*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.azure-pipelines --regex-variant nonunicode examples/azure-pipelines.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.bitbucket-pipelines examples/bitbucket-pipelines.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.circle-ci examples/circleci-config.yml
	@$(BIN)/zizmor --quiet --no-progress --offline action.yml .github
	@$(BIN)/zizmor --quiet --no-progress --offline --config .ci/zizmor-examples.yml examples/github-*.yml
	@$(BIN)/hadolint Dockerfile examples/hello-job/Dockerfile examples/testing/Dockerfile
	@.ci/prose

format: $(VENV)/installed ## format the code, and fix what can be fixed automatically
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

typecheck: $(VENV)/installed ## check the types, strictly
	@$(BIN)/mypy

# A process that was killed leaves a file of its measurements behind, which nobody can read.
coverage: parts ## run the whole suite, say which lines no test reaches, and require 98 % where it matters most
	@$(BIN)/coverage erase
	@$(ENGINE) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder --cov
	@rm -f .coverage.*
	@for room in publishing registry archives scheduler jobs; do \
	  printf '%s: ' $$room; \
	  $(BIN)/coverage report --include="lusid_image_publish/$$room/*" --format=total --fail-under=98; \
	done

bench: parts ## measure, beside what it is compared with
	@$(BIN)/python benchmarks/run.py

performance: parts ## publish archives beside other tools, and write the numbers into docs/performance.md
	@$(BIN)/python -m pip install -qq --group plot
	@$(BIN)/python benchmarks/performance.py

engines-table: parts ## publish with each engine and write the outcomes into docs/engines.md
	@WRITE_ENGINES=1 $(BIN)/python -m pytest tests/integration/test_engines.py

reliability: $(VENV)/installed engine ## run the whole fault matrix with a real engine and write its outcomes into docs/reliability.md
	@WRITE_RELIABILITY=1 $(BIN)/python -m pytest tests/integration/test_fault_matrix.py

$(VENV)/docs-installed: $(VENV)/installed
	@$(BIN)/python -m pip install -qq --group docs
	@touch $@

# Not --quiet, which does not fail on warnings.
docs: $(VENV)/docs-installed docs-generated ## build the documentation site into site/; each link must lead somewhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

docs-generated: $(VENV)/installed ## write the help texts, the tables of inputs and outputs and the examples into docs/
	@$(BIN)/python .ci/generate_docs.py

screenshots: $(VENV)/docs-installed engine ## run lusid-publish on a terminal and write its pictures, docs/*.svg
	@$(ENGINE) $(BIN)/python .ci/screenshots.py

build: $(VENV)/installed ## build the wheel and the source archive into dist/
	@$(BIN)/python -m build --outdir dist .

# Pins stay as they are; UPGRADE=1 takes the newest releases instead.
constraints: $(VENV)/installed ## pin what the image is made of, with hashes, in constraints.txt
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/python -c 'import tomllib; \
	  print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command 'make constraints' $(if $(UPGRADE),--upgrade) --output-file constraints.txt pyproject.toml -

release-check: $(VENV)/package ## report all reasons not to publish a release: make release-check TAG=v1.2.3
	@$(BIN)/python .ci/release.py check "$${TAG:?name the tag: make release-check TAG=v1.2.3}"

owner: $(VENV)/package ## name the owner of this project on GitHub everywhere: make owner NAME=acme
	@[ "$(origin NAME)" = "command line" ] || { echo "name the owner: make owner NAME=acme" >&2; exit 2; }
	@$(BIN)/python .ci/release.py owner "$$NAME"

clean: ## remove what these targets made here, but not the engine's images
	@.ci/engines stop
	@rm -rf $(VENV) .cache dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
