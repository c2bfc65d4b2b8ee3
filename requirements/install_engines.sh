#!/bin/sh
# Adds vLLM and Ray to the virtual environment of install.sh: for CUDA where there is an NVIDIA GPU,
# else vLLM's CPU build on x86-64 Linux. Elsewhere only Ray: the tests of vLLM are skipped there.
set -eu
: "${VENV:=.venv}"
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; then
    echo "NVIDIA GPU seen: installing vLLM with CUDA, and Ray"
    pip install -q -c requirements/constraints.txt -e ".[vllm,ray]"
elif [ "$(uname -sm)" = "Linux x86_64" ]; then
    echo "no NVIDIA GPU seen: installing vLLM's CPU build, and Ray"
    pip install -q --no-deps -r requirements/engines-cpu.txt
    "$VENV/bin/python" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null ||
        echo "vLLM needs libnuma.so.1: apt-get install libnuma1" >&2
else
    echo "no NVIDIA GPU and no x86-64 Linux: installing Ray without vLLM"
    pip install -q -c requirements/constraints.txt -e ".[ray]"
fi
