# Sourced by scripts that set `who`, their name, and `log`, their log file. Prints one
# line for each step; the step's output goes to the log.

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
    stop "this step failed (its last lines are above, all output is in $log)."
  fi
}

stop() {
  echo "$who: $*" >&2
  exit 1
}
