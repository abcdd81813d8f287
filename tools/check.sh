#!/usr/bin/env bash
# Runs R CMD check on the built package, once with the Python of .venv and once without
# any Python. Any error, warning or note is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/.setup/check

# Skip what CRAN's own machines look up on the network, or what only they have: Debian
# has no package of keras3.
export _R_CHECK_CRAN_INCOMING_REMOTE_=false _R_CHECK_SYSTEM_CLOCK_=0
export _R_CHECK_PACKAGE_DEPENDS_IGNORE_MISSING_ENHANCES_=true

main() {
  rm -rf "$work" && mkdir -p "$work/source" "$work/with" "$work/without"
  # R CMD build copies the whole folder first, .venv and all: give it a clean one.
  source_files | tar --null -cf - -T - | tar -xf - -C "$work/source"
  (cd "$work" && R CMD build source)
  echo "== with Python"
  # R CMD build has just run the vignettes with it.
  check "$work/with" R --no-build-vignettes
  echo "== without Python"
  check "$work/without" without_python
}

source_files() { # all that git does not ignore, uncommitted files too
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard |
      while IFS= read -r -d '' file; do
        if [[ -e $file ]]; then printf '%s\0' "$file"; fi
      done
  else
    find . \( -name '.?*' -type d -o -name '__pycache__' -o -name demo-output \) -prune \
      -o -not -type d -print0
  fi
}

check() { # check folder command [option]
  local folder=$1 command=$2
  shift 2
  "$command" CMD check --as-cran --no-manual "$@" --output="$folder" \
    "$work"/modelcheckpoint_*.tar.gz || true
  grep -qx 'Status: OK' "$folder"/*.Rcheck/00check.log || {
    cat "$folder"/*.Rcheck/tests/*.fail 2>/dev/null || true
    echo "R CMD check is not clean: see $folder" >&2
    exit 1
  }
}

# Runs R where no Python can be found, neither on the PATH nor where reticulate looks.
without_python() {
  if hidden true 2>/dev/null; then
    hidden R "$@"
  else
    echo "(Python cannot be hidden here; reticulate is given a path without one.)"
    RETICULATE_PYTHON=$work/no-python R "$@"
  fi
}

hidden() { # hidden command...: runs it with its own mounts, which contain no python
  unshare --map-root-user --mount bash -euc '
    mount -t tmpfs tmpfs "$0"
    for bin in /usr/bin /usr/local/bin; do
      mkdir -p "$0$bin" "$0/work$bin"
      mount -t overlay -o "lowerdir=$bin,upperdir=$0$bin,workdir=$0/work$bin" \
        overlay "$bin"
      rm -f "$bin"/python*
    done
    mkdir "$0/home"
    exec env -u RETICULATE_PYTHON HOME="$0/home" PATH=/usr/local/bin:/usr/bin:/bin "$@"
  ' "$(mkdir -p "$work/hidden" && echo "$work/hidden")" "$@"
}

main
