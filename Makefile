# Everything a developer does with this project. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

UV := .tools/uv/bin/uv
PYTHON := .venv/bin/python
# .venv comes first: `sam build` wants the product's own Python 3.13 and uv on the path.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.tools/uv/bin:$(CURDIR)/.tools/sam/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
export UV_PYTHON_PREFERENCE := system
# An activated environment of another project must not be installed into.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Hundreds of processes are started here: each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
export LONG

ENVIRONMENTS := .venv/.installed .tools/aws/.installed .tools/runtime/.installed .tools/sam/.installed .tools/node/.installed
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.13 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links $(ARGS)

.PHONY: help setup build run stop reset logs test check audit format lock bench soak stories faults fuzz load rehearse neighbour clean publish pictures

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10
	@echo
	@echo 'ARGS="..." is passed on, for example: make test ARGS="-k window"'

setup: $(ENVIRONMENTS) ## install Python 3.13 and every tool, pinned, inside this folder

build: setup ## build for AWS: `sam deploy` comes next
	@$(PYTHON) -m local build $(ARGS)

run: setup ## start the local AWS, deploy the product, play the sample shop (DETACH=1: in the background)
	@$(PYTHON) -m local run $(if $(DETACH),--detach) $(ARGS)

stop: setup ## stop the local AWS
	@$(PYTHON) -m local stop

reset: setup ## empty the local AWS and deploy again
	@$(PYTHON) -m local reset $(ARGS)

logs: setup ## follow the logs of the functions
	@$(PYTHON) -m local logs $(ARGS)

test: setup ## run the tests (LONG=1 or CI=true: those that take long too)
	@$(PYTHON) -m pytest -n 2 --dist loadfile $(ARGS)

check: setup audit ## lint, types, import rules, template, policies, console
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	.tools/sam/bin/sam validate --lint --region us-east-1
	$(PYTHON) -m local.permissions
	$(PYTHON) -m local.console_build check

publish: setup ## put the console where the stack on AWS serves it from (STACK=name)
	@$(PYTHON) -m local.publish $(or $(STACK),audience-manager)

audit: .tools/audit/.installed ## look for insecure settings in the template
	@.tools/audit/bin/checkov --config-file .checkov.yaml

pictures: setup ## take the documentation's pictures of the console, while `make run` is up
	@$(PYTHON) -m docs.build_pictures

format: setup ## put imports and layout in order
	$(PYTHON) -m ruff check --fix-only --quiet .
	$(PYTHON) -m ruff format .
	@$(PYTHON) -m local.console_build format

lock: $(UV) ## resolve requirements/*.in again (ARGS=--upgrade for newer versions)
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) requirements/layer.in -o layers/audience_core/requirements.txt
	$(COMPILE) requirements/columnar.in -o layers/columnar/requirements.txt
	$(COMPILE) requirements/authorizer.in -o functions/authorize_bearer/requirements.txt
	$(COMPILE) requirements/logos.in -o functions/sharing_logo/requirements.txt
	for name in dev aws runtime sam node bench; do $(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

bench: setup .tools/bench/.installed ## measure what the documentation claims about speed
	@$(PYTHON) -m benchmarks $(ARGS)

soak: setup ## compare the evaluators with the oracle on a million random histories
	@$(PYTHON) -m benchmarks.soak $(ARGS)

stories: setup ## play a thousand random stories of a connection against partners that fail
	@$(PYTHON) -m benchmarks.sequences $(ARGS)

faults: setup ## kill every function at every call that it makes, and expect the same end
	@$(PYTHON) -m benchmarks.faults $(ARGS)

fuzz: setup ## send a hundred requests to every operation of the API (FUZZ_STACK=1: of the local stack)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-100} $(PYTHON) -m pytest tests/integration/test_api_fuzz.py $(ARGS)

load: setup ## mixed load on the local stack, with nothing lost
	@$(PYTHON) -m benchmarks.load $(ARGS)

rehearse: setup ## withdraw consents, erase users, and restore tables on the local stack
	@$(PYTHON) -m benchmarks.rehearsals $(ARGS)

neighbour: setup ## what an account at ten times its quota does to another on the local stack
	@$(PYTHON) -m benchmarks.neighbour $(ARGS)

clean: ## remove what was built (ALL=1: the environments too)
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local stop; fi
	rm -rf console/dist .aws-sam .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	$(if $(ALL),rm -rf .venv .tools console/node_modules)

$(UV): requirements/uv.txt
	@command -v python3 >/dev/null || { echo 'python3 is missing: install Python 3 (any version from 3.9), for example "sudo apt install python3 python3-venv".'; exit 1; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { echo 'python3 cannot make virtual environments: install them, for example "sudo apt install python3-venv".'; exit 1; }
	@echo 'setup: uv'
	@python3 -m venv --clear .tools/uv
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# A stamp is newer than its pins once the environment holds exactly them.
define environment
	@echo 'setup: $(@D)'
	@$(UV) venv --quiet --allow-existing --python 3.13 $(@D)
	@$(UV) pip sync --quiet --python $(@D)/bin/python --require-hashes $<
endef

.venv/.installed: requirements/dev.txt pyproject.toml | $(UV)
	$(environment)
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@touch $@

.tools/%/.installed: requirements/%.txt | $(UV)
	$(environment)
	@touch $@
