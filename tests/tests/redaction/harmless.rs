//! Texts of services without a secret: log messages, errors, URLs, names, numbers and documents.

use super::random::Random;

pub(crate) fn all(random: &mut Random) -> Vec<String> {
    let mut all: Vec<String> = include_str!("harmless.txt").lines().map(ToOwned::to_owned).collect();
    assert!(all.len() >= 300, "{} written texts", all.len());
    while all.len() < 2_400 {
        all.extend(generated(random));
    }
    all
}

const WORDS: [&str; 48] = [
    "order",
    "cart",
    "item",
    "user",
    "payment",
    "invoice",
    "stock",
    "price",
    "search",
    "report",
    "worker",
    "queue",
    "cache",
    "index",
    "shard",
    "replica",
    "region",
    "tenant",
    "export",
    "import",
    "batch",
    "stream",
    "event",
    "metric",
    "trace",
    "span",
    "route",
    "handler",
    "client",
    "server",
    "socket",
    "buffer",
    "schema",
    "column",
    "table",
    "query",
    "config",
    "module",
    "package",
    "release",
    "branch",
    "commit",
    "author",
    "comment",
    "review",
    "catalog",
    "basket",
    "session-store",
];

/// One text of each template.
fn generated(r: &mut Random) -> Vec<String> {
    let word = |r: &mut Random| (*r.one(&WORDS)).to_owned();
    let (a, b, c) = (word(r), word(r), word(r));
    let number = |r: &mut Random, end: usize| r.below(end);
    let version = format!("{}.{}.{}", number(r, 20), number(r, 30), number(r, 40));
    let address = format!("10.{}.{}.{}", number(r, 256), number(r, 256), number(r, 256));
    let time = format!(
        "2026-{:02}-{:02}T{:02}:{:02}:{:02}.{}Z",
        1 + number(r, 12),
        1 + number(r, 28),
        number(r, 24),
        number(r, 60),
        number(r, 60),
        r.digits(6)
    );
    let milliseconds = format!("17951{}", r.digits(8));
    let level = *r.one(&["debug", "info", "warn", "error"]);
    let (hash, short) = (r.hex(64), r.hex(7));
    let pod = format!("{a}-api-{}-{}", r.lower(10), r.text("bcdfghjklmnpqrstvwxz2456789", 5));
    let port = 1_024 + number(r, 60_000);
    let (sha1, uuid) = (r.hex(40), r.uuid());
    vec![
        format!("{time} {level} {a}: {b} {} processed in {} ms", number(r, 100_000), number(r, 5_000)),
        format!("[{time}] {level} {a}_{b}::{c}: took {}µs", number(r, 90_000)),
        format!(
            "level={level} ts={milliseconds} msg=\"{a} {b}\" {c}={} host={address}:{port}",
            number(r, 1_000)
        ),
        format!(
            "{{\"time\":\"{time}\",\"level\":\"{level}\",\"{a}\":{},\"{b}\":\"{c}\"}}",
            number(r, 1 << 30)
        ),
        format!("connection to {address}:{port} refused: os error 111"),
        format!("cannot resolve {a}-{b}.svc.cluster.local:{port}: no such host"),
        format!("GET /{a}s/{}/{b}s?page={}&sort={c} HTTP/1.1", number(r, 1 << 20), number(r, 90)),
        format!("https://{a}.example.com/{b}/{}/{c}.html#section-{}", number(r, 9_999), number(r, 20)),
        format!("http://{address}:{port}/@{a}/{b}?tag={c}&limit={}", number(r, 500)),
        format!("/{a}s/{uuid}/{b}"),
        format!("/static/{a}.{short}.min.js"),
        format!("/npm/@{a}/{b}@{version}/dist/{c}.js"),
        format!("{a}@{version}"),
        format!("github.com/{a}/{b}@v{version}"),
        format!("k8s.io/{a}@v0.{}.{}", number(r, 40), number(r, 20)),
        format!("golang.org/x/{a}@v0.0.0-20{}{}-{}", 20 + number(r, 7), r.text("01", 10), r.hex(12)),
        format!("git@github.com:{a}/{b}.git"),
        format!("registry.example.com/{a}/{b}:{version}@sha256:{hash}"),
        format!("sha256:{hash}"),
        format!("ETag: W/\"{}\"", r.base62(27)),
        format!("integrity=\"sha384-{}\"", r.base62(64)),
        format!("commit {sha1} ({a}/{b})"),
        format!("00-{}-{}-01", r.hex(32), r.hex(16)),
        uuid.clone(),
        format!("request {} failed", r.upper(26)),
        format!("arn:aws:s3:::{a}-{b}-{}", number(r, 999)),
        format!("arn:aws:iam::{}:role/{a}-{b}", r.digits(12)),
        format!("s3://{a}-{b}/{c}/2026/11/20/part-{}.parquet", r.digits(5)),
        format!("pod {pod} restarted {} times", number(r, 9)),
        format!(
            "duration={}.{}s count={} errors={}",
            number(r, 60),
            r.digits(9),
            number(r, 9_999),
            number(r, 9)
        ),
        format!("order {} of {} for 12{}", r.digits(10), time, r.digits(4)),
        format!("timestamp {milliseconds} is after 17951{}", r.digits(14)),
        format!("code={} state={a} pass={} fail={}", 100 + number(r, 500), number(r, 99), number(r, 9)),
        format!("status: {level}, code: {}, state: {a}ed", number(r, 600)),
        format!("token_type=bearer expires_in={} scope={a}:{b}", number(r, 90_000)),
        format!("max_tokens={} temperature=0.{}", number(r, 9_000), number(r, 9)),
        format!(
            "usage: prompt_tokens={} completion_tokens={} total_tokens={}",
            number(r, 999),
            number(r, 999),
            number(r, 999)
        ),
        format!(
            "{{\"usage\":{{\"input_tokens\":{},\"output_tokens\":{}}}}}",
            number(r, 9_999),
            number(r, 9_999)
        ),
        format!("unexpected token: \",\" at line {} column {}", number(r, 500), number(r, 80)),
        format!("unexpected token `{a}` in JSON at position {}", number(r, 9_999)),
        format!("expected token: {a}, found {b}"),
        format!(
            "thread '{a}-{}' panicked at src/{b}/{c}.rs:{}:{}",
            number(r, 9),
            number(r, 900),
            number(r, 80)
        ),
        format!("   {}: {a}::{b}::{c}::h{}", number(r, 40), r.hex(16)),
        format!("{a}.{b}.{c} = {}", number(r, 9_999)),
        format!(
            "{}_{}_{}_seconds_bucket{{le=\"0.{}\",route=\"/{a}s/{{id}}\"}} {}",
            a,
            b,
            c,
            number(r, 9),
            number(r, 9_999)
        ),
        format!("SELECT {a}_id, {b} FROM {c}s WHERE {a}_id = ${} LIMIT {}", 1 + number(r, 5), number(r, 100)),
        format!("duplicate key value violates unique constraint \"{a}_{b}_key\""),
        format!("Content-Type: application/vnd.{a}.v{}+json; charset=utf-8", number(r, 5)),
        format!(
            "Cache-Control: public, max-age={}, stale-while-revalidate={}",
            number(r, 90_000),
            number(r, 900)
        ),
        format!(
            "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
            100 + number(r, 50)
        ),
        format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.{1}.{2} \
             Safari/537.36 Edg/{0}.0.{1}.{2}",
            100 + number(r, 40),
            1_000 + number(r, 9_000),
            number(r, 200)
        ),
        format!("{a}/{version} (+https://{b}.example.com/bot)"),
        format!("MAC 02:{0}:{0}:{1}:{1}:{0}", r.hex(2), r.hex(2)),
        format!("2001:db8:{}:{}::{}", r.hex(4), r.hex(4), r.hex(2)),
        format!("+49 30 {} {}", r.digits(4), r.digits(4)),
        format!("ISBN 978-3-{}-{}-{}", r.digits(5), r.digits(3), r.digits(1)),
        format!("lat={}.{} lon={}.{}", number(r, 90), r.digits(14), number(r, 180), r.digits(13)),
        format!("{{\"id\":\"{uuid}\",\"parent\":null,\"{a}_at\":\"{time}\",\"tags\":[\"{b}\",\"{c}\"]}}"),
        format!(
            "{{\"error\":{{\"code\":{},\"message\":\"{a} {b} not found\",\"type\":\"{c}_error\"}}}}",
            number(r, 600)
        ),
        format!("/var/log/{a}/{b}.2026112{}T143000.{}Z.jsonl.gz", number(r, 9), r.digits(3)),
        format!("C:\\Users\\{a}\\AppData\\Local\\{b}\\{c}.dll"),
        format!("crates {a}-{b} v{version} (/build/{c})"),
        format!("<{a} class=\"sk-{b}-{c} btn-primary\">{} items</{a}>", number(r, 50)),
        format!("retry {} of 5 after {}ms: {a} {b} timed out", number(r, 5), number(r, 5_000)),
        format!("session {a} closed after {} requests", number(r, 900)),
        format!(
            "session_timeout={}s session_length={} token_count={}",
            number(r, 900),
            number(r, 900),
            number(r, 900)
        ),
        format!("{a}: {b} {c} {}%", number(r, 100)),
        format!("image data:image/png;base64,iVBORw0KGgo{}", r.base62(60)),
    ]
}
