# Prints the values of JSON objects, one object per input line, as lines of path, tab and value. The
# input must be valid JSON, because nothing is checked.
{
    depth = 0; key = ""; text = $0; n = length(text); word = ""
    for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        if (c == "\"") {
            word = ""
            for (i++; i <= n && (c = substr(text, i, 1)) != "\""; i++) {
                if (c == "\\") { word = word c; c = substr(text, ++i, 1) }
                word = word c
            }
            if (substr(text, i + 1, 1) == ":") { key = word; i++ } else { print path() "\t" word }
        } else if (c == "{") {
            parent[++depth] = key
        } else if (c == "}") {
            depth--
        } else if (c != ",") {
            for (word = ""; i <= n && index(",}", c) == 0; c = substr(text, ++i, 1)) word = word c
            print path() "\t" word
            i--
        }
    }
}
function path(  at, out) {
    for (at = 2; at <= depth; at++) out = out "/" parent[at]
    return out "/" key
}
