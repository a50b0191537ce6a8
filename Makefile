# Everything that a developer or a build machine runs. `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
# More words for `watch`, for example ARGS='--port 9000'.
ARGS ?=
# Which measurements, a regular expression on their names, for example BENCH='tree/read|rivals'.
BENCH ?=
# `make soak` raises the number of generated cases, of simulated seeds, and the size of the trees.
SOAK_CASES ?= 200
SOAK_SEEDS ?= 10000
SOAK_ENTRIES ?= 10000000
# For each fuzz target.
SOAK_FUZZ_SECONDS ?= 3600

.PHONY: help setup run test peers bindings wheel install check fmt lint doc deny cargo-deny advisories tidy bench bytes soak clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  %-11s %s\n", $$1, $$2 }'

setup: ## Install what the build needs and this machine lacks
	@scripts/setup

run: setup ## Serve a live picture of DIR: make run DIR=/some/tree [ARGS='...']
	@if [[ -z "$(DIR)" ]]; then echo "make run: say what to watch: make run DIR=/some/tree" >&2; exit 2; fi
	@if [[ ! -d "$(DIR)" ]]; then echo "make run: not a directory: $(DIR)" >&2; exit 2; fi
	$(CARGO) run --release --locked --package fustor-fusion -- watch "$(DIR)" $(ARGS)

# Tests that lack something of the machine append to the file FUSTOR_MISSING.
test: setup peers ## Run all tests
	@missing=$${FUSTOR_MISSING:-$$(mktemp)}; \
	FUSTOR_MISSING=$$missing $(CARGO) test --workspace --locked; \
	scripts/missing --tell "$$missing"
	@$(MAKE) --no-print-directory bindings

peers: setup ## Make the Python programs of Fustor 0.8 that the tests talk to
	@scripts/python-peers >/dev/null

bindings: setup ## Test the C and the Python library as their users get them
	@scripts/test-c
	@scripts/test-python

wheel: setup ## Build a wheel of the Python package for release, into target/wheels
	@scripts/wheel

install: setup ## Install the C library: [PREFIX=/usr/local] [DESTDIR=...]
	@scripts/install-c

check: setup fmt lint doc tidy deny ## Check format, lints, documentation, dependencies and house rules

fmt:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked

tidy:
	$(CARGO) test --locked --package fustor-core --test core tidy

deny: cargo-deny
	$(CARGO) deny --locked --workspace check --hide-inclusion-graph licenses bans sources

cargo-deny:
	@if ! $(CARGO) deny --version 2>/dev/null | grep -qF ' $(CARGO_DENY_VERSION)'; then \
	  echo "installing cargo-deny $(CARGO_DENY_VERSION): once, for some minutes"; \
	  $(CARGO) install --quiet --locked cargo-deny --version $(CARGO_DENY_VERSION); \
	fi

# Fetches the advisory database from GitHub, which a closed build machine cannot; so it is no part of `check`.
advisories: cargo-deny ## Check the dependencies against the RustSec advisories (needs GitHub)
	$(CARGO) deny --locked --workspace check advisories

bench: setup ## Measure with criterion: [BENCH='tree/read|rivals'] [FUSTOR_BENCH_ENTRIES=n]
	$(CARGO) bench --locked --package fustor-benches --bench fustor -- '$(BENCH)'

bytes: setup ## Print resident bytes per file as JSON lines: [FUSTOR_BENCH_ENTRIES=n]
	@$(CARGO) run --quiet --release --locked --package fustor-benches --bin bytes

soak: setup peers ## Run the tests with many more generated cases and seeds, fuzz, then measure ten million entries
	FUSTOR_CASES=$(SOAK_CASES) FUSTOR_SIM_SEEDS=$(SOAK_SEEDS) FUSTOR_MANY=1000000 $(CARGO) test --workspace --locked --release
	FUZZ_SECONDS=$(SOAK_FUZZ_SECONDS) scripts/fuzz
	FUSTOR_BENCH_ENTRIES=$(SOAK_ENTRIES) $(MAKE) bench
	FUSTOR_BENCH_ENTRIES=$(SOAK_ENTRIES) $(MAKE) bytes

clean: ## Remove what was built
	$(CARGO) clean
