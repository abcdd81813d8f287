# Read by setup.sh and test-r-debian.sh, which name themselves in `who` and their log
# in `log`: one line for each step, and all that it said in the log.

step() { # step "what is done" command...
  local what=$1 start=$SECONDS
  shift
  printf '%s: %s ... ' "$who" "$what"
  printf '\n== %s: %s\n' "$what" "$*" >>"$log"
  if "$@" >>"$log" 2>&1 </dev/null; then
    echo "done ($((SECONDS - start)) s)"
  else
    echo "FAILED"
    tail -n 15 "$log" | sed 's/^/  | /' >&2
    stop "that did not work (its last lines are above, all of it is in $log)."
  fi
}

stop() {
  echo "$who: $*" >&2
  exit 1
}
