#!/usr/bin/env bash
# Runs pytest and testthat side by side, and ends with a summary line of each.
# Both run to their end, whatever the other one finds.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
failed=0

# Some hundred processes load the package, and each would compile it again. pytest
# keeps its rewritten tests in the same way.
unset PYTHONDONTWRITEBYTECODE

rm -f .setup/pytest.xml .setup/testthat.txt
NOT_CRAN=true Rscript tools/testthat.R .setup/testthat.txt >.setup/testthat.log 2>&1 &
testthat=$!
# Three processes on two cores: each waits a fifth of its time, mostly for the disk. In the
# order of tests/python/conftest.py, not of the number of tests in a file.
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
