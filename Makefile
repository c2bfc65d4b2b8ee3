# make demo: the distillation-versus-RL table on this machine.
# make test: all tests, with vLLM and Ray; ENGINES=no leaves those two out and skips their tests.
PYTHON ?= python3
VENV ?= .venv
STAMP := $(VENV)/.installed
ENGINES ?= yes
ENGINES_STAMP := $(VENV)/.engines
RUN ?= runs/mini
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: demo test lint install engines clean

demo: install
	$(VENV)/bin/distill run recipes/mini.yaml --out=$(RUN)

test: install $(if $(filter no,$(ENGINES)),,engines)
	$(VENV)/bin/python -m pytest

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

install: $(STAMP)

engines: $(ENGINES_STAMP)

$(STAMP): pyproject.toml requirements/install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_CPU_INDEX="$(TORCH_CPU_INDEX)" sh requirements/install.sh
	touch $(STAMP)

$(ENGINES_STAMP): $(STAMP) requirements/engines-cpu.txt requirements/install_engines.sh
	VENV="$(VENV)" sh requirements/install_engines.sh
	touch $(ENGINES_STAMP)

clean:
	rm -rf $(VENV) runs build *.egg-info
