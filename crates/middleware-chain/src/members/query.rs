//! The query of a request, for those who record it.

/// Keys whose values are not recorded. The first seven are those of OpenTelemetry's conventions, and
/// are compared as they ask: by case.
const SECRET: [&str; 18] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
    "access_token",
    "api_key",
    "apikey",
    "code",
    "id_token",
    "key",
    "password",
    "refresh_token",
    "secret",
    "signature",
    "token",
];

/// Keeps each key, and puts `REDACTED` in place of the values that sign or authorise.
pub(super) fn redacted(query: &str) -> String {
    let mut text = String::with_capacity(query.len());
    for (nth, pair) in query.split('&').enumerate() {
        if nth > 0 {
            text.push('&');
        }
        match pair.split_once('=') {
            Some((key, _)) if SECRET.contains(&key) => {
                text.push_str(key);
                text.push_str("=REDACTED");
            }
            _ => text.push_str(pair),
        }
    }
    text
}
