# Logits: every command a developer or a newcomer needs. `make` lists them.
SHELL := /bin/bash
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --no-sync
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

.uv/bin/uv:
	python3.11 -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==0.13.9"

setup: $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv) ## install everything the workspace needs
	$(UV) sync --frozen --all-packages --quiet

up: setup ## start all of Logits on this machine; ARGS="--port 9000" passes flags on
	$(RUN) logits up $(ARGS)

down: setup ## stop what `make up` started; data stays
	$(RUN) logits down $(ARGS)

test: setup ## run the tests; the platform's own (embedded cluster, browser) after the rest, one by one
ifdef ARGS
	$(RUN) pytest $(ARGS)
else
	$(RUN) pytest -m "not cluster and not browser and not kubernetes"
	$(RUN) pytest -n0 -m "(cluster or browser) and not kubernetes"
endif

check: setup lint test ## everything that must hold before a change lands

lint: setup ## format, lint, types and layers
	$(UV) lock --check --quiet
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) pyright
	$(RUN) lint-imports

fmt: setup ## format and mend what can be mended by itself
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

docs: setup ## regenerate the reference pages and the rendered charts
	$(RUN) python docs/generate.py
	@if command -v helm >/dev/null; then helm/render; else echo "helm isn't installed: helm/*/static.yaml stay as they are"; fi

bench: setup ## measure, and print the figures with their bounds
	$(RUN) python bench/run.py

images: setup ## build every app's image into OUTPUT (needs buildah)
	$(RUN) python apps/build_images.py $(or $(OUTPUT),dist/images)

vllm: setup ## the vLLM engine in an environment of its own, .vllm (DEVICE=cpu or cuda; large)
	$(RUN) python apps/llm-server/engines/vllm/install.py .vllm --device $(or $(DEVICE),cpu)

test-kubernetes: setup ## the whole chain on a real Kubernetes cluster
	$(RUN) python tests/cluster/with_real_cluster.py pytest -n0 -m kubernetes $(ARGS)

.PHONY: help setup up down test check lint fmt docs bench images vllm test-kubernetes
