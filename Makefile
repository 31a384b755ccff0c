# Two commands do all the set-up: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests of what has to be covered whole.
PURE := tests/domain tests/test_messages.py tests/test_wire.py tests/test_documents.py tests/test_recording.py \
	tests/test_directory.py tests/test_client.py tests/server/test_feed.py tests/server/test_events.py \
	tests/sources/test_payloads.py tests/sources/test_figure_payloads.py tests/sources/test_kato_sessions.py tests/sources/test_engine_payloads.py \
	tests/sources/test_engine_events.py

.DEFAULT_GOAL := help
.PHONY: help run lab ready test proof bench lint fix screenshots clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/run.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $(VENV)/run.stamp $@

$(VENV)/system.stamp: scripts/system-packages
	scripts/system-packages
	@mkdir -p $(VENV) && touch $@

# lifelines needs an older pandas than we do, so it has an environment of its own; it is asked once.
$(VENV)/oracle.stamp: scripts/oracle-requirements.txt
	$(PYTHON) -m venv $(VENV)/oracle
	$(VENV)/oracle/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --requirement $<
	@touch $@

$(VENV)/lab.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[notebook]"
	@touch $(VENV)/run.stamp $@

run: $(VENV)/run.stamp  ## serve the dashboard at http://127.0.0.1:5006/app (PORT= for another)
	@exec $(BIN)/kato-panel serve $(if $(PORT),--port $(PORT))

lab: $(VENV)/lab.stamp  ## open the notebooks in JupyterLab
	@exec $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

ready: $(VENV)/system.stamp $(VENV)/test.stamp $(VENV)/oracle.stamp lint

test:  ## lints, types, layers, then all tests at their short size
	$(MAKE) --jobs 2 ready
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist loadfile $(PURE)
	$(BIN)/coverage combine --quiet
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PURE:%=--ignore %)
	$(BIN)/coverage report --include "kato_panel/domain/*,kato_panel/messages.py,kato_panel/composing.py,kato_panel/wire.py,kato_panel/sources/*payloads.py,kato_panel/sources/engine_words.py,kato_panel/sources/engine_events.py" --fail-under 100

proof: $(VENV)/system.stamp $(VENV)/test.stamp $(VENV)/oracle.stamp  ## the same tests at full size; writes the table of docs/reliability.md
	KATO_PANEL_TEST_SIZE=full $(BIN)/pytest --timeout 7200

bench: $(VENV)/system.stamp $(VENV)/test.stamp  ## measure speed against a limit taken in the same run
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/page.py
	$(BIN)/python -m benchmarks.sessions
	$(BIN)/python benchmarks/history.py
	$(BIN)/python -m benchmarks.ws
	$(BIN)/python benchmarks/churn.py
	$(BIN)/python -m benchmarks.report
	$(BIN)/python benchmarks/backtest.py

lint: $(VENV)/test.stamp  ## lints, types and layers only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/test.stamp  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(VENV)/system.stamp $(VENV)/test.stamp  ## make the pictures of the README from the demo
	$(BIN)/python scripts/screenshots.py

clean:  ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
