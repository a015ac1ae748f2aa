# make run    trains an NTM on copy and shows what its memory did
# make test   formatting, lint, types, and the whole test suite
# make test-ray   installs Ray Tune and runs a sweep on it
# make test-floors   installs the oldest versions that pyproject.toml allows, and trains and draws with them
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run test test-ray test-floors install format clean

run: install
	$(BIN)/memnets fit copy-ntm

test: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/pytest

test-ray: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[ray]'
	$(BIN)/pytest -n 0 tests/experiments/test_sweep_ray.py

FLOORS := .venv-floors

test-floors:
	$(PYTHON) -m venv --clear $(FLOORS)
	$(PYTHON) tests/floors.py > $(FLOORS)/floors.txt
	$(FLOORS)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(FLOORS)/bin/python -m pip install --quiet --constraint constraints.txt --constraint $(FLOORS)/floors.txt --editable '.[train,images]' build hatchling pytest hypothesis pytest-xdist
	$(FLOORS)/bin/pytest -n 0 $(FLOOR_TESTS)

FLOOR_TESTS := tests/test_imports.py tests/test_packaging.py tests/base tests/cli/test_user_faults.py \
	tests/experiments/test_init_from.py tests/experiments/test_loggers.py tests/viz/test_figures_saved.py \
	tests/tasks/images/test_digit_lines.py tests/test_lmdb_file.py

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "memnets needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(FLOORS) dist build
