//! Names that mean secrets.

use super::{
    letter_set::{LetterSet, letters},
    secret_kind::SecretKind,
    words::Words,
};

/// Words that make a name secret if it contains one of them.
const WORDS: &str = "\
    auth authorization bearer cookie credential csrf cvc cvv jwt oauth otp passcode passphrase passwd \
    password pin pwd saml secret session sid ssn sso token totp xsrf";

/// Words that make a name secret if it contains them in sequence, as `api_key`, `apiKey` or
/// `apikey`.
const TOGETHER: [&str; 3] = [
    // Keys. `key` alone is usually no secret: there are cache keys, sort keys and primary keys.
    "accesskey accountkey apikey authkey encryptionkey masterkey privatekey secretkey sessionkey sharedkey \
    signingkey sshkey storagekey subscriptionkey",
    // Names that are often written in lower case without separators, so that they cannot be split
    // into words.
    "authcode jsessionid phpsessid proxyauthorization sessid sessionid setcookie socialsecurity",
    // Words that camel case may have split, and kinds of passwords.
    "passcode passphrase password adminpass dbpass ftppass mailpass mysqlpass pgpass redispass rootpass smtppass \
    userpass",
];

/// Words that make a name secret if its last word ends with one of them, as in `PGPASSWORD`.
const ENDS: [&[u8]; 4] = [b"password", b"passwd", b"secret", b"token"];

/// Last words of names that describe a secret and do not contain it, as in `token_type`.
const DESCRIPTIONS: &str = "\
    age algorithm alg at audience backend count disabled domain driver duration enabled endpoint error errors \
    expiration expires expiry format in issuer kind len length lifetime limit manager method methods middleware mode \
    ms name path policy provider required scheme scope scopes seconds service size status store supported timeout ttl \
    type types uri url valid version";

/// Words beside `tokens` that make it a number, as in `max_tokens`.
const QUANTITIES: &str = "\
    audio budget cached completion count estimated generated input left limit max min num number output per prompt \
    reasoning remaining text thinking total used";

/// The maximum number of words in a name that the user adds.
pub(super) const MAX_WORDS: usize = 6;

/// Returns the query keys of a length that mean a secret in a URL, in any case: those of signatures
/// that OpenTelemetry's HTTP conventions mask, those of OAuth, and short forms. `true` means that
/// the name is a secret in any text.
const fn query_keys(length: usize) -> &'static [(&'static str, bool)] {
    match length {
        3 => &[("sig", true)],
        4 => &[("code", false), ("pass", false)],
        5 => &[("state", false)],
        9 => &[("assertion", false), ("signature", true)],
        13 => &[("code_verifier", false)],
        14 => &[("awsaccesskeyid", true)],
        15 => &[("x-amz-signature", true)],
        16 => &[("client_assertion", false), ("x-amz-credential", true), ("x-goog-signature", true)],
        20 => &[("x-amz-security-token", true)],
        _ => &[],
    }
}

/// The names that mean secrets.
pub(super) struct SecretNames {
    words: LetterSet,
    together: LetterSet,
    /// Whole names that mean no secret, even if their words do.
    harmless: LetterSet,
    query_keys: bool,
}

impl SecretNames {
    pub(super) fn new() -> Self {
        let (words, together) = (LetterSet::of(&[WORDS]), LetterSet::of(&TOGETHER));
        Self { words, together, harmless: LetterSet::of(&[]), query_keys: true }
    }

    pub(super) fn off() -> Self {
        Self {
            words: LetterSet::of(&[]),
            together: LetterSet::of(&[]),
            harmless: LetterSet::of(&[]),
            query_keys: false,
        }
    }

    pub(super) fn is_off(&self) -> bool {
        !self.query_keys
    }

    /// Adds a name that means a secret. Returns `false` if the name has no words or too many.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let (letters, words) = (letters(name), Words::of(name).count());
        self.harmless.remove(&letters);
        // Camel case may split a name that is one word for the user, so it is added in both forms.
        if words == 1 {
            self.words.insert(&letters);
        }
        self.together.insert(&letters);
        (1..=MAX_WORDS).contains(&words)
    }

    pub(super) fn remove_name(&mut self, name: &str) -> bool {
        let (letters, words) = (letters(name), Words::of(name).count());
        self.words.remove(&letters);
        self.together.remove(&letters);
        self.harmless.insert(&letters);
        (1..=MAX_WORDS).contains(&words)
    }

    pub(super) fn is_secret(&self, name: &str) -> bool {
        // Nearly every name fits into `short`, so that nothing is allocated.
        let (mut short, mut long) = ([0; 64], Vec::new());
        let letters = if name.len() <= short.len() {
            short.as_mut_slice()
        } else {
            long.resize(name.len(), 0);
            long.as_mut_slice()
        };
        // The positions in `letters` where the last words begin, the last word first.
        let mut starts = [0; MAX_WORDS];
        let mut end = 0;
        // True if the words so far mean a secret, and true if the last of them do.
        let (mut found, mut last) = (false, false);
        for (count, word) in Words::of(name).enumerate() {
            starts.copy_within(..MAX_WORDS.saturating_sub(1), 1);
            starts[0] = end;
            for (to, byte) in letters.iter_mut().skip(end).zip(word) {
                *to = byte.to_ascii_lowercase();
            }
            end = end.saturating_add(word.len());
            let since = |start: usize| letters.get(start..end).unwrap_or_default();
            let word = since(starts[0]);
            last = self.words.has_variant_of(word)
                || self.together.has_variant_of(word)
                || self.ends_with_secret(word)
                // A first word has no other words before it.
                || count > 0
                    && starts.iter().take(count.saturating_add(1)).skip(1).any(|start| {
                        self.together.has_variant_of(since(*start))
                    });
            found |= last;
        }
        found && self.is_value(name, last) && !self.is_harmless(name)
    }

    /// Returns `true` if a word ends with another one that means a secret, as `PGPASSWORD` does.
    fn ends_with_secret(&self, word: &[u8]) -> bool {
        word.len() > 6
            && matches!(word.last(), Some(b'd' | b't' | b'n'))
            && ENDS.iter().any(|end| word.ends_with(end) && self.words.has(end))
    }

    /// Returns `true` unless a name that contains the name of a secret only describes it. `last` is
    /// true if the name ends with that of the secret.
    #[inline(never)]
    fn is_value(&self, name: &str, last: bool) -> bool {
        let is_one_of = |word: &[u8], list: &str| {
            list.split(' ').any(|other| word.eq_ignore_ascii_case(other.as_bytes()))
        };
        if !last {
            return !Words::of(name).last().is_some_and(|word| is_one_of(word, DESCRIPTIONS));
        }
        if self.together.has(&letters(name)) {
            return true;
        }
        // `max_tokens` is a number.
        let tokens = name.len() > 6 && name.as_bytes().ends_with(b"okens");
        !(tokens && Words::of(name).any(|word| is_one_of(word, QUANTITIES)))
    }

    /// Returns the kind of secret that a name means, if it means one.
    pub(super) fn kind(&self, name: &str) -> Option<SecretKind> {
        self.is_secret(name).then(|| SecretKind::of(name))
    }

    fn is_harmless(&self, name: &str) -> bool {
        !self.harmless.is_empty() && self.harmless.has(&letters(name))
    }

    /// Returns `true` if the value after `name=` in a query is a secret.
    pub(super) fn is_secret_key(&self, name: &str) -> bool {
        self.query_key(name).is_some() || self.is_secret(name)
    }

    /// Returns `Some` for a key that means a secret in a query, with `true` if it means one in any
    /// text.
    pub(super) fn query_key(&self, name: &str) -> Option<bool> {
        let first = name.as_bytes().first()?.to_ascii_lowercase();
        // The first letter rejects most keys.
        let (_, anywhere) = query_keys(name.len())
            .iter()
            .find(|(key, _)| key.as_bytes().first() == Some(&first) && key.eq_ignore_ascii_case(name))?;
        (self.query_keys && !self.is_harmless(name)).then_some(*anywhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised() {
        let names = SecretNames::new();
        let all = "\
            authorization, Proxy-Authorization, Cookie, set-cookie, setCookie, token, tokens, \
            db_token_2, access_token, accessToken, ACCESS_TOKEN, accesstoken, refreshtoken, idToken, X-CSRF-Token, \
            csrf, csrftoken, xsrf, password, PASSWORD, passWord, pass_word, Passwords, password2, _password_, \
            db.password, user[password], passwd, pwd, passphrase, pass phrase, secret, client_secret, \
            clientSecret, clientsecret, credential, credentials, session, session.id, sessionID, sessionid, \
            JSESSIONID, PHPSESSID, connect.sid, sid, jwt, JWTToken, mytoken, PGPASSWORD, JWTs, bearer, sso, saml, SAMLResponse, \
            auth, x-auth-user, oauth2Token, otp, pin, pin_code, cvv, CVV2, cvc, ssn, api_key, api-key, \
            apiKey, APIKey, apikey, X-API-KEY, api keys, access_key, aws_access_key_id, accesskey, \
            privateKey, private_key, privatekey, secret_key, signing-key, Ocp-Apim-Subscription-Key, \
            SharedKey, db_pass, social_security_number, größe.token";
        for name in all.split(", ") {
            assert!(names.is_secret(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_not_secret() {
        let names = SecretNames::new();
        let all = "\
            -, author, authority, authored_by, keyboard, key, cache_key, keys, public_key, primaryKey, \
            tokenizer, tokenized, monkey, passport, passport_number, pass, bypass, passenger, compass, \
            secretary, cookiecutter, pinned, pinterest, spin, shopping, mapping, option, opinion, \
            assessment, obsession, inside, side, sidebar, residence, classname, bearing, user.plan, \
            item.id, s_id, p_in, access, api, private, apiVersion, accessLevel, credit, sessile, token_count, \
            token_type, tokenType, expires_in, access_token_expires_in, max_tokens, maxTokens, total_tokens, \
            completion_tokens, session_length, auth_method, authorization_endpoint, password_policy, csrf_enabled";
        for name in all.split(", ") {
            assert!(!names.is_secret(name), "{name}");
        }
    }

    #[test]
    fn query_keys_of_signatures_have_any_case() {
        let names = SecretNames::new();
        for length in 0..40 {
            for (name, _) in query_keys(length) {
                assert!(name.len() == length && names.is_secret_key(name), "{name}");
            }
        }
        for name in [
            "SIG",
            "signature",
            "x-amz-signature",
            "x-goog-signature",
            "code",
            "State",
            "code_verifier",
            "PASS",
        ] {
            assert!(names.is_secret_key(name), "{name}");
        }
        for name in ["significant", "codes", "status", "statement", "zip_code", "passed"] {
            assert!(!names.is_secret_key(name), "{name}");
        }
    }

    #[test]
    fn names_can_be_added_and_removed() {
        let mut names = SecretNames::new();
        assert!(names.add("customer number") && names.add("IBAN") && names.add("CardHolder"));
        for name in
            ["customer-number", "old.customerNumber", "CUSTOMERNUMBER", "iban", "user_iban", "cardholder"]
        {
            assert!(names.is_secret(name), "{name}");
        }
        assert!(!names.is_secret("customer") && !names.is_secret("number"));

        assert!(names.remove_name("session") && names.remove_name("token-cart") && names.remove_name("sig"));
        assert!(!names.is_secret("session") && !names.is_secret("session_cart"));
        assert!(!names.is_secret("tokenCart") && !names.is_secret_key("sig"));
        assert!(names.is_secret("token") && names.is_secret("token_cart_2") && names.is_secret("sessionid"));

        assert!(names.add("session"), "the last call applies");
        assert!(names.is_secret("session") && names.is_secret("session_cart"));
        assert!(!names.add("") && !names.add("one two three four five six seven"));
    }
}
