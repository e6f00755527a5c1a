#!/bin/sh
# The demo: runs 100,000 generated customer profiles through examples/laptop and shows the results.
#
#   scripts/demo.sh LETHE-WORKER LETHE-GENERATE        (`make demo` builds it first)
#
# Works in ./demo-out, which it creates again each time. Needs a shell, awk, grep and sed; no
# server, no network.
set -eu
LC_ALL=C
export LC_ALL

usage="usage: scripts/demo.sh LETHE-WORKER LETHE-GENERATE"
worker=${1:?$usage}
generate=${2:?$usage}
events=${DEMO_EVENTS:-100000}
case $worker in
    /*) ;;
    *) worker=$PWD/$worker ;;
esac
case $generate in
    /*) ;;
    *) generate=$PWD/$generate ;;
esac
cd "$(dirname "$0")/.."
root=$PWD
manifests=$root/examples/laptop
out=$root/demo-out

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
else
    bold='' dim='' plain=''
fi
section() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$1" "$plain"; }
shown() { printf '  $ %s\n' "$1"; }
indent() { sed 's/^/  /'; }

rm -rf "$out"
mkdir "$out"
cd "$out"

section "1. Keys, and $events events about people who do not exist"
shown 'lethe-worker keys create lethe-keys'
"$worker" keys create lethe-keys >keys.log || { cat keys.log; exit 1; }
shown "lethe-generate account --count $events --to profiles.ndjson ..."
"$generate" account --count "$events" --to profiles.ndjson --summary \
    --duplicates 0.02 --invalid 0.01 --not-json 0.002 --no-consent 0.05 --late 0.02 --deletes 0.002 2>&1 | indent

section '2. One run: checked, cleaned, protected, delivered'
shown 'lethe-worker run -f examples/laptop -f lethe-keys.yaml --until-end'
"$worker" run -f "$manifests" -f lethe-keys.yaml --until-end | tee run.txt | indent
note '  Every event has one outcome per sink. Rejected events are sealed in the dead letter. Nothing is'
note '  stored of events without consent (denied).'

# Chooses an event to show: the newest of its subject, with consent, with personal data in its note,
# and in plain ASCII so that columns align. It is processed again alone by the same pipeline into
# files. The same event and the same keys give the same bytes, so the output equals the content of
# the tables.
one_event() {
    tail -n 4000 profiles.ndjson | awk '
        match($0, /"user_id":"[^"]*"/) { who[NR] = substr($0, RSTART, RLENGTH); newest[who[NR]] = NR }
        /"consent":\{"marketing":true\}/ && /"phone":"\+/ && /"note":"[^"]*[a-z0-9]@example\.[^"]*"/ && !/[^ -~]/ { line[NR] = $0 }
        END { for (at = NR; at > 0; at--) if (at in line && newest[who[at]] == at) { print line[at]; exit } }'
}
leaves() { awk -f "$root/scripts/leaves.awk" "$1"; }

section '3. One event, before and as the Operational audience sees it'
mkdir one
one_event >one/profiles.ndjson
[ -s one/profiles.ndjson ] || { echo "  no such event among so few; run with DEMO_EVENTS=10000 or more"; exit 1; }
cp lethe.sqlite lethe-keys.yaml "$manifests/store.yaml" one/
sed -e '/^      maxAge:/d' -e 's/^      records: Latest/      records: Append/' -e '/path: clean.ndjson/s/clean/out-clean/' \
    -e 's/^  name: profiles$/  name: one/' \
    -e 's/^      embedded: {storeRef: {name: store}, table: \(.*\)}/      file: {path: out-\1.ndjson}/' \
    "$manifests/pipeline.yaml" >one/pipeline.yaml
(cd one && "$worker" run -q -f . --until-end >/dev/null)
leaves one/profiles.ndjson >before.txt
leaves one/out-profiles.ndjson >after.txt
leaves one/out-profile_history.ndjson >analytics.txt
rm -r one
awk -F '\t' '
    function cut(text, width) { return length(text) > width ? substr(text, 1, width - 3) "..." : text }
    FILENAME == "after.txt" { after[$1] = $2; next }
    FNR == 1 { printf "  %-17s %-37s %s\n", "FIELD", "BEFORE", "AFTER" }
    $1 == "/note" { note = $2; next }
    { printf "  %-17s %-37s %s\n", cut(substr($1, 2), 17), cut($2, 37), $1 in after ? cut(after[$1], 41) : "-" }
    END {
        printf "  %-17s %-37s %s\n", "subject_ref", "", cut(after["/subject_ref"], 41)
        printf "\n  note, before: %s\n  note, after:  %s\n", note, after["/note"]
    }
' after.txt before.txt
note '  - means that the field is dropped or not declared.'
printf '\n  Analytics, which may not identify persons, gets only this:\n'
awk -F '\t' '{ printf "  %-17s %s\n", substr($1, 2), $2 }' analytics.txt

section '4. With the keys it can be opened, which is recorded'
id=$(awk -F '\t' '$1 == "/user_id" { print $2 }' before.txt)
shown "lethe-worker reveal -f examples/laptop -f lethe-keys.yaml --ground DEMO-1 $id"
"$worker" reveal -f "$manifests" -f lethe-keys.yaml --ground DEMO-1 "$id" >revealed.txt
grep -aE '^    /(name|email|national_id|address/city) ' revealed.txt | sort -u | head -n 4 | indent

section '5. Once more from the start: nothing changes'
shown 'lethe-worker run -f examples/laptop -f lethe-keys.yaml --until-end --from-start'
"$worker" run -q -f "$manifests" -f lethe-keys.yaml --until-end --from-start | grep -a '' | sed '/REJECTED FOR/,$d' | indent
note '  An event that a table already has is stale. The file was truncated and written again.'

section '6. Where the results are'
size() { ls -l "$1" | awk '{ printf "%.0f MB", $5 / 1048576 }'; }
printf '  %-34s %s\n' \
    'demo-out/profiles.ndjson' "the events, in the clear, $(size profiles.ndjson)" \
    'demo-out/lethe.sqlite' "tables, keys of people, dead letters, $(size lethe.sqlite)" \
    'demo-out/clean.ndjson' "what Analytics sees, one line per event, $(size clean.ndjson)" \
    'demo-out/lethe-keys.yaml' 'the keys Secret: without it no sealed value can be opened' \
    'demo-out/revealed.txt' 'all values of one person'

section 'Try next, in demo-out'
command -v sqlite3 >/dev/null || note '  (sqlite3 is not installed; any SQLite browser can open the file)'
cat <<'TRY'
  sqlite3 lethe.sqlite 'select user_id, tier, birth_date, phone, note from profiles_fields limit 5'
  sqlite3 lethe.sqlite 'select reason, rule, path, count(*) from lethe_dead_letter group by 1, 2, 3'
  head -n 1 clean.ndjson
TRY
printf '  %s plan -f %s -f lethe-keys.yaml\n' "$worker" ../examples/laptop
cat <<'TRY'

  Your own data: README.md. Every field of a pipeline: docs/pipeline.md.
TRY
