# make run    the whole centre on this machine (Ctrl-C stops it)
# make test   everything that this machine can test; CI calls the same; `make` alone too
# make fast   style, types, architecture and the fast tests: under a minute
# make bench  figures, beside the machine's own baseline
# make prove  the same tests with larger numbers: hours
# make lock   new pins after a change of requirements*.in

.DEFAULT_GOAL := test
.PHONY: run test fast lint bench prove lock environment environment-dev

PY := .venv/bin/python
FAST := not slow and not chromium and not kafka and not postgres and not openid and not rtsp

# `make run ARGS=--no-simulators` starts the centre without the imaginary province.
run: environment
	@exec $(PY) -m ioc run $(ARGS)

test: environment-dev
	@scripts/services
	@$(MAKE) --no-print-directory lint
	@$(PY) -m pytest

fast: environment-dev lint
	@$(PY) -m pytest -n auto --dist worksteal -m "$(FAST)"

lint: environment-dev
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

bench: environment-dev
	@$(PY) -m benchmarks $(ARGS)

prove: environment-dev
	@scripts/services
	@IOC_PROVE=1 $(PY) -m pytest -m "not never" --timeout=0

environment:
	@scripts/environment

environment-dev:
	@scripts/environment --dev

# No host of a package index gets into the pins: whoever installs uses their own.
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links
lock: environment-dev
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt
