# `make help` lists the targets.

# Build output is outside of the clone, so that several clones share it.
CARGO_TARGET_DIR ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/lethe/target
export CARGO_TARGET_DIR
CARGO ?= cargo
# Cargo unites the features of the packages and targets that it builds. If it always builds all of
# them, tests share one build of each dependency. Only the demo and the generators build less: they
# use no server, so they need no driver and none of the tools that drivers are built with.

.DEFAULT_GOAL := help
.PHONY: help demo check test generate bench soak engines-up engines-down clean lint unit \
	cluster-up cluster-down kind-up kind-down need-kind need-node need-cargo need-cc need-cmake need-drivers need-lints need-python need-engines need-go

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: need-cargo need-cc ## Protect 100,000 generated profiles on this machine and show the results
	@$(CARGO) build --profile demo -p lethe-worker -p lethe-generate --no-default-features --bin lethe-worker --bin lethe-generate
	@./scripts/demo.sh "$(CARGO_TARGET_DIR)/demo/lethe-worker" "$(CARGO_TARGET_DIR)/demo/lethe-generate"

check: lint unit ## Formatting, lints, unit tests, freshness of generated files: seconds when warm

test: need-python need-engines need-go need-node lint ## All of `check`, and tests that run the real programs on real servers
	@./tests/engines/kubernetes/build >/dev/null
	@if $(NODE); then ./tests/engines/kubernetes/build node >/dev/null; fi
	@# Lists the sources of each program, by which tests know that none is older than its sources.
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace

generate: need-cargo need-cc ## Write the CRDs and the references in docs/ from the types
	$(CARGO) run -p xtask -- all

bench: need-cargo need-drivers need-engines need-python need-cmake ## Run all benchmarks; method and figures: docs/benchmarks.md
	@./tests/engines/down
	@./tests/engines/mongo/build-rust >/dev/null
	@# Benchmarks need no default features, and so no operator.
	$(CARGO) build --release --workspace --no-default-features --bin lethe-worker --benches
	$(CARGO) bench --workspace --no-default-features --bench '*'
	@echo; echo "The same latencies with the servers' files in memory instead of on disk:"
	TMPDIR=/dev/shm $(CARGO) bench --workspace --no-default-features --bench streaming -- latency

soak: need-cargo need-drivers need-engines need-python need-cmake need-go ## Run the long fault tests for an hour or two; record their output in docs/ledger.md
	@# Uses the faster MongoDB-wire server, so that the worker is the bottleneck.
	@./tests/engines/mongo/build-rust >/dev/null
	$(CARGO) build --workspace --all-targets
	trap ./tests/engines/mongo/down EXIT; ./tests/engines/mongo/down; \
	MONGO_SERVER=rust LETHE_SOAK=1 $(CARGO) test --workspace --no-fail-fast --test promises --test streaming --test cluster -- --nocapture --test-threads=1 \
		crash soak:: accounting:: faults::workers_killed scale:: leader::a_leader_that_fails

engines-up: need-engines need-python ## Start Kafka, Cassandra and a MongoDB-wire server for tests: tests/engines/README.md
	@./tests/engines/up

engines-down: ## Stop them and all servers that tests left running; their data stay
	@./tests/engines/down --everywhere

cluster-up: need-go need-engines need-node ## Start Kubernetes for tests: a control plane, and as root a node that runs pods
	@./tests/engines/kubernetes/up
	@if $(NODE); then ./tests/engines/kubernetes/node up; else echo "no node: only root can create its network and cgroups" >&2; fi

cluster-down: ## Stop Kubernetes; its data stay
	@if [ "$$(id -u)" = 0 ]; then ./tests/engines/kubernetes/node down; fi
	@./tests/engines/kubernetes/down

kind-up: need-kind ## Create a cluster of containers with kind, and install Lethe in it
	@./scripts/kind-up.sh

kind-down: need-kind ## Delete that cluster
	kind delete cluster --name lethe

clean: ## Remove build output and the output of the demo
	$(CARGO) clean
	rm -rf demo-out

lint: need-lints need-drivers
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

unit: need-cargo need-drivers
	$(CARGO) test --workspace --lib --bins

need-cargo:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing; install Rust 1.89 or later: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"; exit 1; }

need-lints: need-cargo
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing; install it: rustup component add rustfmt"; exit 1; }
	@$(CARGO) clippy --version >/dev/null 2>&1 || { echo "clippy is missing; install it: rustup component add clippy"; exit 1; }

need-cc:
	@command -v "$${CC:-cc}" >/dev/null || { echo "a C compiler is missing (for SQLite and zstd); install one: apt-get install gcc libc6-dev, or xcode-select --install"; exit 1; }

# OpenSSL and librdkafka are built from source.
need-drivers: need-cc
	@command -v "$${CXX:-c++}" >/dev/null || { echo "a C++ compiler is missing (for librdkafka); install one: apt-get install g++, or xcode-select --install"; exit 1; }
	@perl -MIPC::Cmd -MFindBin -e 1 2>/dev/null || { echo "perl with its modules is missing (for OpenSSL); install it: apt-get install perl"; exit 1; }

# pip installs third-party test data and the MongoDB-wire server, each into its own environment.
need-python:
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || { echo "python3 (3.9 or later) with venv is missing (for tests on real data and the MongoDB-wire server); install it: apt-get install python3 python3-venv"; exit 1; }

# Tests start real servers, which Maven and pip download: tests/engines/README.md.
need-engines:
	@version=$$("$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'); \
	[ "$${version:-0}" -ge 17 ] && [ "$$version" -le 23 ] || { echo "Java 17 to 23 is missing (for Kafka and Cassandra in tests); install it: apt-get install openjdk-17-jre-headless, or openjdk-21-jre-headless; set JAVA_HOME if another one is the default"; exit 1; }
	@command -v mvn >/dev/null || { echo "Maven is missing (it fetches Kafka and Cassandra for tests); install it: apt-get install maven"; exit 1; }
	@command -v openssl >/dev/null || { echo "openssl is missing (it makes certificates for tests); install it: apt-get install openssl"; exit 1; }
	@command -v flock >/dev/null && command -v setsid >/dev/null || { echo "flock or setsid is missing (tests start servers with them, on Linux); install them: apt-get install util-linux"; exit 1; }
	@command -v curl >/dev/null || { echo "curl is missing (it checks the health of test servers); install it: apt-get install curl"; exit 1; }

# The faster MongoDB-wire server is built from source.
need-cmake:
	@command -v cmake >/dev/null || { echo "cmake is missing (for the faster MongoDB-wire server); install it: apt-get install cmake"; exit 1; }

# Only root can create a node, so only root needs its tools. LETHE_TEST_NODE=none excludes the node.
NODE = [ "$$(id -u)" = 0 ] && [ "$$LETHE_TEST_NODE" != none ]
need-node:
	@if $(NODE); then ./tests/engines/kubernetes/node can; fi

need-kind:
	@command -v kind >/dev/null || { echo "kind is missing; install it: https://kind.sigs.k8s.io/docs/user/quick-start/#installation"; exit 1; }
	@command -v kubectl >/dev/null || { echo "kubectl is missing; install it: https://kubernetes.io/docs/tasks/tools/"; exit 1; }
	@command -v docker >/dev/null || command -v podman >/dev/null || { echo "Docker or Podman is missing; install one: https://docs.docker.com/engine/install/ or apt-get install podman"; exit 1; }

# Kubernetes is built from Go modules. Go's installer uses a folder that is often not in PATH.
need-go:
	@version=$$(PATH="$$PATH:/usr/local/go/bin" go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p'); \
	[ "$${version:-0}" -ge 25 ] || { echo "Go 1.25 or later is missing (Kubernetes is built with it, for tests); install it: https://go.dev/doc/install"; exit 1; }
