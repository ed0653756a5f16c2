# The project's few commands. All are safe to repeat.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: env fit test check soak docs wheel wheel-check clean

env: $(STAMP)

# torch comes first and alone, at the version of the constraints file, so that its own wheel is used
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

fit: env
	$(BIN)/lightning fit --config experiments/multitask.yaml

test: env
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: env
	$(BIN)/python -m tests.soak

docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: env
	rm -rf build/lib dist
	$(BIN)/python -m build --wheel

# the wheel in a new environment, in an empty folder: needs a package index, and some minutes
wheel-check: wheel
	rm -rf build/wheel-check && mkdir -p build/wheel-check/work
	$(PYTHON) -m venv build/wheel-check/venv
	build/wheel-check/venv/bin/python -m pip install --quiet --constraint constraints.txt torch
	build/wheel-check/venv/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl
	cd build/wheel-check/work && ../venv/bin/hemenet recipes && ../venv/bin/hemenet fit \
	  --config experiments/multitask.yaml --config configs/trainer/smoke.yaml
	cd build/wheel-check/work && ../venv/bin/hemenet init mine && cd mine && ../../venv/bin/hemenet \
	  benchmark run experiments/table4.yaml --config configs/trainer/smoke.yaml --seeds 1

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
