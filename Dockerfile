# Two images; nothing in this repository's checks builds them: not measured.
# GPU:    docker build --target gpu -t r1-distill .
#         docker run --gpus all --ipc=host -v "$PWD/runs:/app/runs" r1-distill distill run recipes/mini.yaml
# CPU:    docker build --target cpu -t r1-distill-cpu .
#         docker run -v "$PWD/runs:/app/runs" r1-distill-cpu distill run recipes/mini.yaml

FROM python:3.11-slim-bookworm AS cpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends libnuma1 bubblewrap \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY distill distill
RUN pip install --no-cache-dir --no-deps torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir -c requirements/constraints.txt . \
    && pip install --no-cache-dir --no-deps -r requirements/engines-cpu.txt
COPY recipes recipes
COPY data data
CMD ["distill", "--help"]

FROM nvidia/cuda:13.0.1-runtime-ubuntu24.04 AS gpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        python3 python3-venv python3-dev gcc libnuma1 bubblewrap \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY distill distill
RUN pip install --no-cache-dir torch==2.13.0 \
    && pip install --no-cache-dir -c requirements/constraints.txt ".[vllm,ray]"
COPY recipes recipes
COPY data data
CMD ["distill", "--help"]
