#!/bin/sh
# Makes the virtual environment and installs the project with its development tools.
# Without an NVIDIA GPU torch comes as its CPU wheel: nobody downloads 2.7 GB of CUDA for nothing.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}" "${TORCH:=torch==2.13.0}"
: "${TORCH_CPU_INDEX:=https://download.pytorch.org/whl/cpu}"

"$PYTHON" -c 'import sys
if sys.version_info < (3, 11):
    sys.exit(f"Python {sys.version.split()[0]} found, 3.11 or newer needed: make PYTHON=python3.12")'
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

if ! "$VENV/bin/python" -c "import torch" 2>/dev/null; then
    if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; then
        echo "NVIDIA GPU seen: installing $TORCH with CUDA"
        pip install -q "$TORCH"
    else
        echo "no NVIDIA GPU seen: installing $TORCH for the CPU"
        pip install -q --no-deps "$TORCH" --index-url "$TORCH_CPU_INDEX"
    fi
fi
echo "installing r1-distill and what it needs"
pip install -q -c requirements/constraints.txt -e ".[dev]"
