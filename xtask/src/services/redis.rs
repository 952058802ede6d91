//! Redis or Valkey: how it is started and how it answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::url::Url;
use super::wait::ATTEMPT;

pub(crate) const PORT: u16 = 6379;

/// Settings for data that nobody will miss.
pub(crate) const SETTINGS: [&str; 6] =
    ["--save", "", "--appendonly", "no", "--protected-mode", "no"];

/// The line of its log after which it serves.
pub(crate) const READY: &str = "Ready to accept connections";

/// A server of ours on a loopback port.
pub(crate) fn command(program: &Path, folder: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args([
        "--bind",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--daemonize",
        "no",
    ]);
    command.arg("--dir").arg(folder).args(SETTINGS);
    command
}

pub(crate) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

/// Asks for a sign of life and the version, as in `redis 7.0.15`; a server that wants a password
/// first is alive, and its version stays unknown.
pub(crate) fn hello(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.write_all(b"PING\r\nINFO server\r\n")?;
    let mut reply = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk)?;
        reply.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&reply);
        if text.starts_with("-NOAUTH") {
            return Ok(String::new());
        }
        if !"+PONG\r\n".starts_with(text.get(..7).unwrap_or(&text)) {
            return Err(io::Error::other(format!(
                "answered {:?}",
                text.lines().next()
            )));
        }
        if let Some(version) = version(&text) {
            return Ok(version);
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The server behind a URL that a person gave.
pub(crate) fn hello_url(url: &str) -> Result<String, String> {
    let url = Url::parse(url, PORT).ok_or("it is no URL of the form redis://HOST:PORT")?;
    let address = url.address()?;
    if url.scheme == "rediss" {
        // A handshake is beyond us: that somebody listens has to do.
        let connected = TcpStream::connect_timeout(&address, ATTEMPT);
        return connected
            .map(|_| String::new())
            .map_err(|error| error.to_string());
    }
    hello(address).map_err(|error| format!("{address}: {error}"))
}

fn version(info: &str) -> Option<String> {
    // The last line may have come in half.
    let whole = &info[..=info.rfind('\n')?];
    let field = |name| {
        whole
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    // Valkey also tells the version of Redis that it is compatible with.
    match (field("valkey_version"), field("redis_version")) {
        (Some(version), _) => Some(format!("valkey {version}")),
        (None, Some(version)) if whole.contains("\nos:") => Some(format!("redis {version}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answering(reply: &'static str) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the test connects");
            stream.write_all(reply.as_bytes()).expect("the test reads");
        });
        let version = hello(address);
        server.join().expect("it only writes");
        version
    }

    #[test]
    fn a_hello_tells_name_and_version() {
        let redis = "+PONG\r\n$60\r\n# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nos:Linux\r\n";
        assert_eq!(answering(redis).expect("it answers"), "redis 7.0.15");
        let valkey = "+PONG\r\n$60\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.3\r\nos:Linux\r\n";
        assert_eq!(answering(valkey).expect("it answers"), "valkey 8.1.3");
        let locked = "-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n";
        assert_eq!(answering(locked).expect("it is alive"), "");
    }

    #[test]
    fn what_is_no_redis_or_still_loading_is_not_ready() {
        for reply in [
            "",
            "HTTP/1.1 400\r\n",
            "-LOADING Redis is loading\r\n",
            "+PONG\r\n$9\r\nredis_ver",
        ] {
            assert!(answering(reply).is_err(), "{reply:?}");
        }
    }
}
