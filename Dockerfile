# GPU image for the vLLM extra. Nothing in this repository's checks builds it: not measured.
# Build:  docker build -t r1-distill .
# Run:    docker run --gpus all -v "$PWD/runs:/app/runs" r1-distill distill run recipes/mini.yaml
FROM nvidia/cuda:13.0.1-runtime-ubuntu24.04
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv python3-dev gcc libnuma1 bubblewrap \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY pyproject.toml README.md LICENSE ./
COPY distill distill
RUN pip install --no-cache-dir torch==2.13.0 && pip install --no-cache-dir ".[vllm]"
COPY recipes recipes
COPY data data
CMD ["distill", "--help"]
