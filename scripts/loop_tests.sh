#!/bin/bash
# Run chosen tests again and again, to find out whether they can fail: scripts/loop_tests.sh RUNS PYTEST-ARGUMENT...
# Every run has another hash seed. The first failure ends the loop; its output and how to repeat it are shown.
#   scripts/loop_tests.sh 50 tests/node/test_logs.py -k blocked
set -euo pipefail

if [[ $# -lt 2 || ! $1 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: $0 RUNS PYTEST-ARGUMENT..." >&2
    exit 2
fi
runs=$1
shift
cd "$(dirname "$0")/.."
output=$(mktemp)
trap 'rm -f "$output"' EXIT

for ((run = 1; run <= runs; run++)); do
    if ! PYTHONHASHSEED=$run .venv/bin/python -m pytest -q "$@" >"$output" 2>&1; then
        cat "$output"
        echo "run $run of $runs failed; its hash seed: PYTHONHASHSEED=$run" >&2
        exit 1
    fi
    echo "run $run of $runs: $(tail -n 1 "$output")"
done
