# Two commands set everything up by themselves: `make demo` and `make test`.

PY ?= python3
V  := .venv
# uv does not read pip's settings: hand over where local wheels lie, where the machine has any.
FL := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS))
# Elsewhere uv picks the torch build (CPU, or the CUDA that fits the driver) by itself.
TB := $(if $(FL),,--torch-backend=auto)
EXTRAS := all,dev
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help demo test check fix lint types contracts tests clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(V)/.ok  ## Set up, then run the main job from transcripts to a report
	@PATH="$(CURDIR)/$(V)/bin:$$PATH" sh examples/demo.sh

test: check  ## Set up, then pass every check and test

check: $(V)/.ok lint types contracts tests  ## What CI does

lint: $(V)/.ok
	$(V)/bin/ruff check .
	$(V)/bin/ruff format --check .

types: $(V)/.ok
	$(V)/bin/mypy

contracts: $(V)/.ok
	$(V)/bin/lint-imports --no-logo

tests: $(V)/.ok
	OMP_NUM_THREADS=1 $(V)/bin/python -m pytest -n 2 --dist loadfile -m "not ray and not gpu"
	OMP_NUM_THREADS=1 $(V)/bin/python -m pytest -m "ray and not gpu"

fix: $(V)/.ok  ## Repair what can be repaired
	$(V)/bin/ruff check --fix .
	$(V)/bin/ruff format .

constraints.txt.new: $(V)/.ok  ## Compile the pins again
	printf 'torch==2.13.0\n' > .torch-pin
	env -u UV_FIND_LINKS $(V)/bin/uv pip compile -q --universal -p 3.11 --all-extras \
	  pyproject.toml -c .torch-pin --no-annotate --no-header -o $@
	rm -f .torch-pin

clean:  ## Remove the environment and what the demo made
	rm -rf $(V) out .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(V)/.ok: pyproject.toml constraints.txt
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "mosdata needs Python 3.11 or later; $(PY) is $$($(PY) -V 2>&1). Try: make PY=python3.12 $(MAKECMDGOALS)"; \
	  exit 2; }
	@echo "Setting up $(V) (once, about 2 GB) ..."
	@if command -v uv >/dev/null 2>&1; then uv venv -q --clear --seed --python "$(PY)" $(V); \
	elif ! $(PY) -m venv $(V); then \
	  echo "Python cannot make an environment. On Debian and Ubuntu: sudo apt install python3-venv"; exit 2; fi
	@$(V)/bin/python -m pip install -q --disable-pip-version-check uv || true
	@if [ -x $(V)/bin/uv ]; then \
	  UV_FIND_LINKS="$(FL)" $(V)/bin/uv pip install -q --python $(V)/bin/python $(TB) \
	    -c constraints.txt -e '.[$(EXTRAS)]'; \
	else $(V)/bin/python -m pip install -q -c constraints.txt -e '.[$(EXTRAS)]'; fi
	@# PESQ has no wheel: it joins where there is a C compiler with Python's headers.
	@if command -v cc >/dev/null 2>&1; then \
	  $(V)/bin/python -m pip install -q -c constraints.txt 'pesq>=0.0.4' >/dev/null 2>&1 \
	    || echo "note: PESQ was left out (it needs a C compiler and Python's headers)"; fi
	@touch $@
