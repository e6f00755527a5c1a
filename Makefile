# What can be done in this repository: `make help`.

# What is built lies outside the clone and stays warm between clones.
CARGO_TARGET_DIR ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/lethe/target
export CARGO_TARGET_DIR
CARGO ?= cargo
# Cargo unites the features of the packages that it is asked for: always asked for all of them, it builds a
# dependency once for demo, tests and generators alike. What is built is chosen by target instead.
BUILD = $(CARGO) build --workspace
BUILT = $(CARGO_TARGET_DIR)/debug

.DEFAULT_GOAL := help
.PHONY: help demo check test generate bench soak clean lint unit need-cargo need-cc need-lints need-python

help: ## Say what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: need-cargo need-cc ## Protect 100,000 made-up profiles on this machine and show what came of it
	@$(BUILD) --bin lethe-worker
	@./scripts/demo.sh "$(BUILT)/lethe-worker"

check: lint unit ## Formatting, lints, unit tests (generated files are fresh): seconds when warm

test: need-python lint ## All of `check`, and every promise kept by real runs
	$(CARGO) test --workspace

generate: need-cargo need-cc ## Write the CRDs and the reference in docs/pipeline.md from the types
	$(BUILD) --bin crdgen --bin docgen
	"$(BUILT)/crdgen"
	"$(BUILT)/docgen"

bench: need-cargo need-cc ## Measure; method and figures: docs/benchmarks.md
	$(CARGO) bench --workspace --bench '*'

soak: need-cargo need-cc ## The long faults: 500,000 events, 50 kills; what they print goes into docs/ledger.md
	LETHE_SOAK=1 $(CARGO) test --workspace --test promises -- --nocapture crash

clean: ## Remove what was built and what the demo made
	$(CARGO) clean
	rm -rf demo-out

lint: need-lints need-cc
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

unit: need-cargo need-cc
	$(CARGO) test --workspace --lib --bins

need-cargo:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing; install Rust 1.89 or later: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"; exit 1; }

need-lints: need-cargo
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing; install it: rustup component add rustfmt"; exit 1; }
	@$(CARGO) clippy --version >/dev/null 2>&1 || { echo "clippy is missing; install it: rustup component add clippy"; exit 1; }

need-cc:
	@command -v "$${CC:-cc}" >/dev/null || { echo "a C compiler is missing (for SQLite and zstd); install one: apt-get install gcc libc6-dev, or xcode-select --install"; exit 1; }

# Tests on data that this project did not make fetch it with pip, into an environment of its own.
need-python:
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || { echo "python3 (3.9 or later) with venv is missing (for tests on real data); install it: apt-get install python3 python3-venv"; exit 1; }
