#!/usr/bin/env bash
# Creates a cluster of containers with kind, and installs Lethe in it. Lethe's images are built here
# and loaded into the cluster, so none is pulled from a registry.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
engine=docker
command -v docker >/dev/null || engine=podman
[[ $engine = docker ]] || export KIND_EXPERIMENTAL_PROVIDER=podman

kind get clusters 2>/dev/null | grep -qx lethe || kind create cluster --config kind-config.yaml
for program in worker operator; do
    image=ghcr.io/lethe-dev/lethe-$program:$version
    "$engine" build -f Containerfile --target "$program" -t "$image" .
    archive=$(mktemp)
    trap 'rm -f "$archive"' EXIT
    "$engine" save -o "$archive" "$image"
    kind load image-archive --name lethe "$archive"
    rm -f "$archive"
done
kubectl --context kind-lethe apply --server-side -f crds/
kubectl --context kind-lethe apply -f deploy/rbac.yaml -f deploy/workload.yaml
kubectl --context kind-lethe -n lethe-system rollout status deployment/lethe-operator --timeout=120s
echo "Lethe runs. Next: docs/operator.md, and kubectl --context kind-lethe get profilepipelines"
