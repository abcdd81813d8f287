#!/usr/bin/env bash
# Simulates power cuts on real file systems, CUTS on each (default: 100), and ends with
# a table that counts them; called by the Makefile. Mounting needs root.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
report=.setup/power-cuts.jsonl
mkdir -p .setup
rm -f "$report"

MODELCHECKPOINT_DISK_CUTS=${CUTS:-100} MODELCHECKPOINT_DISK_REPORT=$PWD/$report \
  .venv/bin/python -m pytest tests/python/test_power_cut_disk.py "$@"
status=$?
# A run that skips everything has not passed.
[[ -s $report ]] || exit 1
.venv/bin/python tests/python/power_cut_table.py "$report" | tee .setup/power-cuts.md
exit "$status"
