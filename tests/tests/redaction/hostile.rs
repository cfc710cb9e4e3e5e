//! Texts with a secret, in the forms that providers, protocols and programs write.

use super::random::Random;

#[derive(Clone, Copy)]
pub(crate) enum HostilePlace {
    Text,
    Query,
    Path,
    Value(&'static str),
}

/// A text, and the parts of it that must not be kept.
pub(crate) struct Hostile {
    pub(crate) text: String,
    pub(crate) secrets: Vec<String>,
    pub(crate) place: HostilePlace,
}

fn hostile(text: String, secret: &str) -> Hostile {
    Hostile { text, secrets: vec![secret.to_owned()], place: HostilePlace::Text }
}

pub(crate) fn all(random: &mut Random) -> Vec<Hostile> {
    let mut all = Vec::new();
    keys(&mut all, random);
    named_values(&mut all, random);
    authorization(&mut all, random);
    urls(&mut all, random);
    queries(&mut all, random);
    personal(&mut all, random);
    cards(&mut all, random);
    forms(&mut all, random);
    all
}

/// Sentences and formats around a secret. `{}` is its place.
const AROUND: [&str; 12] = [
    "{}",
    "got {} from the upstream",
    "error: invalid credentials ({})",
    "{\"value\":\"{}\",\"n\":1}",
    "{\\\"value\\\":\\\"{}\\\"}",
    "https://api.example.com/v1/items?x={}&page=2",
    "X-Custom: {}",
    "the key '{}' was rejected.",
    "[{}]",
    "value={}, n=1",
    "curl -u {}: https://api.example.com",
    "export VALUE=\"{}\"\n",
];

/// Keys of providers, as their documentation and the scanners of repositories describe them.
fn provider_keys(random: &mut Random) -> Vec<String> {
    let r = random;
    vec![
        format!("AKIA{}", r.upper(16)),
        format!("ASIA{}", r.upper(16)),
        format!("ghp_{}", r.base62(36)),
        format!("gho_{}", r.base62(36)),
        format!("ghu_{}", r.base62(36)),
        format!("ghs_{}", r.base62(36)),
        format!("ghr_{}", r.base62(36)),
        format!("github_pat_{}_{}", r.base62(22), r.base62(59)),
        format!("glpat-{}", r.base64url(20)),
        format!("glpat-{}.01.{}", r.base64url(27), r.lower(9)),
        format!("gldt-{}", r.base62(20)),
        format!("glrt-{}", r.base62(20)),
        format!("xoxb-{}-{}-{}", r.digits(12), r.digits(13), r.base62(24)),
        format!("xoxp-{}-{}-{}-{}", r.digits(12), r.digits(12), r.digits(12), r.hex(32)),
        format!("xoxa-2-{}-{}", r.digits(12), r.base62(24)),
        format!("xapp-1-A{}-{}-{}", r.upper(10), r.digits(13), r.hex(64)),
        format!("sk_live_{}", r.base62(24)),
        format!("sk_test_{}", r.base62(99)),
        format!("rk_live_{}", r.base62(24)),
        format!("whsec_{}", r.base62(32)),
        format!("AIza{}", r.base64url(35)),
        format!("ya29.{}", r.base64url(68)),
        format!("GOCSPX-{}", r.base64url(28)),
        format!("sk-{}", r.base62(48)),
        format!("sk-proj-{}", r.base64url(74)),
        format!("sk-ant-api03-{}AA", r.base64url(93)),
        format!("SG.{}.{}", r.base64url(22), r.base64url(43)),
        format!("npm_{}", r.base62(36)),
        format!("pypi-AgEIcHlwaS5vcmc{}", r.base64url(60)),
        format!("rubygems_{}", r.hex(48)),
        format!("hvs.{}", r.base64url(95)),
        format!("hvb.{}", r.base64url(150)),
        format!("dop_v1_{}", r.hex(64)),
        format!("shpat_{}", r.hex(32)),
        format!("shpss_{}", r.hex(32)),
        format!("SK{}", r.hex(32)),
        format!("{}-us12", r.hex(32)),
        format!("{}:AA{}", r.text("123456789", 9), r.base64url(33)),
        format!("hf_{}", r.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 34)),
        format!("gsk_{}", r.base62(52)),
        format!("NRAK-{}", r.upper(27)),
        format!("PMAK-{}-{}", r.hex(24), r.hex(34)),
        format!("lin_api_{}", r.base62(40)),
        format!("glsa_{}_{}", r.base62(32), r.hex(8)),
        format!("sntrys_{}", r.base62(80)),
        format!("dckr_pat_{}", r.base64url(27)),
        format!("{}.atlasv1.{}", r.base62(14), r.base62(67)),
        format!("ATATT3xFfGF0{}={}", r.base64url(170), r.upper(8)),
        format!("rzp_live_{}{}1", r.base62(8), r.base62(8)),
        format!("sbp_{}", r.hex(40)),
        format!("tskey-auth-{}CNTRL-{}", r.base62(10), r.base62(32)),
        format!("AGE-SECRET-KEY-1{}", r.text("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
        format!("xkeysib-{}-{}", r.hex(64), r.base62(16)),
        format!("LTAI{}", r.base62(20)),
        format!("AKID{}", r.base62(32)),
        format!("pscale_tkn_{}", r.base64url(43)),
        format!("figd_{}", r.base64url(40)),
        format!("sq0atp-{}", r.base64url(22)),
        format!("pul-{}", r.hex(40)),
        format!("dapi{}", r.hex(32)),
    ]
}

fn keys(all: &mut Vec<Hostile>, random: &mut Random) {
    for _ in 0..5 {
        for key in provider_keys(random) {
            let around = random.one(&AROUND).replace("{}", &key);
            all.push(hostile(around, &key));
        }
    }
    for secret in [
        format!("T{}/B{}/{}", random.upper(8), random.upper(10), random.base62(24)),
        format!("T{}/B{}/{}", random.upper(10), random.upper(10), random.base62(24)),
    ] {
        all.push(hostile(
            format!("cannot post to https://hooks.slack.com/services/{secret}: timeout"),
            &secret,
        ));
    }
    for host in ["discord.com", "discordapp.com"] {
        let secret = format!("{}/{}", random.digits(18), random.base64url(68));
        all.push(hostile(format!("POST https://{host}/api/webhooks/{secret} failed"), &secret));
    }
}

/// Passwords that people choose and programs generate.
fn password(random: &mut Random) -> String {
    match random.below(7) {
        0 => format!("hunter{}", random.digits(3)),
        1 => format!("Summer20{}!", random.digits(2)),
        2 => random.base62(16),
        3 => format!("{}${}#{}", random.lower(4), random.base62(4), random.digits(2)),
        4 => format!("{}-{}", random.lower(6), random.lower(6)),
        5 => random.hex(32),
        _ => format!("p{}ssw{}rd", random.digits(1), random.digits(1)),
    }
}

const NAMES: [&str; 34] = [
    "password",
    "Password",
    "PASSWORD",
    "passwd",
    "pwd",
    "passphrase",
    "db_password",
    "DB_PASS",
    "PGPASSWORD",
    "MYSQL_PWD",
    "redis.password",
    "user.password",
    "spring.datasource.password",
    "secret",
    "client_secret",
    "clientSecret",
    "AWS_SECRET_ACCESS_KEY",
    "webhook_secret",
    "api_key",
    "apiKey",
    "API-KEY",
    "X-Api-Key",
    "x-auth-token",
    "token",
    "access_token",
    "refreshToken",
    "id_token",
    "GITHUB_TOKEN",
    "csrf_token",
    "session_id",
    "sessionid",
    "JSESSIONID",
    "private_key",
    "encryption_key",
];

fn named_values(all: &mut Vec<Hostile>, random: &mut Random) {
    for name in NAMES {
        for _ in 0..6 {
            let secret = password(random);
            let pair = match random.below(12) {
                0 => format!("{name}={secret}"),
                1 => format!("{name} = {secret}"),
                2 => format!("{name}: {secret}"),
                3 => format!("{name}:{secret}"),
                4 => format!("{{\"{name}\":\"{secret}\",\"n\":1}}"),
                5 => format!("{{\"{name}\": \"{secret}\"}}"),
                6 => format!("{name}='{secret}'"),
                7 => format!("{name} => \"{secret}\""),
                8 => format!("{{\\\"{name}\\\":\\\"{secret}\\\"}}"),
                9 => format!("Config {{ {name}: \"{secret}\", port: 5432 }}"),
                10 => format!("Config {{ {name}: Some(\"{secret}\") }}"),
                _ => format!("?page=1&{name}={secret}&sort=asc"),
            };
            let text = match random.below(5) {
                0 => pair,
                1 => format!("login failed for jane with {pair}"),
                2 => format!("{pair}\nhost: db.example.com\n"),
                3 => format!("level=info msg=start {pair} port=5432"),
                _ => format!("[2026-11-20 13:20:09] request: {pair}"),
            };
            all.push(hostile(text, &secret));
        }
    }
    for name in ["pin", "cvv", "otp", "password", "passcode", "ssn", "totp", "pin_code"] {
        let secret = random.text("123456789", 6);
        all.push(hostile(format!("{{\"{name}\":{secret},\"n\":1}}"), &secret));
        all.push(hostile(format!("{{\"n\": 1, \"{name}\": {secret}}}"), &secret));
        all.push(hostile(format!("Card {{ {name}: {secret}, year: 2027 }}"), &secret));
    }
    for name in ["password", "pwd", "Passphrase", "db.password"] {
        let (first, rest) = (random.lower(6), random.lower(7));
        let both = [first.clone(), rest.clone()];
        for text in [
            format!("Server=db;{name}={first} {rest};Database=shop"),
            format!("{name}={first},{rest}"),
            format!("{name}={first}, {rest}; host=db"),
            format!("host=db {name}={first} {rest} sslmode=require"),
            format!("{name}=\"{first} {rest}\""),
            format!("{name}: '{first}, {rest}'"),
        ] {
            all.push(Hostile { text, secrets: both.to_vec(), place: HostilePlace::Text });
        }
    }
    for name in ["password", "x-api-key", "authorization", "cookie", "session.id"] {
        let secret = password(random);
        all.push(Hostile { text: secret.clone(), secrets: vec![secret], place: HostilePlace::Value(name) });
    }
}

fn authorization(all: &mut Vec<Hostile>, random: &mut Random) {
    for _ in 0..3 {
        let (long, short, hex) = (random.base62(44), random.base64url(24), random.hex(32));
        for (credentials, secret) in [
            (format!("Bearer {short}"), &short),
            (format!("Basic {long}=="), &long),
            (format!("Token {hex}"), &hex),
            (format!("ApiKey {long}"), &long),
            (format!("Negotiate YII{long}"), &long),
            (format!("NTLM TlRMTVNTUAAB{long}"), &long),
            (format!("SSWS 00{short}"), &short),
            (format!("SharedKey account:{long}="), &long),
            (
                format!(
                    "Digest username=\"jane\", realm=\"shop\", nonce=\"{short}\", uri=\"/orders\", response=\"{hex}\""
                ),
                &hex,
            ),
            (
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261120/eu-west-1/s3/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={hex}"
                ),
                &hex,
            ),
            (format!("Hawk id=\"dh37\", ts=\"1795180809\", nonce=\"j4h3g2\", mac=\"{long}=\""), &long),
            (format!("OAuth oauth_consumer_key=\"{short}\", oauth_signature=\"{long}\""), &long),
            (format!("GoogleLogin auth={long}"), &long),
            (format!("PrivateToken token=\"{long}\""), &long),
        ] {
            let text = match random.below(5) {
                0 => format!("Authorization: {credentials}\r\nHost: example.com"),
                1 => format!("\"authorization\": \"{}\"", credentials.replace('"', "\\\"")),
                2 => format!("proxy-authorization={credentials}"),
                3 => format!("request with authorization: {credentials}"),
                _ => format!("> authorization: {credentials}"),
            };
            all.push(hostile(text, secret));
        }
    }
}

fn urls(all: &mut Vec<Hostile>, random: &mut Random) {
    let schemes = [
        "postgres",
        "postgresql",
        "mysql",
        "redis",
        "rediss",
        "amqp",
        "mongodb+srv",
        "https",
        "http",
        "ftp",
        "smtp",
        "ldap",
        "nats",
    ];
    for scheme in schemes {
        for special in ["", "/", "?", "#", "@", ":", "%2F", "&"] {
            let secret = format!("{}{special}{}", random.lower(5), random.base62(5));
            let user = random.one(&["app", "shop", "", "jane.doe"]);
            let text = format!("cannot connect to {scheme}://{user}:{secret}@db-1.example.com:5432/shop?x=1");
            all.push(hostile(text, &secret));
        }
    }
}

/// Percent-encodes all bytes that are not letters or digits.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn queries(all: &mut Vec<Hostile>, random: &mut Random) {
    let keys = [
        "pass",
        "PASS",
        "code",
        "Code",
        "state",
        "STATE",
        "code_verifier",
        "signature",
        "Signature",
        "SIGNATURE",
        "sig",
        "X-Amz-Signature",
        "x-amz-signature",
        "X-Goog-Signature",
        "x-amz-security-token",
        "token",
        "api_key",
        "apikey",
        "access_token",
        "client_secret",
        "password",
        "auth",
        "session",
        "sid",
        "otp",
        "SAMLResponse",
        "client_assertion",
        "id_token_hint",
    ];
    for key in keys {
        let secret = random.base64url(20);
        let query = format!("page=2&{key}={secret}&sort=asc");
        all.push(Hostile { text: query.clone(), secrets: vec![secret.clone()], place: HostilePlace::Query });
        all.push(hostile(format!("error for url (https://example.com/cb?{query})"), &secret));
        // A URL within a query, encoded once and twice.
        let once = encoded(&format!("https://example.com/cb?{query}"));
        for next in [encoded(&once), once] {
            let text = format!("next={next}&x=1");
            all.push(Hostile { text, secrets: vec![secret.clone()], place: HostilePlace::Query });
        }
    }
    for _ in 0..6 {
        let secret = format!("{}@{}.example.com", random.lower(6), random.lower(4));
        let (once, twice) = (encoded(&secret), encoded(&encoded(&secret)));
        for text in [&secret, &once, &twice] {
            let secrets = vec![text.clone()];
            all.push(Hostile {
                text: format!("to={text}&x=1"),
                secrets: secrets.clone(),
                place: HostilePlace::Query,
            });
            all.push(Hostile { text: format!("/users/{text}/orders"), secrets, place: HostilePlace::Path });
        }
    }
}

fn personal(all: &mut Vec<Hostile>, random: &mut Random) {
    for _ in 0..4 {
        for secret in [
            format!("{}.{}@example.com", random.lower(4), random.lower(5)),
            format!("{}+shop@mail.example.co.uk", random.lower(6)),
            format!("jörg.{}@müller.example", random.lower(3)),
            format!("eyJ{}.eyJ{}.{}", random.base64url(30), random.base64url(60), random.base64url(43)),
            "DE89 3704 0044 0532 0130 00".to_owned(),
            "GB29NWBK60161331926819".to_owned(),
            "FR14 2004 1010 0505 0001 3M02 606".to_owned(),
        ] {
            let around = random.one(&AROUND[..4]).replace("{}", &secret);
            all.push(hostile(around, &secret));
        }
        let body = random.base62(64);
        for label in ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY"] {
            let text = format!("-----BEGIN {label}-----\n{body}\n{body}\n-----END {label}-----\n");
            all.push(hostile(format!("cannot parse {text}"), &body));
        }
    }
}

fn cards(all: &mut Vec<Hostile>, random: &mut Random) {
    // The test numbers of payment services.
    for card in [
        "4111111111111111",
        "4242424242424242",
        "5555555555554444",
        "2223003122003222",
        "6011111111111117",
        "3530111333300000",
        "6205500000000000004",
        "378282246310005",
    ] {
        for separator in ["", " ", "-", ".", "_", "/", "  ", "\u{a0}", "\u{2011}"] {
            let groups: Vec<String> = if card.len() == 15 {
                vec![card[..4].to_owned(), card[4..10].to_owned(), card[10..].to_owned()]
            } else {
                card.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect()
            };
            let secret = groups.join(separator);
            let around = random.one(&AROUND[..5]).replace("{}", &secret);
            all.push(hostile(around, &secret));
        }
    }
}

fn forms(all: &mut Vec<Hostile>, random: &mut Random) {
    for _ in 0..4 {
        let secret = format!("{}7", random.base62(11));
        for text in [
            format!("Cookie: theme=dark; sid={secret}; lang=de"),
            format!("Set-Cookie: id={secret}; Path=/; HttpOnly"),
            format!("cookie={secret}"),
            format!("\"set-cookie\": \"id={secret}; Path=/\""),
            format!("<soap:Body><Password>{secret}</Password></soap:Body>"),
            format!("<wsse:Password Type=\"Text\">{secret}</wsse:Password>"),
            format!("mysql --user app --password {secret} --host db"),
            format!("curl --token={secret} https://example.com"),
            format!("deploy --api-key {secret}"),
            format!("redirect to /login%3Ftoken%3D{secret}%26x%3D1"),
            format!("redirect to /login%253Ftoken%253D{secret}"),
            format!("tokens: [\"{secret}\", \"other\"]"),
        ] {
            all.push(hostile(text, &secret));
        }
    }
}
