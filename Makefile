# make demo   set everything up and run the main job      (SITE=slurm: on a running Slurm)
# make test   set everything up and run linters and tests
# make clean  remove what the two made

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SITE   ?= local
DEMO   ?= demo-run
# Processes that share the tests: more than two cores would need, for the long tests mostly wait.
PROCESSES ?= 4

.PHONY: demo test suite lint ruff mypy imports unit bench crash clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "harvester_hpc needs Python 3.11 or newer; say PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.test: setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,demo]'
	touch $@

$(VENV)/.demo: setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/harvester-hpc demo --site $(SITE) --dir $(DEMO)

lint: ruff mypy imports

ruff: $(VENV)/.test
	$(BIN)/ruff check .

mypy: $(VENV)/.test
	$(BIN)/mypy harvester_hpc launchers/harvester_launch plugins/harvester_psij plugins/harvester_local plugins/harvester_workers plugins/harvester_globus plugins/harvester_rucio plugins/harvester_command plugins/harvester_panda plugins/harvester_creds plugins/harvester_mariadb plugins/harvester_compat

imports: $(VENV)/.test
	$(BIN)/lint-imports --no-cache

test: $(VENV)/.test
	tests/install-packages
	$(MAKE) --no-print-directory --jobs=2 ruff imports mypy suite

suite: $(VENV)/.test
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup --no-loadscope-reorder

unit: $(VENV)/.test
	$(BIN)/python -m pytest tests/unit tests/contract tests/golden

bench: $(VENV)/.test
	$(BIN)/python -m tests.bench

crash: $(VENV)/.test
	$(BIN)/python -m tests.crash --kills 1000

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info
