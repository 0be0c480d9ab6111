# `make run` starts everything on this machine; `make test` checks everything that CI checks. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
ARGS ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## the local cloud, on http://127.0.0.1:8787 (ARGS="--port 9000 --data DIR"; ARGS=--help)
	@. infra/ci/require.sh; require_cargo; require_cc; stop_if_missing
	@exec cargo run --locked -- $(ARGS)

.PHONY: demo
demo: ## the main job told step by step (ARGS=--json for machines)
	@. infra/ci/require.sh; require_cargo; require_cc; stop_if_missing
	@exec cargo run --locked -- demo $(ARGS)

.PHONY: watch
watch: ## the functions under cargo lambda watch, on http://127.0.0.1:9000: edit one, and the next request runs it
	@infra/ci/test.sh tools
	@exec infra/ci/watch.sh

.PHONY: watch-test
watch-test: ## tries make watch: edits a string in a function, sees it, and puts it back
	@infra/ci/test.sh tools
	@infra/ci/watch-test.sh

.PHONY: test
test: ## every check, as CI runs it; prints the minutes of each stage
	@infra/ci/test.sh

.PHONY: fuzz
fuzz: ## every property with new chance and 20,000 cases each, which `make test` draws from a fixed seed (CASES=100000)
	@infra/ci/test.sh tools fuzz

.PHONY: lint
lint: ## formatting, clippy and the links of the code's documentation
	@infra/ci/test.sh fmt clippy docs

.PHONY: deny
deny: ## what may be linked: duplicate versions, bans, licences, sources
	@infra/ci/test.sh tools deny

.PHONY: template
template: ## infra/template.yaml against the published resource schemas
	@infra/ci/test.sh tools template

.PHONY: unit
unit: ## the tests alone, without lints
	@infra/ci/test.sh tools doctest nextest

.PHONY: fmt
fmt: ## formats the code
	@cargo fmt --all

.PHONY: docs
docs: ## the code's documentation, as pages under target/doc
	@cargo doc --workspace --no-deps --locked --document-private-items

.PHONY: update
update: ## rewrites what is generated from code: marked blocks of the README, docs/rules-coverage.md, infra/openapi.json
	@cargo run --quiet --locked -p contract --bin generate

.PHONY: money
money: ## a million random invoices in four ledgers, to the cent (optimised build; ARGS="--count N --seed S --json")
	@cargo run --quiet --release --locked -p money -- $(ARGS)

HISTORIES ?= 500
UNTIL ?= 100000
SEED ?= 1
SHARD ?= 1/1

.PHONY: chaos
chaos: ## 500 more random histories towards 100,000, from where the last call stopped (SHARD=2/8 HISTORIES=500 SEED=1)
	@mkdir -p target
	@cargo run --quiet --release --locked -p chaos -- random --histories $(HISTORIES) --until $(UNTIL) --seed $(SEED) \
		--shard $(SHARD) --state target/chaos-$(SEED)-$(subst /,-of-,$(SHARD)).json --json $(ARGS)

.PHONY: plants
plants: ## five bugs planted on the wire, one after the other: each has to be caught within 2,000 random histories
	@cargo run --quiet --release --locked -p chaos -- random --plant all --histories 2000 --seed $(SEED) --json $(ARGS)

.PHONY: schemathesis
schemathesis: ## infra/openapi.json against the running functions, in both directions; prints the number of cases
	@infra/ci/test.sh tools schemathesis

.PHONY: deploy-test
deploy-test: ## deploys onto an emulator of AWS with the SAM CLI, and walks the main journey there
	@infra/ci/test.sh tools deployment

.PHONY: screenshots
screenshots: ## pictures of every page, light and dark, wide and narrow, in target/screenshots; two of them go to docs/images
	@infra/ci/test.sh tools
	@rm -rf target/screenshots
	@.venv/bin/cargo-nextest nextest run --workspace --locked -E 'binary(browser) & (test(every_page) | test(records))'
	@cp target/screenshots/integrations-1280-light.png docs/images/integrations.png
	@cp target/screenshots/import-1280-light.png docs/images/import.png

.PHONY: sizes
sizes: ## the size of each function as it is deployed (optimised build); at most 7 MB each
	@infra/ci/sizes.sh

.PHONY: bench
bench: ## benchmarks (optimised build; its own compile)
	@cargo bench --locked -p coportal-core --bench classify
	@cargo bench --locked -p bench

.PHONY: lock-tools
lock-tools: ## rewrites infra/ci/requirements.txt from its .in file, with digests (emulator.txt says how it is made)
	@infra/ci/test.sh tools
	@.venv/bin/python -m pip install --quiet pip-tools==7.6.2
	@.venv/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--strip-extras --no-header --no-annotate -o infra/ci/requirements.txt infra/ci/requirements.in
