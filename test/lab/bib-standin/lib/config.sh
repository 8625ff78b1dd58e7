# The configuration file: strict about unknown keys, and of the known ones only what the lab needs takes effect.

root_bytes= kernel_append= settings_disk= settings_filesystem=

read_config() {
  local file=$config keys unknown
  if [[ -z $file ]]; then
    [[ ! -e /config.json || ! -e /config.toml ]] ||
      fail 'cannot read config: found "config.json" and also "config.toml", only a single one is supported'
    for file in /config.json /config.toml ''; do [[ ! -e $file ]] || break; done
  fi
  [[ -n $file ]] || return 0
  keys=$(flatten_config "$file") || fail "cannot read config: cannot decode \"$file\": ${keys##*$'\n'}"
  unknown=$(awk -F '\t' -v known="${known_keys//$'\n'/ }" '
    BEGIN { n = split(known, names, " ") }
    {
      path = $1; gsub(/\.[0-9]+/, "", path); ok = 0
      for (i = 1; i <= n; i++) ok = ok || path == names[i] || index(path, names[i] ".") == 1
      if (!ok && !seen[path]++) list = list (list == "" ? "" : " ") path
    }
    END { printf "%s", list }' <<<"$keys")
  [[ -z $unknown ]] || fail "cannot read config: cannot decode \"$file\": unknown keys found: [$unknown]"
  apply_config "$keys"
}

known_keys='name description version distro packages modules groups containers
customizations.hostname customizations.kernel.name customizations.kernel.append customizations.sshkey
customizations.user.name customizations.user.description customizations.user.password customizations.user.key
customizations.user.home customizations.user.shell customizations.user.groups customizations.user.uid
customizations.user.gid customizations.user.expiredate customizations.user.force_password_reset
customizations.group.name customizations.group.gid customizations.timezone customizations.locale customizations.firewall
customizations.services customizations.filesystem.mountpoint customizations.filesystem.minsize customizations.disk
customizations.installation_device customizations.fdo customizations.openscap customizations.ignition
customizations.directories customizations.files customizations.repositories customizations.fips
customizations.installer customizations.rhsm customizations.cacerts customizations.containers-storage'

# `path TAB value` for each value; lists of tables are numbered.
flatten_config() {
  case $1 in
  -) flatten_json ;;
  *.json) flatten_json "$1" ;;
  *) awk -f "$lib/toml.awk" -- "$1" 2>&1 ;;
  esac
}

flatten_json() {
  jq -r '(.blueprint // .) | tostream | select(length == 2) | [(.[0] | map(tostring) | join(".")), (.[1] | tostring)] | @tsv' "$@" 2>&1
}

apply_config() {
  local path value mountpoint=
  declare -A minimum=() point=()
  while IFS=$'\t' read -r path value; do
    case $path in
    customizations.kernel.append) kernel_append=$value ;;
    customizations.disk.*) settings_disk=yes ;;
    customizations.filesystem.*.mountpoint) settings_filesystem=yes; point[${path%.*}]=$value ;;
    customizations.filesystem.*.minsize) settings_filesystem=yes; minimum[${path%.*}]=$value ;;
    customizations.*) warn "this stand-in ignores $path" ;;
    esac
  done <<<"$1"
  for mountpoint in "${!point[@]}"; do
    [[ ${point[$mountpoint]} != / || -z ${minimum[$mountpoint]:-} ]] || root_bytes=$(bytes "${minimum[$mountpoint]}")
  done
}

bytes() {
  local number unit
  [[ $1 =~ ^([0-9]+)\ *([kKMGT]?i?B?)$ ]] || fail "cannot read config: cannot decode size \"$1\""
  number=${BASH_REMATCH[1]} unit=${BASH_REMATCH[2]}
  case $unit in
  '' | B) echo "$number" ;;
  KiB) echo $((number << 10)) ;;
  MiB) echo $((number << 20)) ;;
  GiB) echo $((number << 30)) ;;
  TiB) echo $((number << 40)) ;;
  kB | KB) echo $((number * 1000)) ;;
  MB) echo $((number * 1000000)) ;;
  GB) echo $((number * 1000000000)) ;;
  TB) echo $((number * 1000000000000)) ;;
  *) fail "cannot read config: cannot decode size \"$1\"" ;;
  esac
}
