.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

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

.PHONY: clean
clean: ## Remove the environment, caches and the demo
	rm -rf .venv demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(BIN)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[report]'
	@touch $@

$(BIN)/.dev: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
