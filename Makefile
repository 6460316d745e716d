# Two commands matter: `make book` and `make test`. `make help` lists the others.
#
# All of them work in .venv, which tools/bootstrap.py makes and keeps up to date.
#   PYTHON=/its/path   the Python to make .venv with (otherwise: the first of 3.11 to 3.13 found)
#   PIP_ARGS=…         more arguments for pip, when it installs

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help book pdf test lint faults notebooks lab wheel repository clean book-environment environment

# Paths stay relative to this directory, whose name may hold spaces.
RUN := .venv/bin/python
export PYTHON PIP_ARGS

# When no Python fits, bootstrap.py runs in one that does not, and says why it does not.
define bootstrap
@chosen=$$PYTHON; \
if [ -z "$$chosen" ]; then \
	for python in python3 python3.13 python3.12 python3.11 python; do \
		if "$$python" tools/bootstrap.py --fits >/dev/null 2>&1; then chosen=$$python; break; fi; \
		if [ -z "$$chosen" ] && "$$python" -c "" >/dev/null 2>&1; then chosen=$$python; fi; \
	done; \
fi; \
if ! "$$chosen" -c "" >/dev/null 2>&1; then \
	echo "Error: $${PYTHON:-Python} is not there or does not run:" \
		"install Python 3.11 to 3.13, or name one with PYTHON=/its/path." >&2; \
	exit 1; \
fi; \
exec "$$chosen" tools/bootstrap.py $(1)
endef

help: ## List the targets
	@echo "make TARGET, with TARGET one of"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

book: book-environment ## Build the HTML book, warnings as errors, and say where it is
	@$(RUN) tools/book.py

pdf: environment book ## Make one PDF of the whole book, and say where it is
	@$(RUN) -m tools.pdf

# One thread for each of the two workers: with more, they wait for each other and take twice as long.
test: lint ## Check the style, run all tests, every notebook and every built page, on two workers
	@$(RUN) tools/browser.py
	@OMP_NUM_THREADS=1 $(RUN) -m pytest tests notebooks --nbval-lax --nbval-current-env \
		-n 2 --dist loadscope --durations=15

lint: environment ## Check style and formatting
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

faults: environment ## Plant faults in the package, all or those of one FILE; the tests must catch each
	@OMP_NUM_THREADS=1 $(RUN) tools/mutations.py $(if $(FILE),"$(FILE)")

notebooks: environment ## Execute all pages, or one (PAGE=3-1), and store their outputs and run times
	@$(RUN) tools/notebooks.py $(if $(PAGE),"$(PAGE)")

lab: environment ## Open JupyterLab on the pages
	@$(RUN) -m jupyterlab notebooks

wheel: environment ## Build the wheel of `companion` in dist/
	@$(RUN) -m pip wheel . --quiet --no-deps --no-build-isolation --wheel-dir dist
	@ls dist/*.whl

repository: book-environment ## Name another repository everywhere (URL=https://github.com/owner/name)
	@$(RUN) tools/repository.py "$(URL)"

clean: ## Remove all that these targets made, .venv included
	rm -rf .venv _build build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

book-environment:
	$(call bootstrap,book)

environment:
	$(call bootstrap,all)
