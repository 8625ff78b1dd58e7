# The argument grammar: one positional anywhere, `--flag value` and `--flag=value`, booleans only bare or with `=`.

command=build types=() rootfs= target_arch= output=. chown= config= progress=auto local=true reference=
declare -A aws=()

parse_arguments() {
  case ${1:-} in
  build | manifest | version | help) command=$1; shift ;;
  esac
  local positional=() flag value
  while (($#)); do
    case $1 in
    --) shift; positional+=("$@"); break ;;
    -v) progress=verbose; shift; continue ;;
    -h | --help) command=help; return ;;
    --*) flag=${1%%=*} ;;
    -?*) fail "unknown shorthand flag: '${1:1:1}' in $1" ;;
    *) positional+=("$1"); shift; continue ;;
    esac
    if takes_no_value "$flag"; then
      value=true
      [[ $1 != *=* ]] || value=$(boolean "$flag" "${1#*=}") || exit 1
      shift
    elif [[ $1 = *=* ]]; then
      value=${1#*=}
      shift
    else
      is_known "$flag" || fail "unknown flag: $flag"
      (($# > 1)) || fail "flag needs an argument: $flag"
      value=$2
      shift 2
    fi
    set_flag "$flag" "$value"
  done
  [[ $command != version ]] || return 0
  ((${#positional[@]} == 1)) || fail "accepts 1 arg(s), received ${#positional[@]}"
  reference=${positional[0]}
  ((${#types[@]})) || types=(qcow2)
  require_whole_aws_group
}

takes_no_value() {
  [[ $1 =~ ^--(use-librepo|local|tls-verify|in-vm|no-default-kernel-args|verbose|version)$ ]]
}

is_known() {
  [[ $1 =~ ^--(type|rootfs|target-arch|output|store|rpmmd|chown|config|progress|log-level|build-container|installer-payload-ref|aws-(region|bucket|ami-name))$ ]]
}

boolean() {
  case $2 in
  1 | t | T | true | True | TRUE) echo true ;;
  0 | f | F | false | False | FALSE) echo false ;;
  *) fail "invalid argument \"$2\" for \"$1\" flag: strconv.ParseBool: parsing \"$2\": invalid syntax" ;;
  esac
}

set_flag() {
  case $1 in
  --type) types+=("$2") ;;
  --rootfs) rootfs=$2 ;;
  --target-arch) target_arch=$2 ;;
  --output) output=$2 ;;
  --chown) chown=$2 ;;
  --config) config=$2 ;;
  --progress) progress=$2 ;;
  --local) local=$2 ;;
  --verbose) [[ $2 = false ]] || progress=verbose ;;
  --version) [[ $2 = false ]] || command=version ;;
  --aws-*) aws[${1#--}]=$2 ;;
  *) is_known "$1" || takes_no_value "$1" || fail "unknown flag: $1" ;;
  esac
}

require_whole_aws_group() {
  local flag missing=()
  ((${#aws[@]})) || return 0
  for flag in aws-ami-name aws-bucket aws-region; do
    [[ -n ${aws[$flag]+set} ]] || missing+=("$flag")
  done
  ((${#missing[@]} == 0)) || fail "if any flags in the group [aws-region aws-bucket aws-ami-name] are set they must all be set; missing [${missing[*]}]"
}

print_version() {
  printf 'build_revision: %s\nbuild_time: %s\nbuild_tainted: false\n' 57a4d14 2026-01-01T00:00:00Z
}

print_usage() {
  echo 'Usage: bootc-image-builder [build|manifest|version] [--type TYPE]… [--rootfs ext4] [--chown UID[:GID]] [--progress auto|verbose|debug|term] IMAGE'
  echo 'A stand-in for bootc-image-builder that serves tests; it makes real disks, but not with osbuild.'
}
