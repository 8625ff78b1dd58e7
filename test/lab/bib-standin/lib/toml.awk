# Flattens the part of TOML that such configurations are written in to lines of `path TAB value`: tables, lists of tables,
# strings, numbers, booleans and arrays. Inline tables are not understood.

function strip(text) { sub(/^[ \t]+/, "", text); sub(/[ \t]+$/, "", text); return text }

function scalar(text) {
  if (text ~ /^"/) { match(text, /^"([^"\\]|\\.)*"/); text = substr(text, 2, RLENGTH - 2); gsub(/\\"/, "\"", text); return text }
  if (text ~ /^'/) { match(text, /^'[^']*'/); return substr(text, 2, RLENGTH - 2) }
  sub(/[ \t]*#.*$/, "", text)
  return text
}

waiting != "" {
  if (index($0, waiting)) waiting = ""
  next
}
/^[ \t]*(#|$)/ { next }
/^[ \t]*\[\[.*\]\]/ {
  table = strip($0); sub(/^\[\[/, "", table); sub(/\]\].*$/, "", table)
  table = strip(table); table = table "." count[table]++
  next
}
/^[ \t]*\[.*\]/ {
  table = strip($0); sub(/^\[/, "", table); sub(/\].*$/, "", table); table = strip(table)
  # A table below a list of tables belongs to the list's last entry.
  for (list in count) if (index(table, list ".") == 1) table = list "." (count[list] - 1) substr(table, length(list) + 1)
  next
}
/=/ {
  key = strip(substr($0, 1, index($0, "=") - 1)); value = strip(substr($0, index($0, "=") + 1))
  gsub(/"/, "", key)
  path = (table == "" ? "" : table ".") key
  if (value ~ /^"""/ && substr(value, 4) !~ /"""/) waiting = "\"\"\""
  else if (value ~ /^\[/ && value !~ /\]/) waiting = "]"
  print path "\t" scalar(value)
  next
}
{ printf "toml: line %d: expected '=' or a table, got %s\n", NR, $0; exit 1 }
