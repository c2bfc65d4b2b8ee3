# make demo: the distillation-versus-RL table on this machine.  make test: all tests.
PYTHON ?= python3
VENV ?= .venv
STAMP := $(VENV)/.installed
RUN ?= runs/mini
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: demo test lint install clean

demo: install
	$(VENV)/bin/distill run recipes/mini.yaml --out=$(RUN)

test: install
	$(VENV)/bin/python -m pytest

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

install: $(STAMP)

$(STAMP): pyproject.toml requirements/install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_CPU_INDEX="$(TORCH_CPU_INDEX)" sh requirements/install.sh
	touch $(STAMP)

clean:
	rm -rf $(VENV) runs build *.egg-info
