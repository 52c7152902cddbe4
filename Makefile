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

bench-peers: setup ## install what the data path is measured against (root, for Debian's packages)
	apt-get install -y -q --no-install-recommends nginx-light haproxy wrk
	for peer in sglang-router==0.3.2 vllm-router==0.1.17 "litellm[proxy]"; do \
		$(UV) venv -q --clear --python 3.11 .bench/$${peer%%[=[]*} && \
		$(UV) pip install -q --python .bench/$${peer%%[=[]*}/bin/python "$$peer"; done

compiled: setup ## compile the hot path into .compiled, as the images have it; run with PYTHONPATH=.compiled (needs a C compiler)
	rm -rf .compiled && mkdir .compiled
	cp -r packages/logits-core/src/logits_core packages/logits-shell/src/logits_shell .compiled
	cp -r apps/api-server/src/logits_api_server apps/ingress-proxy/src/logits_ingress_proxy .compiled
	$(RUN) python apps/compile.py .compiled

bench-data-path: compiled ## measure the proxies side by side and write docs/performance.md
	$(RUN) python bench/data_path/run.py --write

bench-endurance: compiled ## long runs, large bodies, many streams and leaving clients, into docs/performance.md
	$(RUN) python bench/data_path/endurance.py --write $(ARGS)

bench-routing: setup ## simulate every router on every workload; writes docs/routing.md (under 20 minutes on two cores)
	cd bench && $(abspath .venv)/bin/python -m routing.run $(ARGS)

bench-gateway: setup ## measure the Gateway before a real API server, beside kubectl proxy; ARGS="--write" keeps the table
	$(RUN) python tests/cluster/with_real_cluster.py python bench/gateway/run.py $(ARGS)

bench-routing-engines: setup ## the same order of routers on four real llama.cpp engines; writes its table into docs/routing.md
	cd bench && $(abspath .venv)/bin/python -m routing.engines

images: setup ## build every app's image into OUTPUT (needs buildah)
	$(RUN) python apps/build_images.py $(or $(OUTPUT),dist/images)

vllm: setup ## the vLLM engine in an environment of its own, .vllm (DEVICE=cpu or cuda; large)
	$(RUN) python apps/llm-server/engines/vllm/install.py .vllm --device $(or $(DEVICE),cpu)

test-vllm: setup ## the wire suite on a real vLLM, on this machine's CPU; installs it into .vllm if need be
	@test -x $${VLLM_ENVIRONMENT:-.vllm}/bin/vllm || $(MAKE) vllm
	WIRE_ENGINE=vllm $(RUN) pytest -n0 --timeout 900 tests/wire $(ARGS)

test-kubernetes: setup ## the whole chain on a real Kubernetes cluster
	$(RUN) python tests/cluster/with_real_cluster.py pytest -n0 -m kubernetes $(ARGS)

.PHONY: help setup up down test check lint fmt docs compiled bench bench-peers bench-data-path bench-endurance bench-gateway bench-routing bench-routing-engines images vllm test-vllm test-kubernetes
