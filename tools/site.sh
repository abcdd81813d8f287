#!/usr/bin/env bash
# The site of all documents, in site/. It asks no server for anything, neither when it
# is built nor when it is read. Every example in the vignettes runs: one that fails, or
# that cannot run here, fails the build.
set -euo pipefail
cd "$(dirname "$0")/.."

export MODELCHECKPOINT_DOCUMENTS=all
rm -rf site
Rscript tools/site.R
echo "-- Building Python reference"
.venv/bin/python tools/python_reference.py site/python
.venv/bin/python tools/search_index.py site
.venv/bin/python tools/check_site.py site
echo "-- Looking at each page in a browser, wide and as on a phone: site/screenshots/"
MODELCHECKPOINT_SITE=site .venv/bin/python -m pytest -q tests/site
