//! The header fields against the examples of draft-ietf-httpapi-ratelimit-headers-11, both read by
//! the rules of RFC 9651; and the reader against those of httpwg/structured-field-tests.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use redis_ratelimit::{Check, Limiter, MemoryStore, Policy, Quota, RateLimitLayer, ResponseBody};
use tower::{ServiceBuilder, ServiceExt};

/// A string and its parameters.
type Item = (String, Vec<(String, i64)>);

/// What is left of a line.
struct Reader<'a>(&'a str);

/// A list of strings whose parameters are integers, RFC 9651, section 4.2: all that the two fields
/// may hold. Several lines are one list.
fn read(lines: &[&str]) -> Option<Vec<Item>> {
    let line = lines.join(",");
    let mut reader = Reader(line.trim_matches(' '));
    let mut items = Vec::new();
    while !reader.0.is_empty() {
        items.push((reader.string()?, reader.parameters()?));
        reader.skip(&[' ', '\t']);
        if reader.0.is_empty() {
            break;
        }
        reader.expect(',')?;
        reader.skip(&[' ', '\t']);
        // A comma at the end.
        (!reader.0.is_empty()).then_some(())?;
    }
    Some(items)
}

/// RFC 9651, section 4.1.
fn written(items: &[Item]) -> String {
    let item = |(string, parameters): &Item| {
        let string = string.replace('\\', "\\\\").replace('"', "\\\"");
        let parameters = parameters
            .iter()
            .map(|(key, value)| format!(";{key}={value}"));
        format!("\"{string}\"{}", parameters.collect::<String>())
    };
    items.iter().map(item).collect::<Vec<_>>().join(", ")
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.0.chars().next()?;
        self.0 = &self.0[next.len_utf8()..];
        Some(next)
    }

    fn expect(&mut self, expected: char) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    fn skip(&mut self, chars: &[char]) {
        self.0 = self.0.trim_start_matches(chars);
    }

    fn string(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut string = String::new();
        loop {
            match self.next()? {
                '"' => return Some(string),
                '\\' => string.push(self.next().filter(|next| "\"\\".contains(*next))?),
                next @ ' '..='~' => string.push(next),
                _ => return None,
            }
        }
    }

    fn parameters(&mut self) -> Option<Vec<(String, i64)>> {
        let mut parameters = Vec::new();
        while self.0.starts_with(';') {
            self.expect(';')?;
            self.skip(&[' ']);
            let key = self.taken(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.' | '*'));
            key.starts_with(|c: char| c.is_ascii_lowercase() || c == '*')
                .then_some(())?;
            self.expect('=')?;
            parameters.push((key, self.integer()?));
        }
        Some(parameters)
    }

    fn integer(&mut self) -> Option<i64> {
        let number = self.taken(|c| c.is_ascii_digit() || c == '-');
        let digits = number.strip_prefix('-').unwrap_or(&number);
        ((1..=15).contains(&digits.len())).then(|| number.parse().ok())?
    }

    fn taken(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let end = self.0.find(|c| !is_part(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken.to_owned()
    }
}

#[test]
fn the_reader_takes_what_the_vectors_take_and_writes_it_as_they_do() {
    // Lines, and what they are in canonical form: `None` if they are to be refused.
    for (lines, canonical) in [
        // examples.json, string.json
        (
            &[r#""foo", "bar", "It was the best of times.""#][..],
            Some(r#""foo", "bar", "It was the best of times.""#),
        ),
        (&[r#""foo""#, r#""bar""#], Some(r#""foo", "bar""#)),
        (&["'foo'"], None),
        (&[r#""foo"#], None),
        (&[r#""foo \"bar\"""#], Some(r#""foo \"bar\"""#)),
        (&[r#""foo \,""#], None),
        (&[r#""foo \"#], None),
        (&["\"f\u{fc}\""], None),
        (&["\"a\tb\""], None),
        // list.json, param-list.json, with strings in place of tokens
        (&[r#""a","b";q=5"#], Some(r#""a", "b";q=5"#)),
        (&[r#""a"  ,  "b";  q=5;  r=6"#], Some(r#""a", "b";q=5;r=6"#)),
        (&[r#""a", "b";q =5"#], None),
        (&[r#""a", "b";q= 5"#], None),
        (&[r#""a", "b" ;q=5"#], None),
        (&[r#""a","b";q=5,"#], None),
        (&[r#""a",,"b";q=5"#], None),
        (&[r#""a" "b""#], None),
        (&[""], Some("")),
        // number.json, key.json
        (
            &[r#""a";q=999999999999999"#],
            Some(r#""a";q=999999999999999"#),
        ),
        (&[r#""a";q=1000000000000000"#], None),
        (&[r#""a";q=-0"#], Some(r#""a";q=0"#)),
        (&[r#""a";q=--1"#], None),
        (&[r#""a";q="#], None),
        (&[r#""a";Q=1"#], None),
        (&[r#""a";1q=1"#], None),
    ] {
        let read = read(lines);
        assert_eq!(
            read.as_deref().map(written).as_deref(),
            canonical,
            "{lines:?}"
        );
    }
}

fn window(name: &str, quota: Quota) -> Policy {
    Policy::fixed_window(name, quota).expect("a quota")
}

fn gcra(name: &str, quota: Quota) -> Policy {
    Policy::gcra(name, quota).expect("a quota")
}

/// What has happened before the answer that the draft shows: the policy was opened so many seconds
/// ago, and so many of its units are used with the request that is answered.
struct Story {
    policy: Policy,
    opened_s: u64,
    used: u32,
    /// In the two fields, as the draft prints it; empty where it prints nothing.
    items: [&'static str; 2],
}

fn story(policy: Policy, opened_s: u64, used: u32, items: [&'static str; 2]) -> Story {
    Story {
        policy,
        opened_s,
        used,
        items,
    }
}

/// By their sections.
fn examples() -> Vec<(&'static str, Vec<Story>)> {
    let minute = Quota::per_minute;
    let ten = Quota::per(100, Duration::from_secs(10));
    let (hour, day) = (Quota::per_hour(1_000), Quota::per_day(5_000));
    let new = |policy, item| story(policy, 0, 1, [item, ""]);
    vec![
        (
            "3",
            vec![
                new(gcra("burst", minute(100)), r#""burst";q=100;w=60"#),
                new(
                    window("daily", Quota::per_day(1_000)),
                    r#""daily";q=1000;w=86400"#,
                ),
            ],
        ),
        (
            "3.2",
            vec![new(gcra("default", ten), r#""default";q=100;w=10"#)],
        ),
        (
            "3.2",
            vec![
                new(gcra("permin", minute(50)), r#""permin";q=50;w=60"#),
                new(gcra("perhr", hour), r#""perhr";q=1000;w=3600"#),
            ],
        ),
        (
            "4, 4.2",
            vec![story(
                window("default", minute(100)),
                30,
                50,
                ["", r#""default";r=50;t=30"#],
            )],
        ),
        (
            "B.1.1",
            vec![story(
                window("default", minute(100)),
                10,
                100,
                ["", r#""default";r=0;t=50"#],
            )],
        ),
        (
            "B.1.2",
            vec![story(
                window("dayLimit", day),
                50_400,
                4_900,
                ["", r#""dayLimit";r=100;t=36000"#],
            )],
        ),
        (
            "B.1.3",
            vec![story(
                window("basic", minute(100)),
                2,
                40,
                [r#""basic";q=100;w=60"#, r#""basic";r=60;t=58"#],
            )],
        ),
        (
            // With two units instead of one: our windows open with the first that is used.
            "B.2.1",
            vec![story(
                window("fixedwindow", minute(101)),
                10,
                2,
                ["", r#""fixedwindow";r=99;t=50"#],
            )],
        ),
        (
            "B.3.1",
            vec![
                story(
                    window("day", day),
                    50_400,
                    4_900,
                    [r#""day";q=5000;w=86400"#, r#""day";r=100;t=36000"#],
                ),
                new(window("hour", hour), r#""hour";q=1000;w=3600"#),
            ],
        ),
    ]
}

/// The answer to a request that is limited by all of them.
async fn answer(stories: &[Story]) -> Response<ResponseBody<Full<Bytes>>> {
    let clock = || tokio::time::Instant::now().into_std();
    let limiter = Limiter::builder()
        .memory(MemoryStore::with_clock(64, clock))
        .build();
    let mut now_s = stories
        .iter()
        .map(|story| story.opened_s)
        .max()
        .unwrap_or(0);
    let mut layer = RateLimitLayer::new(limiter.clone());
    for (index, story) in stories.iter().enumerate() {
        let next_s = stories.get(index + 1).map_or(0, |next| next.opened_s);
        let check = Check::new(&story.policy, "client").expect("a short key");
        if story.used > 1 {
            let check = check.cost(story.used - 1).expect("within the limit");
            assert!(limiter.check(check).await.is_admitted());
        }
        tokio::time::advance(Duration::from_secs(now_s - next_s)).await;
        now_s = next_s;
        let client = |_: &Parts| Some("client");
        layer = layer.limit(story.policy.clone(), client);
    }
    let service = ServiceBuilder::new()
        .layer(layer)
        .service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        });
    service.oneshot(Request::new(())).await.expect("infallible")
}

fn fields(response: &Response<impl Sized>, name: &str) -> Vec<Item> {
    let lines = response.headers().get_all(name).iter();
    let lines: Vec<_> = lines.map(|line| line.to_str().expect("ASCII")).collect();
    let items = read(&lines).expect("a list");
    assert_eq!(lines, [written(&items)], "canonical");
    items
}

#[tokio::test(start_paused = true)]
async fn the_fields_are_those_of_the_examples_in_the_draft() {
    for (section, stories) in examples() {
        let answer = answer(&stories).await;
        assert_eq!(answer.status(), StatusCode::OK, "{section}");
        for (index, name) in ["ratelimit-policy", "ratelimit"].into_iter().enumerate() {
            let fields = fields(&answer, name);
            assert_eq!(fields.len(), stories.len(), "{section}");
            for (field, story) in fields.iter().zip(&stories) {
                let expected = read(&[story.items[index]]).expect("a list");
                let is_given = !expected.is_empty();
                assert!(
                    !is_given || expected == [field.clone()],
                    "{section}: {field:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_answer_is_that_of_the_draft() {
    // B.1.4: five seconds before the end of the window, in which all is used.
    let policy = window("default", Quota::per_minute(2));
    let answer = answer(&[story(policy, 55, 3, [""; 2])]).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["retry-after"], "5");
    let expected = read(&[r#""default";r=0;t=5"#]).expect("a list");
    assert_eq!(fields(&answer, "ratelimit"), expected);
}

#[tokio::test(start_paused = true)]
async fn the_rate_that_a_client_may_infer_is_never_above_that_of_the_policy() {
    // 8.5: with 10 000 units per 1 000 seconds, "r=10000;t=10" makes it try 1 000 a second.
    for (units, period_s, burst) in [
        (10_000, 1_000, 10_000),
        (10_000, 1_000, 50),
        (7, 10, 3),
        (1, 60, 9),
    ] {
        let quota = Quota::per(units, Duration::from_secs(period_s)).burst(burst);
        for used in 1..=burst.min(8) {
            let answer = answer(&[story(gcra("somepolicy", quota), 0, used, [""; 2])]).await;
            let limits = fields(&answer, "ratelimit");
            let [(_, r), (_, t)] = &limits[0].1[..] else {
                panic!("{limits:?}")
            };
            let period_s = i64::try_from(period_s).expect("a small number");
            assert!(
                r * period_s <= t * i64::from(units),
                "{quota:?}: {limits:?}"
            );
        }
    }
}
