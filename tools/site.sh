#!/usr/bin/env bash
# Builds the website of all documents in site/. Neither building nor reading it contacts
# any server. Every example in the vignettes runs; one that fails, or that cannot run
# here, fails the build.
set -euo pipefail
cd "$(dirname "$0")/.."

export MODELCHECKPOINT_DOCUMENTS=all
rm -rf site
Rscript tools/site.R
echo "-- Building Python reference"
.venv/bin/python tools/python_reference.py site/python
.venv/bin/python tools/search_index.py site
.venv/bin/python tools/check_site.py site
echo "-- Checking each page in a browser, wide and on a phone: site/screenshots/"
MODELCHECKPOINT_SITE=site .venv/bin/python -m pytest -q tests/site
