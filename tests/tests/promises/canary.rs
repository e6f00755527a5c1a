//! No personal value is anywhere but where the manifest lets it through: a person made of canaries is
//! planted in every place of events and manifests, and all that a run says and leaves is searched for
//! them, byte by byte.
//!
//! Every canary begins with `zxqv`, in any case, or with the digits 44799123: nothing else does. Two
//! may be found, in the Operational table only: `zxqvkept`, in a field that is kept, and `zxqvid`, in
//! ids of events.

use std::{fs, thread, time::Duration};

use crate::{
    dump::{self, dump},
    folder::Folder,
    worker::{Ended, Running, finish},
};

const PIPELINE: &str = r#"apiVersion: lethe.dev/v1alpha1
kind: ProfilePipeline
metadata:
  name: canaries
spec:
  source:
    file: {path: events.ndjson, format: Ndjson}
  event:
    id: /id
    time: /time
    subject:
      space: people
      id: /who
      aliases: [{name: email, path: /email, canonical: Email}]
    undeclared: Drop
    delete: {when: {path: /deleted, equals: "true"}}
    schema:
      inline: |
        {
          "type": "object",
          "properties": {
            "tier": {"enum": ["gold", "silver"]},
            "code": {"type": "string", "pattern": "^[A-Za-z]*$", "maxLength": 20},
            "score": {"type": "number"},
            "address": {
              "type": "object",
              "properties": {
                "street": {"type": "string"},
                "home": {"type": "object", "properties": {"room": {"type": "string"}}, "additionalProperties": false}
              },
              "additionalProperties": false
            },
            "codes": {"type": "array", "uniqueItems": true, "items": {"type": "string"}},
            "extra": {"propertyNames": {"pattern": "^[a-z]$"}},
            "either": {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}]}
          }
        }
  dedupe: {window: 24h}
  consent:
    purpose: marketing
    from: {field: /consent/marketing}
  keys:
    secretRef: {name: lethe-keys}
    storeRef: {name: store}
  defaultRegion: DE
  fields:
    - {path: /who, category: user.unique_id, protect: {pseudonymize: {space: people}}}
    - {path: /name, category: user.name, clean: [Trim, Nfc, CollapseSpace], protect: {encrypt: {}}}
    - {path: /email, category: user.contact.email, clean: [Email], protect: {encrypt: {class: contact}}}
    - {path: /city, category: user.contact.address.city, protect: {drop: {}}}
    - {path: /title, category: user.name, protect: {redact: {}}}
    - {path: /phone, category: user.contact.phone_number, protect: {mask: {keepLast: 2}}}
    - {path: /mobile, category: user.contact.phone_number, clean: [Phone], protect: {mask: {keepLast: 2}}}
    - {path: /card, category: user.financial, protect: {hash: {}}}
    - {path: /postcode, category: user.contact.address.postal_code, protect: {generalize: {prefix: 2}}}
    - {path: /score, category: user.behavior, protect: {generalize: {buckets: [10, 100]}}}
    - {path: /born, category: user.demographic.date_of_birth, protect: {generalize: {date: Year}}}
    - {path: /ip, category: user.device.ip_address, protect: {generalize: {ip: {v4: 24, v6: 48}}}}
    - path: /segment
      category: user.account
      protect: {generalize: {map: {values: [{from: a, to: b}], default: other}}}
    - {path: /partner, category: user.unique_id, protect: {pseudonymize: {}}}
    - {path: /note, category: user.content, protect: {redactDetected: {}}}
    - {path: /plan, category: user.account, protect: {keep: {}}}
    - {path: /tier, category: user.account, protect: {keep: {}}}
    - {path: /code, category: user.account, protect: {hash: {}}}
    - {path: /address/street, category: user.contact.address.street, protect: {encrypt: {}}}
    - {path: /address/home/room, category: user.contact.address.street, protect: {encrypt: {}}}
    - {path: /codes/*, category: user.account, protect: {hash: {}}}
    - {path: /extra, category: user.account, protect: {encrypt: {}}}
    - {path: /either, category: user.account, protect: {hash: {}}}
  sinks:
    - name: people
      audience: Operational
      records: Latest
      embedded: {storeRef: {name: store}, table: people}
    - name: history
      audience: Analytics
      records: Append
      fields: [/who, /postcode, /score, /born, /ip, /segment, /partner, /tier]
      embedded: {storeRef: {name: store}, table: history}
    - name: clean
      audience: Public
      records: Append
      fields: [/born, /segment, /tier]
      file: {path: clean.ndjson}
  deadLetter:
    keepFor: 7d
    embedded: {storeRef: {name: store}}
"#;

/// An event about the canary, with these members put before the others.
fn event(id: &str, more: &str) -> String {
    format!(
        r#"{{{more}"id":"zxqvid-{id}","time":"2026-11-01T00:00:00Z","who":"zxqvwho-{id}","consent":{{"marketing":true}}}}"#
    )
}

/// Every place of an event: good events first, then bad ones of every kind.
fn events() -> Vec<u8> {
    let everything = r#""name":"Zxqvname Zxqvfamily","email":"Zxqvmail@example.com","city":"Zxqvcity","title":"Zxqvtitle",
        "phone":"4479912399","mobile":"+49 1512 3456789 ","card":"zxqvcard","postcode":"99zxqvpost","score":44799123.99,
        "born":"1984-03-17","ip":"198.51.100.77","segment":"zxqvsegment","partner":"zxqvpartner",
        "note":"call zxqvnote@example.com","plan":"zxqvkept","tier":"gold","code":"zxqvcode",
        "address":{"street":"zxqvstreet","home":{"room":"zxqvroom"}},"codes":["zxqvone","zxqvtwo"],
        "extra":{"e":"zxqvextra"},"either":44799123,"zxqvkey":{"zxqvkey2":[{"zxqvkey3":"zxqvvalue"}]},"undeclared":"zxqvthing","#
        .replace('\n', " ");
    let deep = format!(r#""x":{}1{},"#, r#"{"zxqvdeep":"#.repeat(200), "}".repeat(200));
    let bad = [
        ("enum", r#""tier":"zxqvtier","#.to_owned()),
        ("pattern", r#""code":"zxqv code 1","#.to_owned()),
        ("length", r#""code":"zxqvcodezxqvcodezxqvcode","#.to_owned()),
        ("type", r#""score":"zxqvscore","#.to_owned()),
        ("key-1", r#""address":{"zxqvkey":1},"#.to_owned()),
        ("key-2", r#""address":{"home":{"zxqvkey":{"zxqvkey":1}}},"#.to_owned()),
        ("unique", r#""codes":["zxqvcode","zxqvcode"],"#.to_owned()),
        ("names", r#""extra":{"zxqvextra":"zxqvvalue"},"#.to_owned()),
        ("either", r#""either":"zxqveither","#.to_owned()),
        ("clean", r#""email":"zxqvnobody","#.to_owned()),
        ("clean-phone", r#""mobile":"zxqvphone 4479912399","#.to_owned()),
        ("mask", r#""phone":{"zxqvkey":"zxqvphone"},"#.to_owned()),
        ("date", r#""born":"zxqvborn","#.to_owned()),
        ("address", r#""ip":"zxqvip","#.to_owned()),
        ("search", r#""note":{"zxqvkey":"zxqvnote"},"#.to_owned()),
        ("twice", r#""zxqvkey":1,"zxqvkey":2,"#.to_owned()),
        ("deep", deep),
        ("number", r#""score":44799123e400,"#.to_owned()),
        ("large", format!(r#""name":"{}","#, "zxqvlarge".repeat(200_000))),
    ];
    let mut lines = vec![event("good", &everything), event("other", &everything.replace("gold", "silver"))];
    lines.extend(bad.iter().map(|(id, more)| event(id, more)));
    lines.push(event("good", &everything));
    lines.push(event("denied", &everything).replace("\"marketing\":true", "\"marketing\":\"zxqvperhaps\""));
    lines.push(event("deleted", "\"deleted\":true,"));
    for whole in [
        r#"{"name":"zxqvbroken",NaN}"#,
        "zxqvprose went astray",
        r#"["zxqvlist"]"#,
        r#""zxqvtext""#,
        r#"{"id":"zxqvid-time","time":"zxqvtime","who":"zxqvwho"}"#,
        r#"{"id":["zxqvlist"],"time":1760000000,"who":"zxqvwho"}"#,
        r#"{"id":"zxqvid-who","time":1760000000,"who":["zxqvwho"]}"#,
        r#"{"id":"zxqvid-who","time":1760000000,"who":"","consent":{"marketing":true}}"#,
    ] {
        lines.push(whole.to_owned());
    }
    let mut bytes = (lines.join("\n") + "\n").into_bytes();
    bytes.extend_from_slice(b"{\"name\":\"zxqvbytes \xff\"}\n\xfe\xffzxqvmore\n{\"name\":\"zxqvcut");
    bytes
}

/// Where canaries are in some bytes, each with what is around it.
fn sightings(bytes: &[u8]) -> Vec<String> {
    let lower = bytes.to_ascii_lowercase();
    let around =
        |at: usize| String::from_utf8_lossy(&lower[at.saturating_sub(40)..lower.len().min(at + 40)]).into_owned();
    let places = |needle: &'static [u8]| lower.windows(needle.len()).enumerate().filter(move |(_, w)| *w == needle);
    places(b"zxqv").chain(places(b"44799123")).map(|(at, _)| around(at)).collect()
}

/// Fails the test if a run says a canary, or panics.
#[track_caller]
fn says_nothing(ended: Ended) -> Ended {
    for said in [&ended.out, &ended.err] {
        assert_eq!(sightings(said), Vec::<String>::new());
    }
    assert!(!ended.err().contains("panicked"), "{}", ended.err());
    ended
}

/// Every way to say things.
const LOUD: [[&str; 6]; 2] = [
    ["--log", "trace", "--log-format", "text", "--output", "text"],
    ["--log", "trace", "--log-format", "json", "--output", "json"],
];

/// Runs a command in every loud way; none may say a canary. All must end with this code.
#[track_caller]
fn try_loudly(folder: &Folder, code: i32, arguments: &[&str]) {
    for loud in LOUD {
        let ended = finish(folder.worker(arguments).args(loud).env("RUST_BACKTRACE", "1"));
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.err());
        says_nothing(ended);
    }
}

fn folder() -> Folder {
    let folder = Folder::of_pipeline(PIPELINE);
    folder.write("events.ndjson", events());
    folder
}

const RUN: [&str; 4] = ["run", "-f", ".", "--until-end"];

/// Looks through everything that a run has left.
#[track_caller]
fn leaves_nothing(folder: &Folder) {
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if ["events.ndjson", "pipeline.yaml"].contains(&name.as_str()) {
            continue;
        }
        let found = sightings(&fs::read(&path).unwrap());
        if name.starts_with("lethe.sqlite") {
            // The two that are let through; each further sighting around it is of the same two.
            let other: Vec<_> = found
                .iter()
                .filter(|text| !["zxqvkept", "zxqvid"].iter().any(|kept| text[text.len() / 3..].contains(kept)))
                .collect();
            assert!(other.is_empty(), "{name}: {other:?}");
        } else {
            assert_eq!(found, Vec::<String>::new(), "{name}");
        }
    }
    for (table, rows) in dump(&folder.database()) {
        if table != "people" {
            assert_eq!(sightings(rows.join("\n").as_bytes()), Vec::<String>::new(), "{table}");
        }
    }
}

#[test]
fn a_canary_in_every_place_of_an_event_is_found_nowhere() {
    let folder = folder();
    let counts = says_nothing(folder.run(&["--log", "trace"])).counts();
    assert_eq!(
        counts.seen("people"),
        "deleted 1, delivered 2, denied 1, duplicate 1, rejected 30",
        "every kind of event is among them: {}",
        counts.reasons()
    );
    let reasons = [
        "CleanFailed",
        "DuplicateKey",
        "IdInvalid",
        "InvalidUtf8",
        "NotAnObject",
        "NotJson",
        "NumberOutOfRange",
        "ProtectFailed",
        "SchemaViolation",
        "SubjectInvalid",
        "TimeInvalid",
        "TooDeep",
        "TooLarge",
    ];
    for reason in reasons {
        assert!(counts.rejected_for(reason) > 0, "{reason}: {}", counts.reasons());
    }
    leaves_nothing(&folder);
    // What the manifest lets through is there, or this test would find nothing in an empty store.
    let people = dump(&folder.database())["people"].join("\n");
    assert!(people.contains("zxqvkept") && people.contains("zxqvid-good"));
    for loud in LOUD {
        says_nothing(finish(folder.worker(&RUN).args(["--from-start"]).args(loud).env("RUST_BACKTRACE", "1")).well());
        leaves_nothing(&folder);
    }
}

#[test]
fn a_canary_in_undeclared_data_is_found_nowhere() {
    for rule in ["Reject", "Detect"] {
        let folder = folder();
        folder.edit("pipeline.yaml", "undeclared: Drop", &format!("undeclared: {rule}"));
        if rule == "Detect" {
            // What looks like nothing of its kind is let through: this canary looks like an address.
            let line = event("detect", r#""free":{"zxqvfree@example.com":1,"text":["zxqvtext@example.com"]},"#);
            folder.write("events.ndjson", line + "\n");
        }
        says_nothing(folder.run(&["--log", "trace"]).well());
        leaves_nothing(&folder);
    }
}

#[test]
fn a_killed_run_leaves_no_canary_behind() {
    let folder = folder();
    for moment in [30, 60, 120, 240] {
        let run = Running::start(&mut folder.runs(&["--from-start", "--log", "trace"]));
        thread::sleep(Duration::from_millis(moment));
        says_nothing(run.kill());
        if folder.database().exists() && !dump::tables(&dump::open(&folder.database())).is_empty() {
            leaves_nothing(&folder);
        }
    }
}

#[test]
fn a_canary_in_a_csv_header_or_cell_is_found_nowhere() {
    let csv = "    file:
      path: people.csv
      format: Csv
      csv: {columns: [{header: Number, key: id}, {header: When, key: time}, {header: Who, key: who}, {header: Score, key: score, type: Number}]}
";
    let pipeline = PIPELINE.replace("    file: {path: events.ndjson, format: Ndjson}\n", csv);
    let pipeline = pipeline.replace("from: {field: /consent/marketing}", "from: {field: /agreed, granted: [\"yes\"]}");
    let row = "zxqvid-1,2026-11-01T00:00:00Z,zxqvwho,1,yes,zxqvcell";
    for (code, text) in [
        (0, format!("Number,When,Who,Score,agreed,zxqvheader\n{row}\n{row},zxqvlong\nzxqvshort\n")),
        (0, format!("Number,When,Who,Score,agreed,zxqvheader\n{}\n\"zxqvopen,1\n", row.replace(",1,", ",zxqvscore,"))),
        (4, format!("Number,When,Who,agreed,zxqvheader,zxqvname\n{row}\n")),
        (4, format!("Number,When,Who,Score,zxqvheader,zxqvheader\n{row}\n")),
        (4, format!("Number,When,Who,Score,\"zxqvheader\n{row}\n")),
        (4, format!("{row}\n{row}\n")),
    ] {
        let folder = Folder::of_pipeline(&pipeline);
        folder.write("people.csv", text);
        try_loudly(&folder, code, &RUN);
        fs::remove_file(folder.file("people.csv")).unwrap();
        leaves_nothing(&folder);
    }
}

#[test]
fn a_canary_is_found_in_nothing_that_other_commands_say() {
    let folder = folder();
    folder.counts(&[]);
    for arguments in [
        &["lint", "-f", "."][..],
        &["plan", "-f", "."],
        &["keys", "check", "-f", "."],
        &["redrive", "-f", ".", "--dry-run"],
        &["token", "-f", ".", "--space", "people", "zxqvwho"],
        &["token", "-f", ".", "--space", "people", "--reference", "analytics", "zxqvwho"],
    ] {
        try_loudly(&folder, 0, arguments);
    }
    try_loudly(&folder, 2, &["token", "-f", ".", "--space", "nobody", "zxqvwho"]);
    try_loudly(&folder, 1, &["reveal", "-f", ".", "--ground", "TICKET-1", "zxqvnobody"]);
}

#[test]
fn a_canary_in_a_run_that_fails_is_found_nowhere() {
    let with = |prepare: &dyn Fn(&Folder)| {
        let folder = folder();
        prepare(&folder);
        folder
    };
    let keys = |folder: &Folder, change: &dyn Fn(String) -> String| {
        let text = fs::read_to_string(folder.file("keys.yaml")).unwrap();
        folder.write("keys.yaml", change(text));
    };
    let nowhere = with(&|folder| folder.edit("store.yaml", "path: lethe.sqlite", "path: no/such/lethe.sqlite"));
    try_loudly(&nowhere, 4, &RUN);
    try_loudly(&with(&|folder| folder.edit("pipeline.yaml", "path: clean.ndjson", "path: .")), 4, &RUN);
    try_loudly(&with(&|folder| folder.write("clean.ndjson", "zxqvthere\n")), 4, &RUN);
    try_loudly(&with(&|folder| folder.write("lethe.sqlite", "zxqvdata".repeat(1000))), 4, &RUN);
    let torn = with(&|folder| {
        let whole = zstd::encode_all(&events().repeat(20)[..], 1).unwrap();
        folder.write("events.ndjson.zst", &whole[..whole.len() / 2]);
        folder.edit("pipeline.yaml", "path: events.ndjson", "path: events.ndjson.zst");
    });
    try_loudly(&torn, 4, &RUN);
    // Another table stands in the way.
    let other = with(&|folder| {
        folder.run(&[]).well();
        let sql = "DROP TABLE people; CREATE TABLE people (zxqvcolumn); INSERT INTO people VALUES ('zxqvrow')";
        dump::open(&folder.database()).execute_batch(&format!("DROP VIEW people_fields; {sql}")).unwrap();
    });
    says_nothing_of_rows(&other);
    // Keys that are none.
    for change in [
        &|text: String| text.replace("root: \"", "root: \"zxqvroot"),
        &(|text: String| {
            text.replace("root: \"", "root: [\"zxqvroot\", \"").replace("stringData:", "# zxqvcomment\nstringData:")
        }) as &dyn Fn(String) -> String,
        &|text: String| text + "  other: [zxqvother]\n",
        &|text: String| text + "  other: {zxqvother: 1}\n",
        &|text: String| text + "  other: 44799123\n",
        &|text: String| text + "  other: |\n zxqvother\n",
        &|text: String| text + "  other: \"zxqvother\n",
        &|text: String| text + "  other: !zxqvtag x\n",
        &|text: String| text + "  other: *zxqvalias\n",
        &|text: String| text + "data: {root: zxqvroot!}\n",
        &|text: String| text + "data: {root: enhxdg==, root: zxqvroot}\n",
        &|text: String| text + "data: zxqvdata\n",
        &|text: String| text + "data: [zxqvdata]\n",
    ] {
        let folder = with(&|folder| keys(folder, change));
        for loud in LOUD {
            let ended = finish(folder.worker(&RUN).args(loud).env("RUST_BACKTRACE", "1"));
            let text = fs::read_to_string(folder.file("keys.yaml")).unwrap();
            assert!(matches!(ended.code, Some(3 | 5)), "{:?}: {}", ended.code, text.lines().last().unwrap());
            let hex: Vec<&str> = text.split('"').filter(|word| word.len() >= 64).collect();
            assert!(hex.iter().all(|key| !ended.err().contains(&key[key.len() - 60..])), "a key is shown");
            says_nothing(ended);
        }
    }
}

/// The column of another's table may be named: names of columns are no data.
fn says_nothing_of_rows(folder: &Folder) {
    for loud in LOUD {
        let ended = finish(folder.worker(&RUN).args(loud));
        assert_eq!(ended.code, Some(4), "{}", ended.err());
        assert!(!ended.err().contains("zxqvrow") && !ended.err().contains("zxqvkept"), "{}", ended.err());
    }
}

#[test]
fn a_search_that_finds_nothing_would_find_a_canary() {
    assert_eq!(sightings(b"no bird here").len(), 0);
    assert_eq!(sightings(b"a ZxqvBird and 447991239").len(), 2);
    assert!(sightings(&events()).len() > 60);
}
