//! Names that mean secrets.

use super::words::{Words, is_word};

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
    "accesstoken apitoken authcode authtoken bearertoken clientsecret csrftoken idtoken jsessionid jwttoken \
    oauthtoken phpsessid proxyauthorization refreshtoken sessid sessionid sessiontoken setcookie \
    socialsecurity usertoken xsrftoken",
    // Words that camel case may have split, and kinds of passwords.
    "passcode passphrase password dbpass dbpassword newpassword oldpassword userpass userpassword",
];

/// The maximum number of words in a name that the user adds.
pub(super) const MAX_WORDS: usize = 6;

/// The query keys that OpenTelemetry's HTTP conventions mask, in exactly this case.
const SIGNATURES: [&str; 7] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
];

/// The names that mean secrets.
pub(super) struct SecretNames {
    words: LetterSet,
    together: LetterSet,
    /// Whole names that mean no secret, even if their words do.
    harmless: LetterSet,
    signatures: bool,
}

impl SecretNames {
    pub(super) fn new() -> Self {
        let (words, together) = (LetterSet::of(&[WORDS]), LetterSet::of(&TOGETHER));
        Self { words, together, harmless: LetterSet::of(&[]), signatures: true }
    }

    pub(super) fn off() -> Self {
        Self {
            words: LetterSet::of(&[]),
            together: LetterSet::of(&[]),
            harmless: LetterSet::of(&[]),
            signatures: false,
        }
    }

    pub(super) fn is_off(&self) -> bool {
        !self.signatures
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
        for (count, word) in Words::of(name).enumerate() {
            starts.copy_within(..MAX_WORDS.saturating_sub(1), 1);
            starts[0] = end;
            for (to, byte) in letters.iter_mut().skip(end).zip(word) {
                *to = byte.to_ascii_lowercase();
            }
            end = end.saturating_add(word.len());
            let since = |start: usize| letters.get(start..end).unwrap_or_default();
            let together = starts.iter().take(count.saturating_add(1));
            if self.words.has_variant_of(since(starts[0]))
                || together.into_iter().any(|start| self.together.has_variant_of(since(*start)))
            {
                return !self.is_harmless(name);
            }
        }
        false
    }

    fn is_harmless(&self, name: &str) -> bool {
        !self.harmless.0.is_empty() && self.harmless.has(&letters(name))
    }

    /// Returns `true` if the value after `name=` is a secret.
    pub(super) fn is_secret_key(&self, name: &str) -> bool {
        let signature = self.signatures && SIGNATURES.contains(&name);
        if signature { !self.is_harmless(name) } else { self.is_secret(name) }
    }
}

/// Returns the letters and digits of a name in lower case, without any other bytes.
fn letters(name: &str) -> Vec<u8> {
    name.bytes().filter(|b| is_word(*b)).map(|b| b.to_ascii_lowercase()).collect()
}

/// A set of names, given by their letters and grouped by length. The length and the first letter
/// usually decide a look-up.
struct LetterSet(Vec<Vec<Box<[u8]>>>);

impl LetterSet {
    fn of(names: &[&str]) -> Self {
        let mut set = Self(Vec::new());
        for name in names.iter().flat_map(|names| names.split(' ')) {
            set.insert(name.as_bytes());
        }
        set
    }

    fn insert(&mut self, letters: &[u8]) {
        if self.has(letters) {
            return;
        }
        if self.0.len() <= letters.len() {
            self.0.resize_with(letters.len().saturating_add(1), Vec::new);
        }
        if let Some(names) = self.0.get_mut(letters.len()) {
            names.push(letters.into());
        }
    }

    fn remove(&mut self, letters: &[u8]) {
        if let Some(names) = self.0.get_mut(letters.len()) {
            names.retain(|name| **name != *letters);
        }
    }

    fn has(&self, letters: &[u8]) -> bool {
        let names = self.0.get(letters.len()).map(Vec::as_slice).unwrap_or_default();
        names.iter().any(|name| name.first() == letters.first() && **name == *letters)
    }

    /// Returns `true` if the set has the name, or the name without a plural `s` or a number at its
    /// end: `passwords`, `token2`.
    fn has_variant_of(&self, letters: &[u8]) -> bool {
        if self.has(letters) {
            return true;
        }
        match letters.last() {
            Some(b's') => self.has(letters.get(..letters.len().saturating_sub(1)).unwrap_or_default()),
            Some(b'0'..=b'9') => {
                let digits = letters.iter().rev().take_while(|b| b.is_ascii_digit()).count();
                self.has(letters.get(..letters.len().saturating_sub(digits)).unwrap_or_default())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised() {
        let names = SecretNames::new();
        let all = "\
            authorization, Proxy-Authorization, Cookie, set-cookie, setCookie, token, tokens, token_count, \
            access_token, accessToken, ACCESS_TOKEN, accesstoken, refreshtoken, idToken, X-CSRF-Token, \
            csrf, csrftoken, xsrf, password, PASSWORD, passWord, pass_word, Passwords, password2, _password_, \
            db.password, user[password], passwd, pwd, passphrase, pass phrase, secret, client_secret, \
            clientSecret, clientsecret, credential, credentials, session, session.id, sessionID, sessionid, \
            JSESSIONID, PHPSESSID, connect.sid, sid, jwt, JWTToken, JWTs, bearer, sso, saml, SAMLResponse, \
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
            item.id, s_id, p_in, access, api, private, apiVersion, accessLevel, credit, sessile, übertoken";
        for name in all.split(", ") {
            assert!(!names.is_secret(name), "{name}");
        }
    }

    #[test]
    fn query_keys_of_signatures_are_case_sensitive() {
        let names = SecretNames::new();
        for name in SIGNATURES {
            assert!(names.is_secret_key(name), "{name}");
        }
        for name in ["SIG", "signature", "x-amz-signature", "x-goog-signature", "significant"] {
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

        assert!(names.remove_name("session") && names.remove_name("token-count") && names.remove_name("sig"));
        assert!(!names.is_secret("session") && !names.is_secret("session_length"));
        assert!(!names.is_secret("tokenCount") && !names.is_secret_key("sig"));
        assert!(names.is_secret("token") && names.is_secret("token_count_2") && names.is_secret("sessionid"));

        assert!(names.add("session"), "the last call applies");
        assert!(names.is_secret("session") && names.is_secret("session_length"));
        assert!(!names.add("") && !names.add("one two three four five six seven"));
    }
}
