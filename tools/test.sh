#!/usr/bin/env bash
# Runs pytest and testthat in parallel, and ends with a summary line for each.
# Both run to the end, even if the other one fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
failed=0

# A hundred or more processes load the package, and each would compile it again. pytest
# caches its rewritten tests in the same way.
unset PYTHONDONTWRITEBYTECODE

rm -f .setup/pytest.xml .setup/testthat.txt
NOT_CRAN=true Rscript tools/testthat.R .setup/testthat.txt >.setup/testthat.log 2>&1 &
testthat=$!
# Three processes on two cores: each waits a fifth of its time, mostly for the disk.
# Files run in the order of tests/python/conftest.py, not by their number of tests.
.venv/bin/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder \
  -m "not remote" "$@" --junitxml=.setup/pytest.xml || failed=1
echo
wait "$testthat" || failed=1
cat .setup/testthat.log

pytest_summary() {
  .venv/bin/python - .setup/pytest.xml <<'PYTHON' 2>/dev/null
import sys
from xml.etree import ElementTree

suite = ElementTree.parse(sys.argv[1]).getroot().find("testsuite")
total, skipped = int(suite.get("tests")), int(suite.get("skipped"))
failed = int(suite.get("failures")) + int(suite.get("errors"))
print(f"pytest: {total - failed - skipped} passed, {failed} failed, {skipped} skipped")
PYTHON
}

{
  pytest_summary || echo "pytest: did not finish"
  cat .setup/testthat.txt 2>/dev/null || echo "testthat: did not finish"
} >.setup/summary.txt
echo
cat .setup/summary.txt
exit "$failed"
