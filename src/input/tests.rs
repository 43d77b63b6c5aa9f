use super::*;
use serde_json::json;

#[derive(Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Outer {
    name: String,
    count: u32,
    inner: Vec<Inner>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Inner {
    share: f64,
}

#[test]
fn every_fault_is_named_at_once() {
    let document = json!({"count": -1, "inner": [{"share": "x"}, {"share": 1, "a/b": 2}], "more": 1});
    let Err(Error::Invalid(mut faults)) = read::<Outer>(document) else { panic!() };
    faults.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    let pointers: Vec<_> = faults.iter().map(|f| f.pointer.as_str()).collect();
    assert_eq!(pointers, ["/count", "/inner/0/share", "/inner/1/a~1b", "/more", "/name"]);
}

#[test]
fn what_can_not_be_read_does_not_hide_the_rest() {
    #[derive(Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    struct Shares {
        #[deserr(default)]
        note: String,
        #[deserr(default)]
        tags: Vec<String>,
        shares: Members<u32>,
    }
    let make = |read: Shares| {
        let mut faults = Vec::new();
        if read.shares.0.values().sum::<u32>() != 10 {
            faults.push(Fault::new("/shares", "sum to 10"));
        }
        if read.note.is_empty() || !read.tags.is_empty() {
            faults.push(Fault::new("/note", "is needed, and no tags"));
        }
        Error::unless_empty(faults)
    };
    let pointers = |document: Value| match read_then(document, make) {
        Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert!(read_then(json!({"note": "x", "shares": {"a": 3, "b": 7}}), make).is_ok());
    assert_eq!(pointers(json!({"shares": {"a": 3}, "x": 1})), ["/x", "/shares", "/note"]);
    let wrong = json!({"shares": {"a": 10, "b": "7", "c/d": -1}});
    assert_eq!(pointers(wrong), ["/shares/b", "/shares/c~1d", "/note"], "the sum may be wrong for that alone");
    assert_eq!(pointers(json!({"note": 3, "shares": {}})), ["/note", "/shares"]);
    assert_eq!(pointers(json!({"tags": [3, "x", 4], "shares": {}})), ["/tags/0", "/tags/2", "/shares", "/note"]);
    assert_eq!(pointers(json!({"shares": [1]})), ["/shares", "/note"]);
    assert_eq!(pointers(json!(7)), [""]);
}

#[test]
fn elements_that_can_not_be_read_do_not_hide_those_beside_them() {
    #[derive(Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    struct Rules {
        rules: Vec<Rule>,
    }
    #[derive(Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    struct Rule {
        serve: String,
        #[deserr(default)]
        values: Vec<u32>,
    }
    let make = |read: Rules| {
        let mut faults = Vec::new();
        for (at, rule) in read.rules.iter().enumerate() {
            if rule.serve == "nope" {
                faults.push(Fault::new(format!("/rules/{at}/serve"), "is unknown"));
            }
            let high = rule.values.iter().enumerate().filter(|(_, value)| **value > 9);
            faults.extend(high.map(|(index, _)| Fault::new(format!("/rules/{at}/values/{index}"), "is too high")));
        }
        if read.rules.len() < 3 {
            faults.push(Fault::new("/rules", "are too few"));
        }
        Error::unless_empty(faults)
    };
    let pointers = |document: Value| match read_then(document, make) {
        Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let nope = |values: Value| json!({"serve": "nope", "values": values});
    let between = json!({"rules": [5, nope(json!([])), {"values": []}, nope(json!(["x", 99, 1, {}, 10])), null]});
    assert_eq!(
        pointers(between),
        [
            "/rules/0",
            "/rules/2/serve",
            "/rules/3/values/0",
            "/rules/3/values/3",
            "/rules/4",
            "/rules/1/serve",
            "/rules/3/serve",
            "/rules/3/values/1",
            "/rules/3/values/4",
        ]
    );
    // What is wrong in two ways is found in steps: an element without what it needs goes as a whole.
    let steps = json!({"rules": [{"serve": "\0", "values": ["x"]}, nope(json!([10]))]});
    assert_eq!(
        pointers(steps),
        ["/rules/0/serve", "/rules/0/values/0", "/rules/1/serve", "/rules/1/values/0", "/rules"]
    );
    assert_eq!(pointers(json!({"rules": [[5]]})), ["/rules/0", "/rules"], "one is too few, whatever it is");
}

#[test]
fn texts_that_no_store_keeps_are_refused() {
    #[derive(Debug, Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Anything {
        name: String,
        count: u32,
        rest: Value,
    }
    let document = json!({"name": "a\0", "count": "x", "rest": {"b": ["fine", "\0"], "c\0/": 1, "d": {"\0": "\0"}}});
    for outcome in [read::<Anything>(document.clone()), read_then(document, Ok::<Anything, Error>)] {
        let Err(Error::Invalid(faults)) = outcome else { panic!() };
        let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        pointers.sort_unstable();
        pointers.dedup();
        assert_eq!(pointers, ["/count", "/name", "/rest/b/1", "/rest/c\0~1", "/rest/d/\0"]);
    }
    assert!(read::<Anything>(json!({"name": "a\u{1}", "count": 1, "rest": "\\u0000"})).is_ok());
}

// What stands in for a value must not be what another is wrong by.
#[test]
fn nothing_is_said_that_follows_from_what_stands_in() {
    #[derive(Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    struct Batch {
        form: Form,
        n: u64,
        #[deserr(default)]
        k: Option<u64>,
        #[deserr(try_from(String) = not_empty -> Reject)]
        #[expect(dead_code, reason = "only read")]
        name: String,
        #[deserr(default = "b".to_owned())]
        other: String,
        #[deserr(default)]
        list: Vec<String>,
    }
    #[derive(Deserr, PartialEq, Clone, Copy)]
    #[deserr(error = Faults, rename_all = lowercase)]
    enum Form {
        Bare,
        Full,
    }
    fn not_empty(text: String) -> Result<String, Reject> {
        if text.is_empty() { Err(Reject("is empty".to_owned())) } else { Ok(text) }
    }
    let make = |read: Batch| {
        let mut faults = Vec::new();
        let mut say = |wrong: bool, at: &str| faults.extend(wrong.then(|| Fault::new(at, "is wrong")));
        say(read.k.is_some_and(|k| k > read.n), "/k");
        say(read.form == Form::Full && read.k.is_none(), "/k");
        say(read.form == Form::Bare && read.k.is_some(), "/k");
        say(read.other == "a", "/other");
        say(read.list.len() > 2, "/list");
        let mut seen = std::collections::HashSet::new();
        for (at, text) in read.list.iter().enumerate() {
            say(!seen.insert(text), &format!("/list/{at}"));
        }
        Error::unless_empty(faults)
    };
    let pointers = |document: Value| {
        let Err(Error::Invalid(faults)) = read_then(document, make) else { return Vec::new() };
        let mut pointers: Vec<_> = faults.into_iter().map(|fault| fault.pointer).collect();
        pointers.sort();
        pointers
    };
    let nothing: [&str; 0] = [];
    assert_eq!(pointers(json!({"form": "full", "n": 3, "k": 2, "name": "x"})), nothing);
    assert_eq!(pointers(json!({"form": "full", "n": 1, "k": 2, "name": "x"})), ["/k"]);
    assert_eq!(pointers(json!({"form": "full", "n": "1", "k": 2, "name": "x"})), ["/n"]);
    assert_eq!(
        pointers(json!({"form": "full", "n": 1, "k": "2", "name": "", "other": "a"})),
        ["/k", "/name", "/other"]
    );
    for form in [json!("x"), json!(5)] {
        let of = |k: Value| json!({"form": form, "n": 1, "k": k, "name": "x", "other": "a"});
        assert_eq!(pointers(of(json!(1))), ["/form", "/other"]);
        assert_eq!(pointers(of(json!(null))), ["/form", "/other"]);
        assert_eq!(pointers(of(json!(2))), ["/form", "/k", "/other"]);
    }
    assert_eq!(pointers(json!({"n": 1, "k": 1})), ["/form", "/name"]);
    let of = |list: Value| json!({"form": "bare", "n": 1, "name": "x", "list": list});
    assert_eq!(pointers(of(json!(["a", 5, "a"]))), ["/list", "/list/1", "/list/2"]);
    assert_eq!(pointers(of(json!([5, {}]))), ["/list/0", "/list/1"]);
    assert_eq!(pointers(of(json!([5, null, "\0"]))), ["/list", "/list/0", "/list/1", "/list/2"]);
    assert_eq!(pointers(json!({"form": "bare", "n": 1, "name": "x", "other": 7})), ["/other"]);
    let Err(Error::Invalid(faults)) = read::<Batch>(json!({"form": "bare", "n": -1, "k": 1e300, "name": "x"})) else {
        panic!("no faults");
    };
    assert!(faults.iter().all(|fault| !fault.message.contains("deserialize")), "{faults:?}");
}

// What is told of all readings is so, whatever stands in.
#[test]
fn what_holds_of_all_that_may_stand_there_is_told() {
    #[derive(Deserr)]
    #[deserr(error = Faults, deny_unknown_fields)]
    struct Measured {
        #[deserr(default)]
        form: Option<Form>,
        #[deserr(default)]
        hits: Option<u64>,
        #[deserr(default)]
        mean: Option<f64>,
        #[deserr(default)]
        least: Option<f64>,
        #[deserr(default)]
        shares: Option<Members<u32>>,
        #[deserr(default)]
        labels: Vec<(String, u64)>,
        #[deserr(default)]
        remove: Vec<String>,
    }
    #[derive(Deserr, PartialEq, Clone, Copy)]
    #[deserr(error = Faults, rename_all = lowercase)]
    enum Form {
        Few,
        Some,
        Many,
        All,
    }
    let make = |read: Measured| {
        let mut faults = Vec::new();
        let mut say = |wrong: bool, at: &str, message: String| faults.extend(wrong.then(|| Fault::new(at, message)));
        say(read.hits.is_some() == read.mean.is_some(), "", "is one or the other".to_owned());
        say(read.mean.is_some_and(|mean| read.least.is_some_and(|least| mean < least)), "/mean", "is low".to_owned());
        let middle = matches!(read.form, Some(Form::Some | Form::Many));
        say(middle && read.remove.is_empty(), "/remove", "is needed".to_owned());
        say(read.form.is_some_and(|form| form != Form::Some) && read.hits == Some(7), "/hits", "is 7".to_owned());
        say(read.form.is_some() && read.hits == Some(8), "/hits", "is 8".to_owned());
        let sum = read.shares.as_ref().map(|shares| shares.0.values().map(|share| u64::from(*share)).sum::<u64>());
        say(sum.is_some_and(|sum| sum != 10), "/shares", format!("sum to 10, not {sum:?}"));
        say(read.shares.is_some() && read.form.is_some(), "/shares", "does not go with a form".to_owned());
        let counted: u64 = read.labels.iter().map(|(_, count)| *count).fold(0, u64::saturating_add);
        say(counted > 10, "/labels", "count more than 10".to_owned());
        Error::unless_empty(faults)
    };
    let told = |document: Value| {
        let Err(Error::Invalid(faults)) = read_then(document, make) else { return Vec::new() };
        let mut told: Vec<_> = faults.into_iter().map(|fault| fault.pointer).collect();
        told.sort();
        told
    };
    for (document, expected) in [
        // What can't be read is there all the same.
        (json!({"hits": "x", "mean": 1}), vec!["", "/hits"]),
        (json!({"hits": "x", "mean": []}), vec!["", "/hits", "/mean"]),
        (json!({"hits": "x"}), vec!["/hits"]),
        (json!({"more": 1}), vec!["", "/more"]),
        (json!({"hits": 1, "form": "some", "remove": "x"}), vec!["/remove"]),
        (json!({"hits": 1, "form": "some", "remove": [5]}), vec!["/remove/0"]),
        // No number is low enough, or high enough, for all.
        (json!({"mean": -5, "least": "x"}), vec!["/least"]),
        (json!({"mean": "x", "least": 5}), vec!["/mean"]),
        // Names in the middle of a list are names, too.
        (json!({"hits": 1, "form": "none"}), vec!["/form"]),
        (json!({"hits": 7, "form": 5}), vec!["/form"]),
        (json!({"hits": 8, "form": null}), vec![]),
        (json!({"hits": 8, "form": "none"}), vec!["/form", "/hits"]),
        // A sum says nothing without all of its parts; that there is one does.
        (json!({"hits": 1, "shares": {"a": 3, "b": "x"}}), vec!["/shares/b"]),
        (json!({"hits": 1, "form": "few", "shares": {"a": 3, "b": "x"}}), vec!["/shares", "/shares/b"]),
        // More than enough is too much, whatever the rest is.
        (json!({"hits": 1, "labels": [["a", 11], ["b", "x"], ["c"]]}), vec!["/labels", "/labels/1/1", "/labels/2"]),
        (json!({"hits": 1, "labels": [["a", 10], ["b", 1, 1]]}), vec!["/labels/1"]),
    ] {
        assert_eq!(told(document.clone()), expected, "{document}");
    }
}

#[test]
fn a_merge_patch_replaces_and_removes() {
    let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1]});
    merge_patch(&mut target, json!({"a": {"b": null, "e": {"f": null}}, "d": 3}));
    assert_eq!(target, json!({"a": {"c": 2, "e": {}}, "d": 3}));
}

#[test]
fn a_document_of_faults_is_answered_with_some() {
    let many = json!({"name": "n", "count": 1, "inner": vec![0; 200_000]});
    let Err(Error::Invalid(faults)) = read_then::<Outer, ()>(many, |_| Ok(())) else { panic!("no faults") };
    assert_eq!(faults.len(), TOLD);
    let more = (0..200_000).map(|i| Fault::new(format!("/x/{i}"), "wrong"));
    let mut known: Vec<_> = more.clone().take(10).collect();
    add(&mut known, more.clone());
    assert_eq!((known.len(), known[TOLD - 1].pointer.as_str()), (TOLD, "/x/999"));
    let mut found = Found::default();
    found.add(more);
    assert_eq!(found.into_faults().len(), TOLD);
}
