#!/usr/bin/env bash
# Runs the tests that save to object stores, against real servers on this machine;
# called by the Makefile. rclone comes with .venv. The others are installed into
# .venvs/servers; if one cannot be installed, its tests are reported as skipped.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
folder=.venvs/servers log=.setup/servers.log summary=.setup/summary-remote.txt
mkdir -p .setup .venvs

attempt() { # attempt "what is done" command...
  local what=$1 start=$SECONDS
  shift
  printf '%s ... ' "$what"
  if "$@" >>"$log" 2>&1 </dev/null; then
    echo "done ($((SECONDS - start)) s)"
  else
    echo "FAILED, so its tests are skipped ($log says why)"
    return 1
  fi
}

moto() {
  .venv/bin/python -m venv "$folder" &&
    "$folder/bin/python" -m pip install --disable-pip-version-check --no-input \
      "moto[server]>=5"
}

azurite() {
  command -v npm && npm install --no-audit --no-fund --prefix "$folder" "azurite@^3"
}

faketime() {
  "$folder/bin/python" -m pip install --disable-pip-version-check --no-input \
    "libfaketime>=3"
}

install() ( # in a subshell, which releases the lock when it ends
  if command -v flock >/dev/null; then exec 9>.venvs/lock && flock 9; fi
  if [[ ! -x $folder/bin/moto_server ]]; then attempt "moto (S3)" moto; fi
  if ! compgen -G "$folder/lib/*/site-packages/libfaketime" >/dev/null; then
    attempt "libfaketime (a wrong clock)" faketime
  fi
  if [[ ! -x $folder/node_modules/.bin/azurite-blob ]]; then
    attempt "azurite (Azure)" azurite
  fi
)

install
# The slow files come first, as ordered in tests/python/conftest.py.
.venv/bin/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder \
  -m remote "$@" |
  tee .setup/remote.txt
status=${PIPESTATUS[0]}
last=$(grep -E '^=+ .* in [0-9.]+s' .setup/remote.txt | tail -n 1 | tr -d '=')
echo "pytest, object stores:${last:- did not finish}" | tee "$summary"
# A run that skips everything has not passed.
[[ $last =~ [1-9][0-9]*\ passed ]] || exit 1
exit "$status"
