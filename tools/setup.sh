#!/usr/bin/env bash
# Makes this folder ready to run; called by the Makefile, which sets R_LIBS.
#
#   tools/setup.sh [python] [r] [test] [check] [docs]
#
# python: a virtual environment in .venv with the project, TensorFlow and the tools
# r:      R, the packages named in DESCRIPTION, and the R package itself in .Rlib
# test:   strace, with which a test kills processes, and the file systems for the
#         power-cut tests; without root or sudo these tests are skipped
# check:  what `R CMD check` needs in addition
# docs:   what `make docs` needs: roxygen, pkgdown, pdoc, a browser with fonts
#
# Whatever is already installed is used, and nothing is done twice: .setup/ records what
# each part was made from. All output of apt, pip and R goes to .setup/setup.log.
# PYTHON=/path/to/python3 chooses the Python for .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

who=setup log=.setup/setup.log
. tools/steps.sh
wanted=" $* "
# Only suggested: tests that need one of these are skipped if it is missing.
optional=" keras keras3 tensorflow "

main() {
  mkdir -p .setup .Rlib
  # Two `make` running at once would install into the same folders.
  if has flock; then exec 9>.setup/lock && flock 9; fi
  if all_ready; then
    if wants r; then r_package; fi
    return
  fi
  : >"$log"
  system_packages
  if wants r; then r_packages; fi
  if ! ready python || { wants docs && ! ready docs; }; then virtual_environment; fi
  if wants r; then r_package; fi
  for part in $wanted; do state "$part" >".setup/ready-$part"; done
}

wants() { [[ $wanted == *" $1 "* ]]; }
has() { command -v "$1" >/dev/null 2>&1; }

# ---- what each part was made from ---------------------------------------------

all_ready() {
  local part
  for part in $wanted; do ready "$part" || return 1; done
}

ready() {
  [[ -x .venv/bin/python && "$(state "$1" 2>&1)" == "$(cat ".setup/ready-$1" 2>&1)" ]]
}

state() {
  cat tools/setup.sh tools/steps.sh | cksum
  if [[ $1 == python || $1 == docs ]]; then
    echo "$PWD ${PYTHON:-}"
    cat pyproject.toml .setup/constraints.txt | cksum
    .venv/bin/python -V
  fi
  if [[ $1 != python ]]; then
    cksum <DESCRIPTION
    R --version | head -n 1
  fi
}

# ---- system packages ---------------------------------------------------------

system_packages() {
  if has apt-get; then debian_packages; fi
  if wants r && ! has Rscript; then
    stop "R is missing. Install it (https://www.r-project.org), so that" \
      "\`Rscript\` is on the PATH, and run this again."
  fi
}

debian_packages() {
  local packages=()
  if [[ -z ${PYTHON:-} ]]; then packages+=($(debian_python)); fi
  if wants r; then packages+=($(debian_r)); fi
  if wants test && { [[ $(id -u) == 0 ]] || has sudo; }; then
    packages+=($(absent strace))
  fi
  if wants test && [[ $(id -u) == 0 ]]; then
    packages+=($(absent fuse3 e2fsprogs xfsprogs btrfs-progs))
  fi
  if wants check; then packages+=($(absent pandoc qpdf tidy)); fi
  if wants docs; then
    packages+=($(absent pandoc chromium fonts-liberation fonts-dejavu-core))
  fi
  if ((${#packages[@]})); then apt_install "${packages[@]}"; fi
}

debian_python() {
  local python=/usr/bin/python3
  if ! has "$python"; then
    echo python3 python3-venv
    if wants r; then echo libpython3-dev; fi
    return
  fi
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  # The interpreter is linked statically; reticulate loads the shared library.
  if wants r; then
    absent "libpython$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  fi
}

debian_r() {
  if ! has Rscript; then
    echo r-base-core
  elif [[ $(R RHOME) != /usr/lib/R ]]; then
    return # this R does not look where Debian installs R packages
  fi
  for name in $(missing_r_packages); do
    echo "r-cran-$name" | tr '[:upper:]' '[:lower:]'
  done
}

absent() {
  local name
  for name in "$@"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' ||
      echo "$name"
  done
}

apt_install() {
  local name known=()
  if [[ $(id -u) != 0 ]]; then
    has sudo || stop "these Debian packages are missing, and only root may install" \
      "them: $*. Install them, or sudo, and run this again."
    if [[ -t 0 ]]; then sudo -v; fi # asks for the password before the dots
  fi
  step "Debian's list of packages" as_root apt-get -q update
  for name in "$@"; do # not every R package is a Debian package
    if apt-cache show "$name" >/dev/null 2>&1; then known+=("$name"); fi
  done
  if ((${#known[@]})); then
    step "Debian packages: ${known[*]}" as_root apt-get -y -q \
      -o DPkg::Lock::Timeout=300 install --no-install-recommends "${known[@]}"
  fi
}

as_root() {
  local command=(env DEBIAN_FRONTEND=noninteractive "$@")
  if [[ $(id -u) != 0 ]]; then command=(sudo -n "${command[@]}"); fi
  "${command[@]}"
}

# ---- R -----------------------------------------------------------------------

wanted_r_packages() {
  local name
  if wants docs; then echo pkgdown roxygen2; fi
  echo jsonlite # examples/demo.R
  # The names in Imports and Suggests, without versions.
  awk '/^[^ \t]/ { on = /^(Imports|Suggests):/; sub(/^[^:]*:/, "") } on' DESCRIPTION |
    sed 's/([^)]*)//g' | tr ',' '\n' | tr -d ' \t' |
    while read -r name; do
      if [[ -n $name && $optional != *" $name "* ]]; then echo "$name"; fi
    done
}

missing_r_packages() {
  local names
  names=$(wanted_r_packages | sort -u)
  if has Rscript; then
    Rscript --no-init-file -e \
      'cat(setdiff(commandArgs(TRUE), rownames(installed.packages())))' $names
  else
    echo "$names"
  fi
}

r_packages() {
  local missing
  missing=$(missing_r_packages)
  if [[ -n $missing ]]; then
    step "R packages into .Rlib: $missing" Rscript --no-init-file -e '
      names <- commandArgs(TRUE)
      if (identical(getOption("repos")[["CRAN"]], "@CRAN@")) {
        utils::chooseCRANmirror(graphics = FALSE, ind = 1L)
      }
      install.packages(names, lib = ".Rlib")
      absent <- setdiff(names, rownames(installed.packages()))
      if (length(absent)) stop("not installed: ", toString(absent))
    ' $missing
  fi
  # Before 1.39, reticulate cannot use NumPy 2.
  Rscript --no-init-file -e '
    if (packageVersion("reticulate") < "1.39") cat("numpy<2\n")
  ' >.setup/constraints.txt
}

r_package() {
  local made_from
  # python/ too: the R package bundles the Python package.
  made_from=$(find DESCRIPTION NAMESPACE .Rinstignore R man inst python -type f \
    ! -name '*.pyc' -exec cksum {} + 2>/dev/null | sort)
  made_from+=$(R --version | head -n 1)
  if [[ -d .Rlib/modelcheckpoint && $made_from == "$(cat .setup/r-package 2>&1)" ]]; then
    return
  fi
  step "the R package modelcheckpoint into .Rlib" \
    R CMD INSTALL --no-multiarch --library=.Rlib .
  echo "$made_from" >.setup/r-package
}

# ---- Python ------------------------------------------------------------------

virtual_environment() {
  local python extras=tensorflow,test,dev
  if wants docs; then extras+=,docs; fi
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    step ".venv from $python, $("$python" -V 2>&1)" "$python" -m venv .venv
  fi
  suits .venv/bin/python || stop "the Python in .venv is older than 3.9" \
    "or has no shared library for R: remove the folder .venv and run this again."
  touch .setup/constraints.txt
  step "TensorFlow, Keras and the tools into .venv (minutes the first time)" \
    .venv/bin/python -m pip install --disable-pip-version-check --no-input \
    --constraint .setup/constraints.txt --editable ".[$extras]"
}

find_python() {
  local name candidates=(python3 python3.13 python3.12 python3.11 python3.10 python)
  if has apt-get; then candidates=(/usr/bin/python3 "${candidates[@]}"); fi
  if [[ -n ${PYTHON:-} ]]; then candidates=("$PYTHON"); fi
  for name in "${candidates[@]}"; do
    if has "$name" && suits "$name"; then
      command -v "$name"
      return
    fi
  done
  stop "no suitable Python among: ${candidates[*]}. It must be 3.9 or newer, and" \
    "for R built with a shared library (--enable-shared); PYTHON=/path/to/python3" \
    "chooses one."
}

suits() {
  "$1" - "$wanted" <<'PYTHON' 2>/dev/null
import sys, sysconfig
shared = any(map(sysconfig.get_config_var, ("Py_ENABLE_SHARED", "PYTHONFRAMEWORK")))
sys.exit(sys.version_info < (3, 9) or (" r " in sys.argv[1] and not shared))
PYTHON
}

main
