# Two commands do everything on a fresh machine: `make demo` and `make test`. They need Python >= 3.11 alone.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check site prints lint format experiments papers bench clean

demo: $(VENV)/installed ## install, run the first experiment on real data, print its report
	$(BIN)/gradlab run experiments/sigmoid_vs_relu.yaml

test: $(VENV)/installed-dev ## every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/installed-dev ## the fast tests, under two minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

site: $(VENV)/installed-docs ## the documentation: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

prints: $(VENV)/installed-dev ## print the examples of README and docs anew (five minutes)
	PYTHONPATH=docs:. $(BIN)/python -m sitepages.printed

lint: $(VENV)/installed-dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

experiments: $(VENV)/installed ## run every experiment (half an hour) and write experiments/README.md
	$(BIN)/python experiments/regenerate.py

papers: $(VENV)/installed ## run the spec of every paper (twenty minutes) and write experiments/papers/README.md
	$(BIN)/python experiments/regenerate.py --papers

bench: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bank_vs_loop.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/installed-docs: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[docs]'
	touch $(VENV)/installed $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev,models,docs]'
	touch $(VENV)/installed $(VENV)/installed-docs $@

clean:
	rm -rf $(VENV) build dist *.egg-info site .pytest_cache .mypy_cache .ruff_cache .hypothesis
