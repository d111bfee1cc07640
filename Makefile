.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
BENCH := .venv-bench
LOCK := .ci/locked.txt
OLDEST := .venv-oldest

# Of what builds packages the versions are locked, too; since pip 25.3 the second variable says so.
INSTALL = PIP_CONSTRAINT=$(LOCK) PIP_BUILD_CONSTRAINT=$(LOCK) $(BIN)/python -m pip install --quiet --editable

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: demo
demo: $(BIN)/.installed ## Set everything up and make noisy copies of sample_data in demo/
	@$(BIN)/python examples/demo.py

.PHONY: test
test: $(BIN)/.dev ## Run lint, type checks and the test suite
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto -m "not stress"

.PHONY: test-oldest
test-oldest: $(OLDEST)/.dev ## Run the tests on the oldest versions of dependencies, on Python 3.11
	$(OLDEST)/bin/pytest -n auto -m "not stress" -W ignore::DeprecationWarning -W ignore::FutureWarning

.PHONY: stress
stress: $(BIN)/.dev ## Run the long tests: large files, memory, many random inputs
	$(BIN)/pytest -m stress
	$(BIN)/pytest -m "hypothesis and not stress" --hypothesis-profile stress

.PHONY: golden
golden: $(BIN)/.dev ## Record the golden digests anew, after a wanted change of results
	$(BIN)/python -m tests.golden

.PHONY: samples
samples: $(BIN)/.installed ## Make sample_data anew
	$(BIN)/python sample_data/make_sample_data.py

.PHONY: docs
docs: $(BIN)/.dev ## Make docs/catalogue.md, tables of docs/images.md and the pictures anew
	$(BIN)/python docs/make_catalogue.py
	$(BIN)/python docs/make_overview.py
	$(BIN)/python docs/make_comparison.py

.PHONY: bench
bench: $(BENCH)/.installed ## Measure noisecli beside its alternatives: docs/BENCHMARKS.md (LINES="csv-floats" prints only these)
	$(BENCH)/bin/python -m benchmarks $(or $(LINES),--json benchmarks/results.json)
	$(if $(LINES),,$(BENCH)/bin/python -m benchmarks.profile > benchmarks/profile.txt)
	$(if $(LINES),,$(BENCH)/bin/python -m benchmarks.report benchmarks/results.json benchmarks/profile.txt > docs/BENCHMARKS.md)

.PHONY: bench-quick
bench-quick: $(BENCH)/.installed ## The same on small inputs, one pair a line: shows that all lines run, and no more
	$(BENCH)/bin/python -m benchmarks $(LINES) --scale 0.02 --pairs 1

.PHONY: profile
profile: $(BENCH)/.installed ## Show where time goes (LINES="csv-floats parquet-mixed" chooses)
	$(BENCH)/bin/python -m benchmarks.profile $(LINES)

.PHONY: lock
lock: ## Lock the newest versions that go together, on Python 3.11: .ci/locked.txt, and .venv with them
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev,report]'
	{ sed '/^#/!d' $(LOCK); $(BIN)/python -m pip freeze --exclude-editable; } > $(LOCK).new
	mv $(LOCK).new $(LOCK)

.PHONY: clean
clean: ## Remove the environments, caches and the demo
	rm -rf .venv $(OLDEST) $(BENCH) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(BIN)/.installed: $(BIN)/python pyproject.toml $(LOCK)
	$(INSTALL) '.[report]'
	@touch $@

$(BIN)/.dev: $(BIN)/.installed
	$(INSTALL) '.[dev]'
	@touch $@

$(OLDEST)/.dev: pyproject.toml .ci/oldest.txt
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --constraint .ci/oldest.txt --editable '.[dev]'
	@touch $@

# An environment of its own: what noisecli is compared with holds pandas and others back. One that cannot be installed is absent.
$(BENCH)/.installed: pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --editable .
	-$(BENCH)/bin/python -m pip install --quiet --editable '.[bench]'
	@touch $@
