# demo   two databases, one query across them        (see README.md)
# test   the tests, several at a time; ARGS="-n 0 -k name" for some of them, one after the other
# lint   ruff and mypy, as CI runs them
# bench  side by side with other drivers; ARGS="--quick", "--only a,b", "--pypy pypy3" (see docs/performance.md)
# fuzz   look for new failures with random input
# clean  remove everything that was made here
#
# Needs python3 (3.11 or newer, with venv) and nothing else: each target makes the virtual environment it needs, once.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

python := $(VENV)/bin/python
pip := $(python) -m pip --quiet --disable-pip-version-check
stamps := $(VENV)/.stamps

.PHONY: demo test lint bench fuzz clean

demo: $(stamps)/embedded,rich
	@$(python) -m dblink demo $(ARGS)

test: $(stamps)/test,embedded
	$(python) -m pytest -n auto --dist loadfile $(ARGS)

lint: $(stamps)/lint
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

bench: $(stamps)/test,embedded
	$(python) -m bench $(ARGS)

fuzz: $(stamps)/test,embedded
	$(python) -m fuzz $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# The name of a stamp is the list of extras that it stands for.
$(stamps)/%: pyproject.toml | $(stamps)
	@echo "preparing $(VENV) for $*" >&2
	@$(pip) install --editable '.[$*]'
	@touch '$@'

$(stamps):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $@
