# The developer's interface; `make help` lists it. Needs Python 3.11 to 3.14, make and git.
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -q
# Most room and fault tests wait for speech in real time, so three of them fit on two cores.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
SETUP = found=$$(scripts/python) && $$found -m scripts.setup
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help up down page console test quick soak shots bench check fix types audit lock clean reset

help: ## lists the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

up: ## installs what is missing, then runs Bodh until Ctrl-C
	@$(SETUP) && exec $(PY) -m scripts.up

down: ## stops a running `make up` and processes left by a killed one
	@$(PY) -m scripts.down

page: ## rebuilds the page after a change in web/client
	@$(SETUP) page

console: ## chats with the tutor in this terminal, without any server
	@$(SETUP) packages && exec $(PY) -m agent console --text

test: ## installs what the tests need, then runs them all except the long ones of make soak
	@$(SETUP) tests && $(PYTEST) $(SIDE_BY_SIDE) tests

quick: ## runs the unit and database tests that are not marked `slow`, in under a minute
	@$(SETUP) quick && $(PYTEST) $(SIDE_BY_SIDE) -m "not slow and not soak" tests/unit tests/db

soak: ## runs all tests with many repetitions, for hours (as root, or with user namespaces)
	@$(SETUP) tests && BODH_SOAK=1 $(PYTEST) --timeout 1800 tests

shots: ## takes screenshots of every page and state, into build/shots
	@$(SETUP) tests && $(PY) -m tests.pages.shots

bench: ## measures every figure and writes docs/benchmarks.md (needs a quiet machine, for hours)
	@$(SETUP) tests && $(PY) -m bench all

check: ## checks format, lint and types of Python and of the page
	@$(SETUP) tests
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	cd web/client && npm run check

fix: ## formats, and fixes what the linter can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: ## generates the page's types from the HTTP API and from protocol/
	$(PY) -m scripts.client_types

audit: ## asks the advisory sources about every pinned package of Python and of the page
	@$(SETUP) packages && $(PY) -m scripts.audit

lock: ## regenerates the lock files from pyproject.toml (needs uv)
	$(LOCK) pyproject.toml --group embedded --group voice --group models --group up -o requirements.lock
	$(LOCK) --group pyproject.toml:test -c requirements.lock -o requirements-test.lock
	$(LOCK) --group pyproject.toml:web -c requirements.lock -o requirements-web.lock
	$(LOCK) --group pyproject.toml:tools -o requirements-tools.lock
	$(LOCK) --group pyproject.toml:audit -o requirements-audit.lock

clean: ## removes everything installed and built, keeps all data
	rm -rf .venv .tools web/client/node_modules web/client/dist tests/oidc/node_modules .*_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

reset: ## asks, then deletes all data of this checkout (YES=1 skips the question)
	@$(PY) -m scripts.reset
