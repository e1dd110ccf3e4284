.DEFAULT_GOAL := help
.SHELLFLAGS := -eu -c
SHELL := /bin/sh
PYTHON ?= python3
PORT ?= 8000
BASE ?= origin/main
GENERATED ?= schema matrix plans
RUN := .venv/bin/python -m
MIGRATIONS = $(filter-out %.rollback.sql,$(sort $(wildcard sql/migrations/*.sql)))

# Older than the newest, which `make test` takes: two come with packages, Debian's 15 if it is there.
OLDER := 16 $(if $(filter Linux,$(shell uname)),17) $(if $(wildcard /usr/lib/postgresql/15/bin/initdb),15)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

up: .venv/installed ## start PostgreSQL, migrate, serve on 127.0.0.1:8000 (PORT=…)
	@exec $(RUN) app.cli up --port $(PORT)

test: lint types test-18 ## lint, types, the tests on PostgreSQL 18

test-all: test test-pooler squawk mutations whole faults $(OLDER:%=test-%) ## all that CI runs: test, PgBouncer, faults, what may differ on 15 to 17, the mutants

lint: .venv/installed ## ruff: rules and format
	@$(RUN) ruff check
	@$(RUN) ruff format --check

types: .venv/installed ## mypy --strict
	@$(RUN) mypy

squawk: .venv/installed ## lint the migrations
	@.venv/bin/squawk --config .squawk.toml $(MIGRATIONS)

test-%: .venv/installed
	@echo "tests on PostgreSQL $*"
	@HEARTH_TEST_PG=$* $(RUN) pytest --numprocesses logical --dist loadfile --no-loadscope-reorder --durations 10 $(ARGS)

test-pooler: .venv/installed ## the tests that have a service, through PgBouncer
	@echo "tests through PgBouncer"
	@HEARTH_TEST_POOLER=transaction $(RUN) pytest --numprocesses logical --dist loadfile \
	    --no-loadscope-reorder --durations 10 $(ARGS)

faults: .venv/installed ## break things under load and see what was lost (ARGS=--help)
	@$(RUN) tests.faults $(if $(filter faults,$(MAKECMDGOALS)),$(ARGS),--short --at-leisure)

bench: .venv/installed ## measure Hearth beside its peers (QUICK=1 in five minutes; ARGS=--help)
	@$(RUN) bench $(if $(QUICK),--quick) $(ARGS)

performance: .venv/installed ## write docs/reference/performance.md anew from the newest results
	@$(RUN) bench.report

whole: .venv/installed ## try `make new` in a copy of the checkout, with the sweeps there
	@$(RUN) pytest -m whole tests/scaffold

# They are of our own objects, which are the same on each PostgreSQL: the newest is enough.
mutations: .venv/installed ## weaken the schema step by step, see tests fail (ARGS=--help)
	@$(RUN) tests.security.mutations $(if $(filter mutations,$(MAKECMDGOALS)),$(ARGS))

new: .venv/installed ## write a new table: NAME=errands FIELDS='title:text:200 due_on:date?'
	@$(RUN) tests.scaffold '$(NAME)' '$(FIELDS)' $(if $(VISIBILITY),--visibility '$(VISIBILITY)') \
	    $(if $(RETIRED),--retired '$(RETIRED)') $(if $(PARENT),--parent '$(PARENT)')
	@$(if $(GENERATED),$(MAKE) --no-print-directory $(GENERATED))

schemathesis: .venv/installed ## send the service at URL whatever its document admits, and what not
	@PYTHONPATH=. .venv/bin/schemathesis --config-file tests/http/schemathesis.toml run $(URL)/openapi.json --checks all $(ARGS)

rehearse: .venv/installed ## migrations up, down, up, on the empty database DIRECT_URL
	@sh tests/migrations/rehearse.sh

previous: .venv/installed ## the API tests of an earlier release on the schema that is here (COMMIT=…)
	@COMMIT='$(COMMIT)' sh tests/migrations/previous.sh $(ARGS)

compare: .venv/installed ## who may do what that could not in BASE (origin/main)
	@sh tests/security/compare_policies.sh $(BASE)

rules: .venv/installed ## which rules of tests/sql/catalog.sql the database URL breaks
	@$(RUN) tests.sql.test_catalog $(URL)

judges: .venv/installed ## what pgrls finds in the database URL
	@$(RUN) tests.security.judges $(URL)

format: .venv/installed ## let ruff mend what it can
	@$(RUN) ruff check --fix --quiet
	@$(RUN) ruff format --quiet

schema: .venv/installed ## write sql/schema.sql anew from the migrations
	@$(RUN) tests.sql.schema > sql/schema.sql.new
	@mv sql/schema.sql.new sql/schema.sql

matrix: .venv/installed ## measure docs/generated/access-matrix.md anew
	@$(RUN) tests.security.access_matrix > docs/generated/access-matrix.md.new
	@mv docs/generated/access-matrix.md.new docs/generated/access-matrix.md

plans: .venv/installed ## write docs/generated/query-plans.md anew from the queries
	@$(RUN) tests.sql.plans > docs/generated/query-plans.md.new
	@mv docs/generated/query-plans.md.new docs/generated/query-plans.md

lock: .venv/installed ## pin what is installed now in constraints.txt
	@{ echo '# Written by `make lock`: the versions the tests ran with. pyproject.toml says what is allowed.'; \
	   .venv/bin/python -m pip freeze --disable-pip-version-check --exclude-editable; } > constraints.txt

clean: ## remove .venv and caches; the data in .hearth stay
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

install: .venv/installed ## make or refresh .venv

# The stamp is newer than what it was made from, so make itself knows when to refresh. An interrupted
# installation leaves none.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Hearth needs Python 3.11 or newer; for example: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@.venv/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@echo "installing into .venv (a minute, the first time)"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev]'
	@touch .venv/installed

.PHONY: help up test test-all test-pooler lint types squawk faults bench performance whole mutations new rehearse previous compare rules judges format schema matrix plans lock clean install
