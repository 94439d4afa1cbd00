# The two commands that a newcomer needs: `make play` and `make test`.
.DEFAULT_GOAL := help
# Playing needs Python 3.10 or newer, everything else one that TensorFlow is built for.
PYTHON ?= $(shell for name in python3.11 python3.12; do $$name -c "" 2>/dev/null && echo $$name && exit; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
FRONTEND := webapp/frontend
HOST ?= 127.0.0.1
PORT ?= 8000
FMA_ROOT ?=
# More options of `make follow`: FOLLOW="--pictures waves --tracks 4".
FOLLOW ?=

# Values that users give may contain blanks and quotes; `~/` still means their home.
quote = $(subst '~/,"$$HOME"/','$(subst ','\'',$(1))')
FMA := $(if $(value FMA_ROOT),--fma-root $(call quote,$(value FMA_ROOT)))

# A marker per environment: a changed source makes the environment again.
SERVE := $(VENV)/.serve
DEV := $(VENV)/.dev
NODE := $(FRONTEND)/node_modules/.package-lock.json
STATIC := webapp/static/index.html

SUITS_TENSORFLOW := $(BIN)/python -c 'import sys; sys.version_info[:2] in ((3, 11), (3, 12)) or sys.exit( \
	"error: TensorFlow needs Python 3.11 or 3.12: rm -r $(VENV) && make $(MAKECMDGOALS) PYTHON=python3.11")'

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

.PHONY: play
play: $(SERVE) $(STATIC) ## serve the playground with the shipped models and demo tracks
	$(BIN)/python -m webapp.server --host $(call quote,$(HOST)) --port $(call quote,$(PORT)) $(FMA)

.PHONY: setup
setup: $(DEV) $(NODE) ## install everything that work on the project needs

.PHONY: test
test: $(DEV) $(STATIC) ## all tests that take minutes at most
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadgroup --no-loadscope-reorder
	cd $(FRONTEND) && npm test && npm run e2e

.PHONY: test-slow
test-slow: $(DEV) $(STATIC) ## the longer tests
	$(BIN)/python -m pytest -m slow
	cd $(FRONTEND) && npm run e2e:slow

.PHONY: lint
lint: $(DEV) $(NODE) ## ruff, mypy, eslint, prettier, tsc
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd $(FRONTEND) && npm run typecheck && npm run lint

.PHONY: format
format: $(DEV) $(NODE) ## let ruff, eslint and prettier mend what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd $(FRONTEND) && npm run format

.PHONY: bench
bench: $(DEV) $(NODE) $(STATIC) ## every shipped bundle in the browser beside Python, in one run
	TFDEEPVIZ_PYTHON="$$PWD/$(BIN)/python" node benchmarks/browser.mjs

.PHONY: gallery
gallery: $(DEV) $(NODE) ## every picture with three songs of FMA_ROOT, and the chooser's small pictures
	TFDEEPVIZ_PYTHON="$$PWD/$(BIN)/python" node benchmarks/gallery.mjs $(FMA) --thumbnails $(FRONTEND)/public/pictures

.PHONY: follow
follow: $(DEV) $(NODE) ## how well each picture follows twenty songs of FMA_ROOT, beside other visualisers
	$(BIN)/python -m benchmarks.follow $(FMA) $(FOLLOW)

.PHONY: frames
frames: $(NODE) ## what a frame of each picture costs the page's main thread
	node benchmarks/frames.mjs

.PHONY: build
build: $(STATIC) ## the front end and the embeddable library, into webapp/static

.PHONY: wheel
wheel: $(STATIC) | $(VENV)/bin/python ## the package with the front end, the models and the demo tracks, into dist
	$(SUITS_TENSORFLOW)
	rm -rf build/lib build/bdist.*
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

$(VENV)/bin/python:
	$(call quote,$(PYTHON)) -c 'import sys; sys.version_info >= (3, 10) or sys.exit( \
		"error: this needs Python 3.10 or newer: make $(MAKECMDGOALS) PYTHON=python3.11")'
	$(call quote,$(PYTHON)) -m venv $(VENV)

$(SERVE): setup.cfg constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt flask waitress
	touch $@

$(DEV): setup.cfg setup.py pyproject.toml constraints.txt | $(VENV)/bin/python
	$(SUITS_TENSORFLOW)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(SERVE)

$(NODE): $(FRONTEND)/package.json $(FRONTEND)/package-lock.json
	cd $(FRONTEND) && npm ci --no-audit --no-fund
	touch $@

SOURCES := $(shell find $(FRONTEND)/src $(FRONTEND)/public -type f 2>/dev/null) $(wildcard $(FRONTEND)/*.ts $(FRONTEND)/*.html)
$(STATIC): $(NODE) $(SOURCES)
	cd $(FRONTEND) && npm run build
	touch $@
