# The commands that a person types. Each sets up what it needs; `make help` lists them.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PLUGINS := glance,cinder,cinder_backup,nova,libvirt
DEMO   := $(BIN)/cephdeploy --site examples/demo/site.yml

.PHONY: help demo test test-unit test-ssh test-lab bench bench-scale lint docs lab-down clean

help:            ## what there is
	@sed -n 's/^\([a-z-]*\): .*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/ready    ## a real Ceph and OpenStack on this machine, and the main job on them (root; minutes)
	$(BIN)/cephdeploy lab up
	$(DEMO) plan --plugins $(PLUGINS)
	$(DEMO) run --plugins $(PLUGINS) --yes
	@echo "try:  $(DEMO) plan      or  $(BIN)/cephdeploy lab ssh controller1      and in the end  make lab-down"

test: $(VENV)/ready system    ## everything: style, types, units, a real sshd, the main job on the real lab
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest

test-unit: $(VENV)/ready    ## what needs neither root nor a server: seconds
	$(BIN)/python -m pytest -m "not ssh and not lab"

test-ssh: $(VENV)/ready system    ## transport and session over a real sshd in namespaces of its own (root)
	$(BIN)/python -m pytest -m ssh

# What every suite is asked; the first one is asked everything, with each sabotage.
ON_EVERY_SUITE := tests/lab/test_a_main_job.py tests/lab/test_d_proofs.py tests/lab/test_f_options.py

test-lab: $(VENV)/ready system    ## the main job, every proof and sabotage, on three suites in turn (root; an hour)
	CEPHDEPLOY_THOROUGH=1 $(BIN)/python -m pytest -m lab
	CEPHDEPLOY_TEST_SUITE=trixie $(BIN)/python -m pytest $(ON_EVERY_SUITE)
	CEPHDEPLOY_TEST_SUITE=sid $(BIN)/python -m pytest $(ON_EVERY_SUITE)

bench: $(VENV)/ready system .bench/venv/ready    ## this tool beside others and the floor: SIZES= CONTESTANTS= REPEAT= RTT= (root)
	$(BIN)/python -m benchmarks $(if $(SIZES),--sizes $(SIZES)) $(if $(CONTESTANTS),--contestants $(CONTESTANTS)) \
	  $(if $(REPEAT),--repeat $(REPEAT)) $(if $(RTT),--rtt $(RTT)) $(if $(SIZES)$(CONTESTANTS)$(RTT),,--publish)

bench-scale: $(VENV)/ready    ## time and memory of a plan for 100, 1,000 and 5,000 fake hosts: a minute
	$(BIN)/python benchmarks/scale.py

lint: $(VENV)/ready    ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy core/src lab/src plugins/*/src

docs: $(VENV)/ready    ## the documentation as pages, in docs/_build
	$(BIN)/pip install --quiet --constraint constraints.txt --requirement docs/requirements.txt
	$(BIN)/sphinx-build -W --keep-going docs docs/_build

lab-down:        ## take the demo's hosts away; the base they start from is kept
	$(BIN)/cephdeploy lab down

clean:           ## forget the virtual environment and what was built
	rm -rf $(VENV) .bench docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A venv of this checkout. Debian keeps venv in a package of its own.
$(VENV)/ready: dev.txt constraints.txt core/pyproject.toml lab/pyproject.toml $(wildcard plugins/*/pyproject.toml)
	$(PYTHON) -m venv $(VENV) || { apt-get install --yes python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/pip install --quiet --constraint constraints.txt --requirement dev.txt
	touch $@

# What the benchmark compares us with, away from our own dependencies.
.bench/venv/ready: benchmarks/constraints.txt
	$(PYTHON) -m venv .bench/venv
	.bench/venv/bin/pip install --quiet --constraint benchmarks/constraints.txt ansible-core mitogen pyinfra
	touch $@

# What the tests with real servers run; they say so themselves when it is missing and can't be installed.
.PHONY: system
system:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then ./tests/system-packages; fi
