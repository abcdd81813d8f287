# `make` alone lists the targets. Each target first sets up what it needs.

SHELL := bash
root := $(CURDIR)
py := .venv/bin/python

# The R package and its own dependencies stay in this folder; its Python is .venv.
export R_LIBS := $(root)/.Rlib$(if $(R_LIBS),:$(R_LIBS))
export RETICULATE_PYTHON := $(root)/.venv/bin/python
export KERAS_BACKEND ?= tensorflow
# With no locale set, as in a bare container, R would only handle ASCII.
ifeq ($(LC_ALL)$(LC_CTYPE)$(LANG),)
export LC_ALL := C.UTF-8
endif
export TF_CPP_MIN_LOG_LEVEL ?= 3
# TensorFlow 2.21 prints lines about oneDNN, AVX and CUDA at any log level.
tensorflow := (port|cpu_feature_guard|cudart_stub|cuda_platform)\.cc:
less_noise := 2> >(grep -Ev '^[IWE]0000 .*$(tensorflow)|^(WARNING: All log messages \
	before absl|To enable the following instructions)' >&2)

.PHONY: help setup demo demo-python test test-fast test-remote test-power-cut test-cluster \
	test-backends test-versions test-gpu test-canary test-r-current test-r-next soak lint check \
	dist docs bench clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo         R trains a model, saves checkpoints, loads the best one back
demo: setup
	@Rscript examples/demo.R $(less_noise)

## make demo-python  the same in Python
demo-python:
	@tools/setup.sh python
	@$(py) examples/demo.py $(less_noise)

## make test         pytest and testthat, with real training runs
test:
	@tools/setup.sh python r test
	@tools/test.sh $(less_noise)

## make test-fast    pytest without the slow tests, in under two minutes
test-fast:
	@tools/setup.sh python
	@$(py) -m pytest -q --numprocesses=2 --dist=loadfile -m "not slow and not remote" $(less_noise)

## make test-remote  pytest on real object-store servers (KILLS=100 sets the number of kills)
test-remote:
	@tools/setup.sh python
	@tools/test-remote.sh $(less_noise)

## make test-power-cut  simulates power cuts on ext4, xfs and btrfs, as root (CUTS=1000 sets how many)
test-power-cut:
	@tools/setup.sh python test
	@tools/test-power-cut.sh $(less_noise)

## make test-cluster  preempts training runs under torchrun, SLURM and Ray Train
test-cluster:
	@tools/setup.sh python r
	@tools/test-cluster.sh $(less_noise)

## make test-backends  pytest again, on JAX and on Torch
test-backends:
	@tools/setup.sh python
	@tools/matrix.sh backends $(less_noise)

## make test-versions  pytest on older Keras, tf_keras, Keras 2 (KERAS=3.8: only that one)
test-versions:
	@tools/setup.sh python
	@tools/matrix.sh versions $(KERAS) $(less_noise)

## make test-gpu     pytest and a benchmark on JAX and Torch, if there is an NVIDIA GPU
test-gpu:
	@tools/setup.sh python
	@tools/matrix.sh gpu $(less_noise)

## make test-canary  pytest on the newest pre-release of Keras
test-canary:
	@tools/setup.sh python
	@tools/matrix.sh canary $(less_noise)

## make test-r-current  testthat, demo and R CMD check on Debian 13 (as root)
test-r-current:
	@tools/test-r-debian.sh trixie $(less_noise)

## make test-r-next  the same on Debian sid, with the newest R
test-r-next:
	@tools/test-r-debian.sh sid $(less_noise)

## make soak         kills 300 real training runs at random moments (KILLS=20 sets the
##                   number, STATE=folder where the result goes)
soak:
	@tools/setup.sh python
	@$(py) tests/python/soak.py --kills $(or $(KILLS),300) \
		--state $(or $(STATE),.setup/soak) $(less_noise)

## make lint         ruff, mypy and import-linter
lint:
	@tools/setup.sh python
	$(py) -m ruff check .
	$(py) -m ruff format --check .
	$(py) -m mypy
	.venv/bin/lint-imports --no-logo

## make check        R CMD check of the built package, with and without a Python
check:
	@tools/setup.sh python r check
	@tools/check.sh

## make dist         wheel and source distribution in dist/, built and checked
dist:
	@tools/setup.sh python
	@rm -rf dist
	@$(py) -m build --outdir dist . >.setup/build.log 2>&1 || \
		{ cat .setup/build.log; exit 1; }
	@$(py) tests/packaging/check_dist.py dist

## make docs         man/ and NAMESPACE from the comments in R/, then the site in site/,
##                   checked in a browser
docs:
	@tools/setup.sh python r docs
	Rscript -e 'roxygen2::roxygenise()'
	@tools/setup.sh python r docs
	@tools/site.sh $(less_noise)

## make bench        measures what the callback costs per batch and per save, compared with
##                   others; prints the results and keeps them in benchmarks/results/
bench:
	@tools/setup.sh python
	@$(py) benchmarks/batch_cost.py $(less_noise)
	@if [ -x .venvs/backends/bin/python ]; then for backend in jax torch; do \
		KERAS_BACKEND=$$backend .venvs/backends/bin/python benchmarks/batch_cost.py \
		--keras keras $(less_noise); done; \
	else echo "JAX and Torch are not installed; make test-backends installs them."; fi
	@$(py) benchmarks/saving.py --results benchmarks/results $(less_noise)
	@$(py) benchmarks/interval.py --results benchmarks/results $(less_noise)
	@$(py) benchmarks/parts.py --results benchmarks/results $(less_noise)
	@$(py) benchmarks/remote.py --results benchmarks/results $(less_noise)

## make setup        only the setup that other targets run first
setup:
	@tools/setup.sh python r

## make clean        remove everything that the targets created here
clean:
	rm -rf .venv .venvs .Rlib .setup dist site demo-output
