# `make` alone lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PADDLE_INDEX ?=
DRIVER := $(wildcard /proc/driver/nvidia/version)
REQUIREMENTS ?= $(if $(PADDLE_INDEX),requirements-gpu3.txt,$(if $(DRIVER),requirements-gpu.txt,requirements-cpu.txt))
VENV ?= .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
PORT ?= 5000
INPUT ?= data/example_feat.list
option = $(if $($2),--$1 "$($2)")
# So that stages, DVC's workers and MLflow's servers find each other's commands.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DO_NOT_TRACK ?= true

.DEFAULT_GOAL := help
.PHONY: unlocked $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/ready  ## create .venv and install everything (PADDLE_INDEX= for Paddle's own GPU builds)
$(VENV)/ready: $(REQUIREMENTS) requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r $(REQUIREMENTS) -r requirements-dev.txt $(if $(PADDLE_INDEX),--extra-index-url $(PADDLE_INDEX))
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

# dvc refuses to read what a killed one left cut short.
unlocked: setup
	@python -m bmn.launch.leftovers

repro: unlocked  ## run the stages affected by changes: download, convert, train, evaluate, export
	dvc repro
	@dvc metrics show --precision 2 outputs/evaluate/metrics.json
	@echo "outputs/evaluate/report.html shows the evaluation; make ui shows the runs"

# Several processes share the cores.
test coverage: export OMP_NUM_THREADS = 1
test: setup  ## run the tests
	pytest -n 3 --dist loadgroup $(TESTS)

coverage: setup  ## run the tests and tell which lines of src they run, their subprocesses' included
	coverage erase
	coverage run -m pytest -n 3 --dist loadgroup $(TESTS)
	coverage combine --quiet
	coverage report --skip-covered --skip-empty

lint: setup  ## check style, types and layering
	ruff check .
	ruff format --check .
	mypy
	lint-imports

check-gpu:  ## check without a GPU that every kernel for one exists (creates .venv-gpu, 5 GB)
	$(MAKE) setup test VENV=.venv-gpu REQUIREMENTS=requirements-gpu.txt TESTS="tests/gpu tests/model tests/loss tests/training"

docs: setup  ## build the site: outputs/site/index.html
	NO_MKDOCS_2_WARNING=true mkdocs build --quiet  # of another product

bench: setup  ## compare with the published implementation, in ten minutes (ARGS=--quick: in five; ARGS=epoch: see docs/results.md)
	python -m benchmarks $(ARGS)

ui: setup  ## show the runs in MLflow's UI (PORT=5000); the first start may take a minute
	@bmn ui --port $(PORT)

compare: setup  ## compare runs: a table, a figure, a page (RUNS="id id", default: the last ten and the champion)
	bmn compare $(RUNS)

report: setup  ## what a change does to the results, as Markdown: against REV=main
	@bmn report $(REV)

send: setup  ## send MLflow what could not be logged while it was unreachable
	bmn send

gc: setup  ## list unused checkpoints, cached trainings, files of deleted runs (ARGS=--delete deletes them)
	bmn gc $(ARGS)

seeds: setup  ## train with several seeds and print mean and standard deviation: SEEDS=1,2,3
	dvc repro --quiet convert
	bmn seeds $(SEEDS)

propose: setup  ## proposals for videos, and pages to watch them: VIDEOS=clip.mp4, folder or list (MODEL=, ARGS=--help)
	bmn propose $(VIDEOS) --params params.yaml $(call option,model,MODEL) $(ARGS)

predict: setup  ## proposals for feature files: INPUT=file, folder or list (MODEL=file or folder, ARGS=--help)
	bmn predict $(INPUT) --params params.yaml $(call option,model,MODEL) $(ARGS)

evaluate: setup  ## evaluate proposals or weights: PROPOSALS=file GROUND_TRUTH=file, or WEIGHTS=file (ARGS=--help)
	bmn evaluate $(call option,proposals,PROPOSALS) $(call option,ground-truth,GROUND_TRUTH) $(call option,weights,WEIGHTS) $(ARGS)

pretrained: setup  ## download PaddleVideo's weights to outputs/pretrained (FROM=file or URL)
	bmn pretrained $(FROM)

export: setup  ## export weights as an inference model to outputs/exported: WEIGHTS=outputs/pretrained/BMN.pdparams
	bmn export $(WEIGHTS) $(ARGS)

serve: setup  ## serve MLflow's champion over HTTP (MODEL=models:/bmn/3, ARGS="--port 5001 --host 0.0.0.0")
	bmn serve $(call option,model,MODEL) $(ARGS)

train-gpu: unlocked  ## train on several GPUs: GPUS=0,1,2,3
	bmn set execution.devices=gpu:$(GPUS)
	dvc repro train
	@echo "make repro evaluates and exports what was trained"

tune: unlocked  ## search for better parameters, or resume (TRIALS= TIMEOUT= WORKERS= STUDY=; params.yaml, tune)
	dvc repro --quiet convert
	bmn tune run $(call option,study,STUDY) $(call option,trials,TRIALS) $(call option,timeout,TIMEOUT) $(call option,workers,WORKERS)

tune-status: setup  ## show the trials of a sweep, running or finished (STUDY=)
	@bmn tune status $(call option,study,STUDY)

tune-apply: setup  ## write the confirmed best of a sweep to params.yaml (STUDY=, TRIAL= for another trial)
	@bmn tune apply $(call option,study,STUDY) $(call option,trial,TRIAL)

tune-proposals: setup  ## fit proposals.* to the weights of make repro, in minutes (ARGS=--help)
	@bmn tune proposals $(ARGS)

tune-ui: setup  ## show the trials of all sweeps in a browser (PORT=5000)
	@bmn tune ui --port $(PORT)

use: setup  ## adapt params.yaml to data: PRESET=embedded, gestures, clips, activitynet, … or local; FEATURES= or VIDEOS=, ANNOTATIONS= SUBSETS= CLASSIFIER= (RESET=1)
	bmn use $(PRESET) $(call option,features,FEATURES) $(call option,videos,VIDEOS) $(call option,annotations,ANNOTATIONS) $(call option,subsets,SUBSETS) $(call option,classifier,CLASSIFIER) $(if $(RESET),--reset)

data-report: unlocked  ## report on the data: counts, figures, repairs (outputs/data_report/report.html)
	dvc repro --quiet convert
	bmn data-report

overfit: unlocked  ## can the network learn one batch of the data? loss and AUC in a minute (ARGS=--help)
	dvc repro --quiet convert
	bmn overfit $(ARGS)

clean:  ## remove data, outputs and caches; keep .venv, mlruns and downloads
	rm -rf data/raw data/processed data/.raw.* data/.processed.* outputs .dvc/cache .dvc/tmp
	if [ -d .cache ]; then find .cache -mindepth 1 -maxdepth 1 ! -name download -exec rm -rf {} +; fi
