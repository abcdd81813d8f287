#!/usr/bin/env bash
# Runs pytest, then testthat, and ends with a summary line of each.
# Both run, whatever the first one finds.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
failed=0

rm -f .setup/pytest.xml .setup/testthat.txt
.venv/bin/python -m pytest --junitxml=.setup/pytest.xml || failed=1
echo
NOT_CRAN=true Rscript tools/testthat.R .setup/testthat.txt || failed=1

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
