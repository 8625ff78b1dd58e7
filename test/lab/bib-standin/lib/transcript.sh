# What is said, and on which stream: the tool's own lines on stderr, the stages' text on stdout.

prefix= stage_number=1

fail() {
  printf '%s error: %s%s\n' "$(date '+%Y/%m/%d %H:%M:%S')" "$prefix" "$1" >&2
  exit 1
}

warn() {
  printf 'WARNING: %s\n' "$1" >&2
}

# say TEXT [MODE]: only in that mode when one is given.
say() {
  [[ $# -eq 1 || $2 = "$progress" ]] || return 0
  printf '%s\n' "$1" >&2
}

# The stages' text: at once when verbose, else kept for the case that a stage fails.
stage_text() {
  if [[ $progress = verbose ]]; then cat; else cat >>"$work/stages.log"; fi
}

pipeline() {
  pipeline_name=$1
  printf 'Pipeline %s: %s\nBuild\n  root: <host>\n' "$1" "$(digest_of "$1$reference")" | stage_text
}

# stage NAME OPTIONS COMMAND…: shown as osbuild shows one, with its digest and options before and its duration after.
# A step that fails ends the build.
stage() {
  local name=$1 options=$2 started=$SECONDS status
  shift 2
  printf 'org.osbuild.%s: %s %s\n' "$name" "$(digest_of "$name$options")" "$options" | stage_text
  [[ $progress != debug ]] || printf '[%d / %d] Pipeline %s\n' "$stage_number" "$stage_total" "$pipeline_name" >&2
  stage_number=$((stage_number + 1))
  # Not in a condition: there the shell would go on after a failing command inside.
  set +e
  (
    set -e
    inject_fault "$name"
    "$@"
  ) 2>&1 | stage_text
  status=${PIPESTATUS[0]}
  set -e
  ((status == 0)) || osbuild_failed
  printf '\n⏱  Duration: %ds\n' $((SECONDS - started)) | stage_text
}

osbuild_failed() {
  if [[ $progress != verbose ]]; then
    { echo 'BuildLog:'; cat "$work/stages.log"; } >&2
  fi
  prefix=
  fail 'cannot run osbuild: error running osbuild: exit status 1'
}

digest_of() {
  local sum
  sum=$(sha256sum <<<"$1")
  echo "${sum%% *}"
}
