# Every target sets up what it needs: a fresh machine wants Python >= 3.9 and make, no more.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ANNOTATIONS ?= annotations
OUT ?= build/nlb21.zip

# Libraries of the browser, by their npm packages: tests hold the hashes of what comes of them.
AXE ?= axe-core@4.14.1
DATATABLES ?= datatables.net@3.1.5
ASSETS := nlb_evalai/competition/site/assets

.PHONY: help venv venv-dev dry-run test test-remote test-phase2 test-browser vendor bench-batch bench-diagnostics type-one lint types bundle challenge refusals bench bench-ground-truth leak calibration real-lead fuzz clean

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 24

$(VENV)/.run: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[host]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps nlb-tools==0.0.4
	touch $@

venv: $(VENV)/.run  ## a virtual environment to run in
venv-dev: $(VENV)/.dev  ## ... and to develop in

dry-run: $(VENV)/.run  ## build the bundle, load it as EvalAI does, score the embedded sample
	$(BIN)/nlb-evalai dry-run

test: $(VENV)/.dev  ## all tests
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-remote: $(VENV)/.dev  ## the remote worker at length: 200 submissions, a Docker build's steps
	NLB_REMOTE_FULL=1 $(BIN)/python -m pytest tests/nlb_evalai/remote tests/docker -rP

test-phase2: $(VENV)/.dev  ## batches at length: 63 submissions, killed at 20 random moments, and on a cluster
	NLB_PHASE2_FULL=1 $(BIN)/python -m pytest tests/nlb_evalai/competition

test-browser: $(VENV)/.dev build/browser/axe.min.js  ## use the site and the report in headless Chromium (installed where apt can)
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }
	$(BIN)/python -m pytest tests/browser/check_report.py tests/browser/check_site.py

build/browser/axe.min.js:
	mkdir -p build/browser
	command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends npm; }
	cd build/browser && npm pack --silent $(AXE) | xargs tar -xzf
	mv build/browser/package/axe.min.js $@

vendor:  ## take the site's table library anew from its npm package, as pinned
	mkdir -p build/vendor
	cd build/vendor && npm pack --silent $(DATATABLES) | xargs tar -xzf
	cp build/vendor/package/js/dataTables.min.js $(ASSETS)/
	cp build/vendor/package/License.txt $(ASSETS)/dataTables.LICENSE.txt

bench-diagnostics: $(VENV)/.dev  ## what diagnostics add to scoring a full submission, few-shot too
	$(BIN)/python benchmarks/diagnostics.py --few-shot

type-one: $(VENV)/.dev  ## how often compare tells models apart that are equally good (minutes)
	$(BIN)/python -m tests.nlb_evalai.diagnostics.type_one

bench-batch: $(VENV)/.dev  ## throughput of one and of two pinned workers
	$(BIN)/python benchmarks/batch.py

real-lead: $(VENV)/.dev  ## how often equal and unequal teams are told apart, by simulation (~5 min)
	$(BIN)/python benchmarks/real_lead.py

leak: $(VENV)/.dev  ## what submissions can find out about hidden truth, attack by attack
	$(BIN)/python benchmarks/leak.py

calibration: $(VENV)/.dev  ## error bars beside the true spread of scores, metric by metric (~5 min)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/calibration.py

fuzz: $(VENV)/.dev  ## two thousand mutated submissions, each score held against the reference
	$(BIN)/python -m tests.fuzz --count 2000

lint: $(VENV)/.dev  ## ruff: style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## mypy
	$(BIN)/mypy

bundle: $(VENV)/.run  ## build $(OUT) with the ground truth in $(ANNOTATIONS)
	mkdir -p $(dir $(OUT))
	$(BIN)/nlb-evalai bundle build --annotations $(ANNOTATIONS) --out $(OUT)

bench-ground-truth: $(VENV)/.run  ## ground truth of a large session: time, memory, beside the reference
	$(BIN)/python benchmarks/ground_truth.py

challenge: $(VENV)/.run  ## make challenge_config.yaml, templates/ and logo.png of the suite and its head
	$(BIN)/python -m nlb_evalai.challenge .

refusals: $(VENV)/.dev  ## the page of all that EvalAI refuses, from the tables of rules and tests
	$(BIN)/python -m tests.nlb_evalai.challenge.evalai.rules.refusals

bench: $(VENV)/.dev  ## scoring a full submission beside the reference and a plain read (~20 min)
	$(BIN)/python benchmarks/bench.py

clean:  ## remove what was built (not the virtual environment)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
