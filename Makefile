# make setup | demo | test | serve | lint | bench        each does `setup` by itself when needed
#
# Everything is installed into .venv in this folder; models go where `visavis models where` says.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup demo ready test serve lint bench models test-models browser database network page \
	test-page clean

PY := .venv/bin/python
VISAVIS := .venv/bin/visavis
SOURCES := src tests

help:
	@sed -n '1,3p' Makefile

setup: .venv/.default

demo: .venv/.default models
	@$(VISAVIS) demo

# What talks in real time must have the machine to itself; the rest runs two files at a time.
REAL_TIME := tests/adapters tests/apps/server tests/browser
PATIENT := $(wildcard $(patsubst %,tests/apps/server/test_%*.py,store api_ auth jobs knowledge_ \
	docs_paths import_words page_files admin cited recorder protocol question_sounds service_clients \
	serve_command hostile model_trouble openai_http)) tests/browser/test_page_states.py tests/browser/test_mos_page.py
REST := $(filter-out tests/adapters tests/apps tests/browser %.py %__pycache__,$(wildcard tests/*)) \
	$(wildcard tests/test_*.py tests/apps/test_*.py)

# What tests need is fetched while the sources are looked at.
ready: .venv/.dev
	@trap wait EXIT
	$(MAKE) --no-print-directory test-models browser database network &
	fetching=$$!
	$(MAKE) --no-print-directory lint test-page
	wait $$fetching

test: ready
	@$(PY) -m pytest --numprocesses 2 --dist loadfile $(REST) $(PATIENT)
	$(PY) -m pytest $(REAL_TIME) $(PATIENT:%=--ignore=%)

lint: .venv/.dev
	@$(PY) -m ruff check $(SOURCES)
	$(PY) -m ruff format --check $(SOURCES)
	$(PY) -m mypy
	.venv/bin/lint-imports
	doubled=$$(find tests -name 'test_*.py' | sed 's|.*/||' | sort | uniq -d)
	if [ -n "$$doubled" ]; then
	    echo "two files of tests have one name, which pytest cannot collect:" $$doubled
	    exit 1
	fi

bench: .venv/.default models
	@$(VISAVIS) bench

serve: .venv/.live models
	@$(VISAVIS) models pull vosk-zh vosk-en
	exec $(VISAVIS) serve

models: .venv/.default
	@$(VISAVIS) models pull

test-models: .venv/.dev
	@$(VISAVIS) models pull --all

# Playback in a browser is tested where Chromium is there or may be installed.
browser:
	@if command -v chromium chromium-browser google-chrome >/dev/null 2>&1; then
	    exit 0
	elif ! command -v apt-get >/dev/null 2>&1; then
	    echo "browser tests are skipped: there is no Chromium, and no apt-get to install it with"
	elif [ "$$(id -u)" != 0 ]; then
	    echo "browser tests are skipped: there is no Chromium, and only root may install it"
	else
	    echo "installing chromium for the browser tests"
	    log=$$(mktemp)
	    { apt-get -q update && DEBIAN_FRONTEND=noninteractive \
	        apt-get -qy install --no-install-recommends chromium; } >"$$log" 2>&1 ||
	        { tail -5 "$$log"; echo "browser tests are skipped: chromium could not be installed"; }
	    rm -f "$$log"
	fi

# TURN, a reverse proxy and bad wires are tested with the real things; the tests start them on ports
# of their own, never as services.
network:
	@missing=
	command -v turnserver >/dev/null 2>&1 || missing+=" coturn"
	[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null 2>&1 || missing+=" nginx-light"
	{ command -v ip && command -v tc; } >/dev/null 2>&1 || missing+=" iproute2"
	if [ -z "$$missing" ]; then
	    exit 0
	elif ! command -v apt-get >/dev/null 2>&1; then
	    echo "tests of the network are skipped:$$missing not there, and no apt-get to install it with"
	elif [ "$$(id -u)" != 0 ]; then
	    echo "tests of the network are skipped:$$missing not there, and only root may install it"
	else
	    echo "installing$$missing for the tests of the network"
	    log=$$(mktemp)
	    # Debian would start them as services; nobody asked for that.
	    policy=/usr/sbin/policy-rc.d
	    if [ -e "$$policy" ]; then policy=; else
	        printf '#!/bin/sh\nexit 101\n' >"$$policy"; chmod +x "$$policy"
	    fi
	    trap '[ -z "$$policy" ] || rm -f "$$policy"' EXIT
	    { apt-get -q update && DEBIAN_FRONTEND=noninteractive \
	        apt-get -qy install --no-install-recommends $$missing; } >"$$log" 2>&1 ||
	        { tail -5 "$$log"
	          echo "tests of the network are skipped:$$missing could not be installed"; }
	    # Nor at the next boot.
	    ! command -v systemctl >/dev/null 2>&1 ||
	        for unit in coturn nginx; do
	            [[ $$missing != *$$unit* ]] || systemctl -q disable "$$unit" >/dev/null 2>&1 || true
	        done
	    rm -f "$$log"
	fi

# The page is built into the package and committed; only who changes it needs Node.
page: web/node_modules/.installed
	@cd web
	npm run --silent types
	npm run --silent build

# Types, logic, and that what is committed was built of this source.
test-page:
	@new='const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 2019 ? 1 : 0)'
	if ! { command -v npm && node -e "$$new"; } >/dev/null 2>&1; then
	    echo "tests of the page are skipped: they need Node 20.19 or newer with npm"
	    [ -z "$${CI:-}" ] || exit 1
	    exit 0
	fi
	$(MAKE) --no-print-directory web/node_modules/.installed
	cd web
	npm run --silent types -- --check
	npm run --silent check
	npm run --silent test
	built=$$(mktemp -d)
	trap 'rm -rf "$$built"' EXIT
	VISAVIS_PAGE_OUT=$$built npm run --silent build -- --logLevel error
	if ! diff -rq "$$built" ../src/visavis/apps/server/page; then
	    echo "the page in src/visavis/apps/server/page is not of the source in web; run: make page"
	    exit 1
	fi

web/node_modules/.installed: web/package.json web/package-lock.json
	@echo "installing the page's packages into web/node_modules"
	cd web
	npm ci --no-audit --no-fund --loglevel=error
	touch node_modules/.installed

# The store is tested on PostgreSQL too; the tests start a cluster of their own, never a service.
database:
	@if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null 2>&1
	then
	    exit 0
	elif ! command -v apt-get >/dev/null 2>&1; then
	    echo "tests on PostgreSQL are skipped: it is not there, and no apt-get to install it with"
	elif [ "$$(id -u)" != 0 ]; then
	    echo "tests on PostgreSQL are skipped: it is not there, and only root may install it"
	else
	    echo "installing postgresql for the tests of the store"
	    log=$$(mktemp)
	    own=/etc/postgresql-common/createcluster.d/visavis.conf
	    # Debian would make a cluster and start it as a service; nobody asked for that.
	    mkdir -p "$$(dirname "$$own")"
	    echo "create_main_cluster = false" >"$$own"
	    { apt-get -q update && DEBIAN_FRONTEND=noninteractive \
	        apt-get -qy install --no-install-recommends postgresql; } >"$$log" 2>&1 ||
	        { tail -5 "$$log"; echo "tests on PostgreSQL are skipped: it could not be installed"; }
	    rm -f "$$log" "$$own"
	fi

clean:
	@rm -rf .venv web/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# One line for each thing that pip fetches; the whole log is kept for when it fails.
define INSTALL
	echo "installing $(1) into .venv (log: .venv/setup.log)"
	if ! $(PY) -m pip install --disable-pip-version-check --progress-bar off -e $(1) 2>&1 \
	    | tee .venv/setup.log \
	    | sed -un -e 's/^ *Downloading \([^ ]*\) \((.*)\).*/  fetching \1 \2/p' \
	              -e 's/^ *Building wheel for \([^ ]*\) .*started/  building \1/p' \
	              -e 's/^Installing collected packages.*/  installing/p'; then
	    tail -15 .venv/setup.log
	    echo "setting up failed; what pip said is above and in .venv/setup.log"
	    exit 1
	fi
	touch $@
endef

.venv/bin/python:
	@found=
	for python in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	        found=$$python
	        break
	    fi
	done
	if [ -z "$$found" ]; then
	    echo "visavis needs Python 3.11 or newer; $$(python3 --version 2>&1 || true) was found." \
	         "Install one, or name it: make PYTHON=/path/to/python3.11"
	    exit 1
	fi
	if ! "$$found" -m venv .venv; then
	    rm -rf .venv
	    echo "$$found cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"
	    exit 1
	fi
	touch $@

.venv/.default: pyproject.toml | .venv/bin/python
	@$(call INSTALL,.)

.venv/.live: pyproject.toml | .venv/bin/python
	@$(call INSTALL,'.[live]')
	touch .venv/.default

.venv/.dev: pyproject.toml | .venv/bin/python
	@$(call INSTALL,'.[dev]')
	touch .venv/.default .venv/.live
