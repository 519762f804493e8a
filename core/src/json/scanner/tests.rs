use super::*;

fn scan(text: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut scanner = Scanner::new(text);
    let mut tokens = vec![scanner.next()?];
    while scanner.depth() > 0 {
        tokens.push(scanner.next()?);
    }
    scanner.finish()?;
    Ok(tokens)
}

#[test]
fn a_text_becomes_its_tokens() {
    use Token::*;
    let tokens = [
        ArrayStart,
        Int("-1"),
        Float("2.5e+1"),
        ObjectStart,
        Key("\"k\""),
        Null,
        Key("\"l\""),
        ArrayStart,
        End,
        End,
        True,
        False,
        String("\"\\n\""),
        ObjectStart,
        End,
        End,
    ];
    assert_eq!(scan(r#" [ -1 ,2.5e+1,{"k" : null,"l":[ ]},true,false,"\n",{ }] "#), Ok(tokens.to_vec()));
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "[}",
        "{]",
        "[01]",
        "[-]",
        "[1.]",
        "[.5]",
        "[1e]",
        "[+1]",
        "[NaN]",
        "[-Infinity]",
        "[nul]",
        "[\"a]",
        "[\"\\x\"]",
        "[\"\t\"]",
        "[\"\\u12g4\"]",
        "[\"\\u12\"]",
        "[1]]",
        "[1],",
        "//",
        "[1e999]",
    ] {
        assert_eq!(scan(text), Err(Fault::Syntax), "{text}");
    }
}

#[test]
fn integers_have_64_bits() {
    for text in ["[9223372036854775807]", "[-9223372036854775808]", "[-0]", "[0]", "[1e30]", "[18446744073709551616.0]"]
    {
        assert!(scan(text).is_ok(), "{text}");
    }
    for text in ["[9223372036854775808]", "{\"a\":[-9223372036854775809]}", "[1000000000000000000000"] {
        assert_eq!(scan(text), Err(Fault::WideInteger), "{text}");
    }
    assert!(scan("[\"9223372036854775808\"]").is_ok());
}

#[test]
fn surrogates_come_in_pairs() {
    assert!(scan(r#"["\ud83d\ude00","\u0000","\uffff"]"#).is_ok());
    for text in [
        r#"["\ud800"]"#,
        r#"["\ude00"]"#,
        r#"["\ud800\ud800"]"#,
        r#"["\ud800x"]"#,
        r#"["\ud800\n"]"#,
        r#"{"\udfff":1}"#,
    ] {
        assert_eq!(scan(text), Err(Fault::Syntax), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(scan(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(scan(&deep(MAX_DEPTH + 1)), Err(Fault::Syntax));
    assert_eq!(scan(&"[".repeat(MAX_DEPTH)), Err(Fault::Syntax));
}

#[test]
fn long_strings_end_where_they_end() {
    for length in 0..100 {
        let text = format!("[\"{}\\\"{}\"]", "a".repeat(length), "é".repeat(40));
        assert!(scan(&text).is_ok(), "{length}");
        assert_eq!(scan(&format!("[\"{}\n\"]", "a".repeat(length))), Err(Fault::Syntax));
    }
}

#[test]
fn escapes_stand_for_characters() {
    assert_eq!(unescape(r#""a\u0062\/\n""#), Ok(Cow::from("ab/\n")));
    assert!(matches!(unescape("\"plain\""), Ok(Cow::Borrowed("plain"))));
}

#[test]
fn what_needs_an_escape_is_not_plain() {
    for text in ["", "plain", "éééééééé", "a longer text, of more than one word"] {
        assert!(is_plain(text), "{text}");
    }
    for special in ["\"", "\\", "\n", "\u{1f}"] {
        for before in 0..20 {
            assert!(!is_plain(&format!("{}{special}", "a".repeat(before))), "{before} {special:?}");
        }
    }
}
