//! Events with canaries in every place, and the search for canaries in output and stored data.
//!
//! Every canary begins with `zxqvbyjk`, in any case, or with the digits 44799123. Tokens and
//! ciphertexts are random: eight such letters in one of them are too unlikely to count. Two
//! canaries are allowed in the Operational table alone: `zxqvbyjkkept`, in a field that is kept,
//! and `zxqvbyjkid`, in ids of events.

use crate::process::Ended;

/// A pipeline from a file into an embedded store.
pub const PIPELINE: &str = r#"apiVersion: lethe.dev/v1alpha1
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

/// Returns an event about the canary with these members before the others.
pub fn event(id: &str, more: &str) -> String {
    format!(
        r#"{{{more}"id":"zxqvbyjkid-{id}","time":"2026-11-01T00:00:00Z","who":"zxqvbyjkwho-{id}","consent":{{"marketing":true}}}}"#
    )
}

/// Returns lines with canaries in every place: valid events first, then invalid ones of every kind.
pub fn events() -> Vec<u8> {
    let everything = r#""name":"Zxqvbyjkname Zxqvbyjkfamily","email":"Zxqvbyjkmail@example.com","city":"Zxqvbyjkcity","title":"Zxqvbyjktitle",
        "phone":"4479912399","mobile":"+49 1512 3456789 ","card":"zxqvbyjkcard","postcode":"99zxqvbyjkpost","score":44799123.99,
        "born":"1984-03-17","ip":"198.51.100.77","segment":"zxqvbyjksegment","partner":"zxqvbyjkpartner",
        "note":"call zxqvbyjknote@example.com","plan":"zxqvbyjkkept","tier":"gold","code":"zxqvbyjkcode",
        "address":{"street":"zxqvbyjkstreet","home":{"room":"zxqvbyjkroom"}},"codes":["zxqvbyjkone","zxqvbyjktwo"],
        "extra":{"e":"zxqvbyjkextra"},"either":44799123,"zxqvbyjkkey":{"zxqvbyjkkey2":[{"zxqvbyjkkey3":"zxqvbyjkvalue"}]},"undeclared":"zxqvbyjkthing","#
        .replace('\n', " ");
    let deep = format!(r#""x":{}1{},"#, r#"{"zxqvbyjkdeep":"#.repeat(200), "}".repeat(200));
    let bad = [
        ("enum", r#""tier":"zxqvbyjktier","#.to_owned()),
        ("pattern", r#""code":"zxqvbyjk code 1","#.to_owned()),
        ("length", r#""code":"zxqvbyjkcodezxqvbyjkcodezxqvbyjkcode","#.to_owned()),
        ("type", r#""score":"zxqvbyjkscore","#.to_owned()),
        ("key-1", r#""address":{"zxqvbyjkkey":1},"#.to_owned()),
        ("key-2", r#""address":{"home":{"zxqvbyjkkey":{"zxqvbyjkkey":1}}},"#.to_owned()),
        ("unique", r#""codes":["zxqvbyjkcode","zxqvbyjkcode"],"#.to_owned()),
        ("names", r#""extra":{"zxqvbyjkextra":"zxqvbyjkvalue"},"#.to_owned()),
        ("either", r#""either":"zxqvbyjkeither","#.to_owned()),
        ("clean", r#""email":"zxqvbyjknobody","#.to_owned()),
        ("clean-phone", r#""mobile":"zxqvbyjkphone 4479912399","#.to_owned()),
        ("mask", r#""phone":{"zxqvbyjkkey":"zxqvbyjkphone"},"#.to_owned()),
        ("date", r#""born":"zxqvbyjkborn","#.to_owned()),
        ("address", r#""ip":"zxqvbyjkip","#.to_owned()),
        ("search", r#""note":{"zxqvbyjkkey":"zxqvbyjknote"},"#.to_owned()),
        ("twice", r#""zxqvbyjkkey":1,"zxqvbyjkkey":2,"#.to_owned()),
        ("deep", deep),
        ("number", r#""score":44799123e400,"#.to_owned()),
        ("large", format!(r#""name":"{}","#, "zxqvbyjklarge".repeat(200_000))),
    ];
    let mut lines = vec![event("good", &everything), event("other", &everything.replace("gold", "silver"))];
    lines.extend(bad.iter().map(|(id, more)| event(id, more)));
    lines.push(event("good", &everything));
    lines.push(event("denied", &everything).replace("\"marketing\":true", "\"marketing\":\"zxqvbyjkperhaps\""));
    lines.push(event("deleted", "\"deleted\":true,"));
    for whole in [
        r#"{"name":"zxqvbyjkbroken",NaN}"#,
        "zxqvbyjkprose went astray",
        r#"["zxqvbyjklist"]"#,
        r#""zxqvbyjktext""#,
        r#"{"id":"zxqvbyjkid-time","time":"zxqvbyjktime","who":"zxqvbyjkwho","consent":{"marketing":true}}"#,
        r#"{"id":["zxqvbyjklist"],"time":1760000000,"who":"zxqvbyjkwho","consent":{"marketing":true}}"#,
        r#"{"id":"zxqvbyjkid-who","time":1760000000,"who":["zxqvbyjkwho"],"consent":{"marketing":true}}"#,
        r#"{"id":"zxqvbyjkid-who","time":1760000000,"who":"","consent":{"marketing":true}}"#,
    ] {
        lines.push(whole.to_owned());
    }
    let mut bytes = (lines.join("\n") + "\n").into_bytes();
    bytes.extend_from_slice(b"{\"name\":\"zxqvbyjkbytes \xff\"}\n\xfe\xffzxqvbyjkmore\n{\"name\":\"zxqvbyjkcut");
    bytes
}

/// A canary that was found.
#[derive(Debug, PartialEq)]
pub struct Sighting {
    before: String,
    from: String,
}

impl Sighting {
    /// Returns whether it is one of these.
    pub fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.from.starts_with(word))
    }
}

/// Finds the canaries in some bytes. Returns each with the bytes around it.
pub fn sightings(bytes: &[u8]) -> Vec<Sighting> {
    let lower = bytes.to_ascii_lowercase();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let around = |at: usize| Sighting {
        before: text(&lower[at.saturating_sub(40)..at]),
        from: text(&lower[at..lower.len().min(at + 40)]),
    };
    let places = |needle: &'static [u8]| lower.windows(needle.len()).enumerate().filter(move |(_, w)| *w == needle);
    places(b"zxqvbyjk").chain(places(b"44799123")).map(|(at, _)| around(at)).collect()
}

/// Fails the test if the output of a run contains a canary, or if the run panicked.
#[track_caller]
pub fn assert_no_canary(ended: Ended) -> Ended {
    for output in [&ended.out, &ended.err] {
        assert_eq!(sightings(output), Vec::new());
    }
    assert!(!ended.err().contains("panicked"), "{}", ended.err());
    ended
}
