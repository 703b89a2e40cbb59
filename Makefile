# `make demo` and `make test` work on a machine that has only Python >= 3.11, make and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo fashion test test-products browser-test lint docs figures bench selection tables ensembles clean

help:
	@echo "make demo     compare eight ways to regularize on the diabetes data (about a minute)"
	@echo "make test     lint and run the tests; of products of options, a covering set"
	@echo "make test-products  the combinations of options that make test leaves out"
	@echo "make fashion  the reference experiment on Fashion-MNIST (three seeds, some minutes)"
	@echo "make docs     build the site into docs/_build/html"
	@echo "make figures  draw figures and tables of the README, landing page and quickstart anew (two minutes)"
	@echo "make browser-test  look at site and report in Chromium (builds the site first)"
	@echo "make bench    time fits and searches beside scikit-learn and skorch (about half an hour)"
	@echo "make selection  which features and columns are found, over ten seeds (about an hour)"
	@echo "make ensembles  what ensembles cost and gain, beside one network (about half an hour)"
	@echo "make tables   predict real tables as they are, beside boosting, linear models and pipelines made by hand"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras; a change of the pins or of pyproject installs anew.
$(VENV)/.installed-%: $(BIN)/python constraints.txt pyproject.toml
	$(PIP_INSTALL) --editable ".[$*]"
	@touch $@

demo: $(VENV)/.installed-plot
	$(BIN)/python examples/demo.py

fashion: $(VENV)/.installed-plot
	$(BIN)/python examples/fashion_mnist.py

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Two processes of one thread each: on two cores that is faster than one process of two threads.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal

test-products: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal -m product tests

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

figures: $(VENV)/.installed-docs
	$(BIN)/python docs/make_figures.py

# Chromium comes from the system: apt-get install chromium.
browser-test: docs $(VENV)/.installed-test,browser
	$(BIN)/pytest tests/browser

bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/bench_fit.py
	$(BIN)/python benchmarks/bench_sweep.py
	$(BIN)/python benchmarks/bench_scaling.py --plot results/bench_scaling.svg
	$(BIN)/python benchmarks/bench_reference.py
	$(BIN)/python benchmarks/bench_resources.py

selection: $(VENV)/.installed-test
	$(BIN)/python benchmarks/bench_selection.py
	$(BIN)/python benchmarks/bench_columns.py

tables: $(VENV)/.installed-test,docs
	$(BIN)/python benchmarks/bench_tables.py --models table hand mlp linear boosting

ensembles: $(VENV)/.installed-test,docs
	$(BIN)/python benchmarks/bench_ensembles.py --models folds temperature deep

clean:
	rm -rf $(VENV) results docs/_build docs/auto_examples docs/generated
