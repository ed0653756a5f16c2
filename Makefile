# The project's few commands. All are safe to repeat.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: env fit test check bench soak cluster-check docs wheel wheel-check lowest lock audit clean

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

# every benchmark at a size for 2 cores and 20 minutes; writes the tables of benchmarks/*.md anew
bench: env
	$(BIN)/python benchmarks/make_tables.py $(BENCH)

soak: env
	$(BIN)/python -m tests.soak

# a real SLURM of two nodes and a dask scheduler with three workers, on this machine; as root, with Debian's
# packages slurmctld, slurmd, slurm-client and munge
cluster-check: env
	$(BIN)/python -m tests.soak.cluster

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

# the lowest versions that pyproject.toml allows, torch's included (its CUDA build), under the fast tests
LOWEST := build/lowest
lowest: env
	mkdir -p $(LOWEST)
	$(BIN)/uv pip compile --quiet --python-version 3.11 --resolution lowest-direct --extra dev --no-header \
	  --output-file $(LOWEST)/requirements.txt pyproject.toml
	$(BIN)/uv venv --quiet --clear --python python3.11 $(LOWEST)/venv
	$(BIN)/uv pip install --quiet --python $(LOWEST)/venv/bin/python --requirement $(LOWEST)/requirements.txt
	$(BIN)/uv pip install --quiet --python $(LOWEST)/venv/bin/python --no-deps .
	$(LOWEST)/venv/bin/python -m pytest tests/basics tests/structures tests/store tests/metrics tests/cli tests/model

# every version with its hashes, for: pip install --require-hashes --requirement requirements.lock
lock: env
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --constraint constraints.txt \
	  --extra cluster --extra llm --extra plm --extra sweeps --custom-compile-command "make lock" \
	  --no-emit-index-url --output-file requirements.lock pyproject.toml

# known holes in these versions; "could not be audited" means that the service was not reached
audit: env
	$(BIN)/uv tool run pip-audit --requirement requirements.lock --require-hashes --disable-pip

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
