.DEFAULT_GOAL := help
.SHELLFLAGS := -eu -c
PYTHON ?= python3
RUN := .venv/bin/python -m

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# The stamp is newer than what it was made from, so `make` alone knows when to refresh.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hearth needs Python 3.11 or newer; say which with make PYTHON=python3.12")'
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (a minute the first time) …"
	@$(RUN) pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch .venv/installed

install: .venv/installed ## make or refresh .venv

up: .venv/installed ## start PostgreSQL, migrate, serve on 127.0.0.1:8000
	@.venv/bin/python -m app.cli up

.PHONY: help install up
