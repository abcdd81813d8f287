#!/usr/bin/env bash
# Tests the R package on a different release of Debian than this machine runs.
#
#   tools/test-r-debian.sh trixie   Debian 13: R 4.5, reticulate 1.41, Python 3.13
#   tools/test-r-debian.sh sid      the next one: R 4.6, reticulate 1.47, Python 3.14
#
# debootstrap creates that Debian once, in .setup/trixie or .setup/sid (3 GB; delete the
# folder to create it again). It gets this machine's settings of apt and pip: mirror,
# proxy, package index, certificates, local folders. Each run builds the R package
# there, installs the tarball, and runs testthat, the demo and R CMD check.
#
# It needs Debian or a derivative, root, and permission to mount and to create device
# files, which a container may lack. If one of these is missing, it says which and
# fails; with R_CURRENT=optional it says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."

release=${1:-}
case $release in
  trixie) who=test-r-current r=4.5 reticulate=1.41 python=3.13 ;;
  sid) who=test-r-next r=4.6 reticulate=1.47 python=3.14 ;;
  *) echo "usage: $0 trixie|sid" >&2 && exit 2 ;;
esac
home=$PWD/.setup/$release
root=$home/root
log=$home/log
summary=$PWD/.setup/${who#test-}.txt
failed=0
. tools/steps.sh

# What DESCRIPTION imports and suggests, Python, and what R CMD check needs.
packages=(r-base-core r-cran-{cli,jsonlite,knitr,reticulate,rmarkdown,testthat,withr}
  python3-venv "libpython$python" pandoc qpdf tidy)
modules=(tensorflow keras)

main() {
  local reason
  if reason=$(refusal); then
    echo "$who: cannot run here: $reason." >&2
    if [[ ${R_CURRENT:-} == optional ]]; then
      { mkdir -p .setup && echo "not run: $reason" >"$summary"; } 2>/dev/null || true
      exit 0
    fi
    echo "$who: with R_CURRENT=optional this is not a failure." >&2
    exit 1
  fi
  mkdir -p "$home"
  rm -f "$summary"
  exec 9>"$home/lock" && flock 9
  : >"$log"
  # From here on, mounts are visible to these processes only, and vanish when the last
  # of them ends, however that happens: no `rm -r` can ever reach through them.
  exec unshare --mount "$0" "$release" inside
}

refusal() { # prints why this machine cannot run it; returns 1 if it can
  local said
  if [[ $(id -u) != 0 ]]; then
    echo "only root may mount and change the root folder; try sudo"
  elif ! command -v apt-get >/dev/null; then
    echo "it takes the address of a Debian mirror from apt, and there is no apt"
  elif ! said=$(unshare --mount mount -t proc proc /proc 2>&1); then
    echo "mounting is refused (in a container, CAP_SYS_ADMIN allows it): $said"
  elif ! said=$(chroot / true 2>&1); then
    echo "changing the root folder is refused (CAP_SYS_CHROOT allows it): $said"
  elif ! said=$(device_file 2>&1); then
    echo "device files cannot be used in $home (CAP_MKNOD, no 'nodev'): $said"
  else
    return 1
  fi
}

device_file() {
  mkdir -p "$home" && rm -f "$home/null"
  mknod "$home/null" c 1 3 && echo >"$home/null" && rm "$home/null"
}

inside() {
  base
  mounts
  settings
  installed
  fresh_source
  step "the R package, built and installed from the tarball" r_package
  versions
  echo "== testthat"
  debian NOT_CRAN=true Rscript tools/testthat.R /tmp/testthat.txt || failed=1
  echo "== demo"
  debian Rscript examples/demo.R || failed=1
  debian tools/check.sh || failed=1
  cp "$root/tmp/testthat.txt" "$summary" 2>/dev/null ||
    echo "testthat: did not finish" >"$summary"
  echo
  if ((failed)); then echo "$who: something above failed"; fi
  cat "$summary"
  return "$failed"
}

# ---- a Debian, made once --------------------------------------------------------

base() {
  if [[ -d $root ]]; then return; fi
  if ! command -v debootstrap >/dev/null || [[ -z $(mirror) ]]; then
    step "apt's list of packages" apt-get -q update
    step "debootstrap" env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
      install --no-install-recommends debootstrap
  fi
  [[ -n $(mirror) ]] || stop "apt has no Debian mirror configured."
  proxy
  rm -rf "$root.new" # left by a run that was stopped
  step "Debian $release in ${root#"$PWD"/}, by debootstrap" \
    debootstrap --variant=minbase "$release" "$root.new" "$(mirror)"
  mv "$root.new" "$root"
}

mirror() { # apt's mirror of Debian itself, not of its security updates or of others
  # shellcheck disable=SC2016 # apt fills these in
  apt-get indextargets 'Created-By: Packages' \
    --format '$(ORIGIN) $(LABEL) $(RELEASE) $(COMPONENT) $(REPO_URI)' |
    awk '$1 == "Debian" && $2 == "Debian" && $4 == "main" && !n++ { print $5 }'
}

proxy() { # debootstrap does not read apt's settings
  eval "$(apt-config shell http_proxy Acquire::http::Proxy \
    https_proxy Acquire::https::Proxy)"
  if [[ -n ${http_proxy:-} ]]; then export http_proxy; fi
  if [[ -n ${https_proxy:-} ]]; then export https_proxy; fi
}

mounts() {
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mkdir -p "$root/dev/shm"
  mount -t tmpfs tmpfs "$root/dev/shm"
}

installed() {
  if [[ "${packages[*]}" != "$(cat "$home/packages" 2>&1)" ]]; then
    echo "deb $(mirror) $release main" >"$root/etc/apt/sources.list"
    step "its list of packages" debian apt-get -q update
    step "its packages: ${packages[*]}" debian apt-get -y -q \
      install --no-install-recommends "${packages[@]}"
    debian apt-get clean
    certificates # the package ca-certificates has overwritten them
    echo "${packages[*]}" >"$home/packages"
  fi
  if [[ "${modules[*]}" != "$(cat "$home/modules" 2>&1)" ]]; then
    step "a virtual environment" debian python3 -m venv --clear /venv
    step "${modules[*]}, by pip" debian /venv/bin/python -m pip install \
      --no-cache-dir --no-input "${modules[@]}"
    released_keras
    echo "${modules[*]}" >"$home/modules"
  fi
}

# For a new Python there may be only a pre-release of TensorFlow. It brings a nightly
# build of Keras, which pip puts into the same folder, file by file.
released_keras() {
  if debian /venv/bin/python -m pip show -q keras-nightly 2>/dev/null; then
    step "Keras as released" debian sh -c '
      /venv/bin/python -m pip uninstall -y keras-nightly keras &&
        /venv/bin/python -m pip install --no-cache-dir --no-input --no-deps keras'
  fi
}

# ---- the settings of this machine ------------------------------------------------

settings() {
  local file
  mkdir -p "$root/source"
  for file in /etc/resolv.conf /etc/hosts; do
    if [[ -e $file ]]; then cp -L "$file" "$root$file"; fi
  done
  certificates
  apt_settings >"$root/etc/apt/apt.conf.d/99host"
  for file in /etc/pip.conf /etc/xdg/pip/pip.conf; do
    if [[ -f $file ]]; then install -D -m 644 "$file" "$root$file"; fi
  done
  for file in .pip/pip.conf .config/pip/pip.conf; do
    if [[ -f ~/$file ]]; then install -D -m 644 ~/"$file" "$root/root/$file"; fi
  done
  local_paths | while IFS= read -r file; do bring "$file"; done
}

certificates() {
  local bundle=/etc/ssl/certs/ca-certificates.crt more=/usr/local/share/ca-certificates
  if [[ -f $bundle ]]; then install -D -m 644 "$bundle" "$root$bundle"; fi
  if [[ -d $more ]]; then mkdir -p "$root$more" && cp -RL "$more/." "$root$more"; fi
}

apt_settings() {
  apt-config dump |
    grep -E '^Acquire::(https?::|Retries|Check-)' | grep -v Auto-Detect || true
}

environment() {
  env | grep -E '^(PIP_|SSL_CERT_|REQUESTS_CA_BUNDLE=|[a-zA-Z]+_(proxy|PROXY)=)' || true
}

local_paths() { # the paths in the settings of apt and pip and in the environment
  {
    environment
    apt_settings
    mirror
    cat "$root"/etc/pip.conf "$root"/etc/xdg/pip/pip.conf \
      "$root"/root/.pip/pip.conf "$root"/root/.config/pip/pip.conf 2>/dev/null || true
  } | grep -oE '(file:)?/[^][:space:],;"]+' | sort -u || true
}

# Copies a file, or mounts a folder read-only, unless that Debian has its own. The pages
# of a package index point to files next to it, so its parent folder is mounted.
bring() {
  local path=${1#file:}
  path=/$(sed 's,^/*,,; s,/*$,,' <<<"$path")
  if [[ $1 == file:* && $path == /*/* ]]; then path=$(dirname "$path"); fi
  if [[ -f $path && ! -e $root$path ]]; then
    install -D -m 644 "$path" "$root$path"
  elif [[ -d $path && -z $(ls -A "$root$path" 2>/dev/null) ]]; then
    mkdir -p "$root$path"
    mount --bind -o ro "$path" "$root$path"
  fi
}

# ---- a run -----------------------------------------------------------------------

debian() { # debian [VARIABLE=value...] command...: runs it in its copy of this folder
  local variables=()
  mapfile -t variables < <(environment)
  chroot "$root" env -i -C /source "${variables[@]}" HOME=/root LC_ALL=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 \
    R_LIBS=/library RETICULATE_PYTHON=/venv/bin/python KERAS_BACKEND=tensorflow \
    TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}" "$@" </dev/null
}

fresh_source() { # a copy of this folder, without what was built in it
  rm -rf "$root/source" "$root/library"
  mkdir "$root/source" "$root/library"
  find "$root/tmp" -mindepth 1 -delete
  find . \( -name '.?*' \( -type d -o -type l \) -o -name __pycache__ -o \
    -name demo-output -o -name dist \) -prune -o -not -type d -print0 |
    tar --null -cf - -T - | tar -xf - --no-same-owner -C "$root/source"
}

r_package() {
  debian R CMD build . && debian bash -c 'R CMD INSTALL modelcheckpoint_*.tar.gz'
}

versions() { # prints them; fails if they are older than this test is about
  debian Rscript -e '
    of <- function(name) reticulate::import(name)$`__version__`
    seen <- list(
      R = getRversion(), reticulate = packageVersion("reticulate"),
      Python = reticulate::py_config()$version, NumPy = of("numpy"),
      TensorFlow = of("tensorflow"), Keras = of("keras")
    )
    cat(paste(names(seen), sapply(seen, as.character), collapse = ", "), "\n")
    wanted <- commandArgs(TRUE)
    stopifnot(
      seen$R >= wanted[[1]], seen$reticulate >= wanted[[2]],
      numeric_version(seen$Python) >= wanted[[3]], numeric_version(seen$NumPy) >= "2"
    )
  ' "$r" "$reticulate" "$python"
}

"${2:-main}"
