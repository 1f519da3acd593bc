# `make book` and `make test` do all the set-up by themselves; Python 3.11, 3.12 or 3.13 and make are needed.
PYTHON ?= python3
PROFILE ?= quick
DATA ?= synthetic
SER ?= synthetic
IER ?= synthetic
SEED ?= 0
GPU ?=
SCALE ?=
JOBS ?= 2
FULL ?=
LOCK := requirements$(if $(GPU),-gpu).lock
STAMP := .venv/.installed-$(if $(GPU),gpu,cpu)
BIN := .venv/bin
LOCKED := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
RUN := --profile "$(PROFILE)" --data "$(DATA)" --ser "$(SER)" --ier "$(IER)" --seed $(SEED)

.PHONY: book pdf optional test check bench torture links lock clean help
.DELETE_ON_ERROR:

help:
	@echo "make book    execute the notebooks and build _build/html   (PROFILE= DATA= SER= IER= SEED= GPU=1)"
	@echo "make pdf     the same as one PDF, printed by Chromium: _build/book.pdf"
	@echo "make test    run the tests                                 (ARGS=\"-m 'not slow'\", \"-k speech\")"
	@echo "make check   format, lint, types, who imports whom, security, notebooks without outputs"
	@echo "make bench   time what one waits for against the alternatives: one table   (SCALE=1: how builds grow)"
	@echo "make torture damaged, hostile and killed: what becomes of it   (FULL=1, ARGS=\"--record\", \"--stage fuzz\")"
	@echo "make optional  ImageNet weights and a second voice: packages that nothing else needs"
	@echo "make links   check the links that lead out of the book"
	@echo "make lock    resolve the exact versions again"
	@echo "make clean   remove runs, the built book and .venv"

book: $(STAMP)
	@$(BIN)/sier book $(RUN)

pdf: $(STAMP)
	@$(BIN)/sier book --pdf $(RUN)

test: $(STAMP)
	@$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml sierlib book/sierbook
	$(BIN)/nbstripout --verify notebooks/*.ipynb

bench: $(STAMP)
	@$(BIN)/python -m benchmarks.$(if $(SCALE),scale,table) $(ARGS)

torture: $(STAMP)
	@$(BIN)/python -m benchmarks.torture $(if $(FULL),--full) $(ARGS)

optional: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-optional.lock

links: $(STAMP)
	$(BIN)/jupyter-book build . --builder linkcheck --path-output _build/links

$(STAMP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing from $(LOCK) into .venv (a few minutes, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# One lock for every Python that pyproject.toml allows; versions that are locked stay.
lock: $(STAMP)
	$(LOCKED) --extra dev --output-file requirements.lock pyproject.toml
	$(LOCKED) --extra dev --extra gpu --output-file requirements-gpu.lock pyproject.toml
	$(LOCKED) --group optional --constraint requirements.lock --output-file requirements-optional.lock

clean:
	rm -rf .venv runs _build .mypy_cache .ruff_cache .pytest_cache .hypothesis
