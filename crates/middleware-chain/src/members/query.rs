//! The query of a request, for those who record it.

/// Keys whose values are not recorded, without case, `-` and `_`. The first seven are those of
/// OpenTelemetry's conventions, which would have them compared by case: more is redacted here.
const SECRET: [&str; 37] = [
    "awsaccesskeyid",
    "signature",
    "xamzcredential",
    "xamzsecuritytoken",
    "xamzsignature",
    "xgoogsignature",
    "sig",
    "accesskey",
    "accesstoken",
    "apikey",
    "assertion",
    "auth",
    "authorization",
    "authtoken",
    "clientassertion",
    "clientsecret",
    "code",
    "codeverifier",
    "credential",
    "credentials",
    "csrftoken",
    "idtoken",
    "jwt",
    "key",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "refreshtoken",
    "secret",
    "session",
    "sessionid",
    "sid",
    "token",
    "xapikey",
];

/// Keeps each key, and puts `REDACTED` in place of the values that sign or authorise.
pub(super) fn redacted(query: &str) -> String {
    let mut text = String::with_capacity(query.len());
    for (nth, pair) in query.split('&').enumerate() {
        if nth > 0 {
            text.push('&');
        }
        match secret(pair) {
            Some(value) => {
                text.push_str(&pair[..value]);
                text.push_str("REDACTED");
            }
            None => text.push_str(pair),
        }
    }
    text
}

/// Where the secret begins. Some take `;` for the end of a value, and others for a part of it: what comes
/// after it is a pair if that is to be hidden, and otherwise hidden with what is before it.
fn secret(pair: &str) -> Option<usize> {
    let mut begin = 0;
    for part in pair.split(';') {
        if let Some((key, _)) = part.split_once('=')
            && is_secret(key)
        {
            return Some(begin + key.len() + 1);
        }
        begin += part.len() + 1;
    }
    None
}

/// Whether one of the words of a key such as `user[password]` is a secret's.
fn is_secret(key: &str) -> bool {
    let key = decoded(key);
    let mut words = key.split(|byte| b"[].".contains(byte));
    words.any(|word| {
        let letters = || word.iter().filter(|byte| !b"-_ +".contains(byte));
        let word = || letters().map(u8::to_ascii_lowercase);
        SECRET.iter().any(|secret| word().eq(secret.bytes()))
    })
}

/// Without percent-encoding, where it is one.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match after {
            [high, low, after @ ..] if *first == b'%' => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => *first,
            },
            _ => *first,
        });
    }
    bytes
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}
