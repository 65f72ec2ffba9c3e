.DEFAULT_GOAL := help
PYTHON ?= python3
RUN := .venv/bin/python

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2]'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@

.PHONY: help demo test train lint bench mutants clean
help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: .venv/installed  ## the main job: compare the methods on the toy, write runs/demo/report.html
	$(RUN) -m toy compare --out runs/demo --force

test: .venv/installed  ## run every test
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2  # two processes of one thread: two of two threads are twice as slow

train: .venv/installed  ## train the tiny vision-language model on rendered geometry (minutes, CPU)
	$(RUN) full_scale/train.py

lint: .venv/installed  ## ruff and mypy --strict
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: .venv/installed  ## measure the toy's speed (2 minutes)
	$(RUN) -m benchmarks.toy

mutants: .venv/installed  ## mutation testing of calibrl_ref by its own tests (more than an hour; resumes)
	OMP_NUM_THREADS=1 $(RUN) -m mutmut run --max-children 2
	$(RUN) -m mutmut results

clean:  ## remove the environment and all runs
	rm -rf .venv runs
