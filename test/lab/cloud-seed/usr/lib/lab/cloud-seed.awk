# Flattens the part of YAML that seeds are written in to lines of `path TAB value`, newlines inside values as \001:
# block maps and sequences, plain scalars (also folded over lines), quoted scalars on one line, `|` and `>` blocks.
# Flow collections (but empty ones), anchors and aliases are refused; quoted scalars over several lines are not understood.

function leave(column,   i) {
  for (i = column + 1; i <= 80; i++) { delete map[i]; delete sequence[i] }
}

function finish() {
  if (state == "plain") print scalar_path "\t" scalar
  if (state == "block") print scalar_path "\t" block_text()
  state = ""
}

function block_text(   text) {
  text = scalar
  if (chomp != "+") sub(/\001+$/, "", text)
  return text
}

function unquote(text) {
  if (text ~ /^'.*'$/) { text = substr(text, 2, length(text) - 2); gsub("''", "'", text); return text }
  if (text !~ /^".*"$/) return text
  text = substr(text, 2, length(text) - 2)
  gsub(/\\\\/, "\002", text); gsub(/\\"/, "\"", text); gsub(/\\n/, "\001", text); gsub(/\\t/, "  ", text); gsub("\002", "\\", text)
  return text
}

function begin(path, text, column) {
  scalar_path = path; parent = column
  if (text ~ /^[|>]/) {
    state = "block"; folded = text ~ /^>/; chomp = text ~ /\+/ ? "+" : ""; scalar = ""; block_column = -1; blank = 0
  } else if (text ~ /^["'].*["']$/) {
    print path "\t" unquote(text)
  } else if (text ~ /^[[{&*]/ && text != "[]" && text != "{}") {
    print "cannot be read: " text > "/dev/stderr"
    failed = 1
    exit 1
  } else {
    state = "plain"; scalar = text
  }
}

function add_to_block(line,   more) {
  if (block_column < 0) { match(line, /^ */); block_column = RLENGTH; scalar = substr(line, block_column + 1); return }
  line = substr(line, block_column + 1)
  more = line ~ /^[ \t]/
  if (line == "") { blank++; return }
  if (!folded) { while (blank-- > 0) scalar = scalar "\001"; scalar = scalar "\001" line }
  else if (blank > 0 || more || indented) { if (more || indented) blank++; while (blank-- > 0) scalar = scalar "\001"; scalar = scalar line }
  else scalar = scalar " " line
  blank = 0; indented = more
}

{
  match($0, /^ */); column = RLENGTH; text = substr($0, column + 1)
  if (state == "block" && (column > parent || text == "")) { add_to_block($0); next }
  if (text == "" || (text ~ /^#/ && state != "plain") || text == "---") next
  if (state == "plain" && column > parent) { scalar = scalar " " text; next }
  finish()

  while (text ~ /^-( |$)/) {
    leave(column)
    if (column in sequence) indexes[column]++
    else { sequence[column] = open; indexes[column] = 0 }
    open = sequence[column] "." indexes[column]
    parent_column = column
    match(text, /^- */); column += RLENGTH; text = substr(text, RLENGTH + 1)
    if (text == "") next
  }
  if (match(text, /^[A-Za-z0-9_-]+:( |$)/)) {
    key = substr(text, 1, index(text, ":") - 1)
    leave(column)
    delete sequence[column]
    if (!(column in map)) map[column] = open
    open = map[column] == "" ? key : map[column] "." key
    sub(/^[^:]*: */, "", text)
    if (text != "") begin(open, text, column)
    next
  }
  begin(open, text, parent_column)
}

END { if (!failed) finish() }
