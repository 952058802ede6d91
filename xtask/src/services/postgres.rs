//! `PostgreSQL`: how it is started and how it answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::home::Account;
use super::url::Url;
use super::wait::ATTEMPT;

pub(crate) const PORT: u16 = 5432;

/// The line of its log after which it serves.
pub(crate) const READY: &str = "database system is ready to accept connections";

/// Settings for data that nobody will miss.
pub(crate) const SETTINGS: [&str; 8] = [
    "-c",
    "fsync=off",
    "-c",
    "synchronous_commit=off",
    "-c",
    "full_page_writes=off",
    "-c",
    "max_connections=200",
];

/// A message longer than this is none of those that we wait for.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A server of ours on a loopback port.
pub(crate) fn command(bin: &Path, data: &Path, port: u16, account: Option<Account>) -> Command {
    let mut command = Command::new(bin.join("postgres"));
    command
        .arg("-D")
        .arg(data)
        .args(["-p", &port.to_string()])
        .args(SETTINGS);
    // No socket files: their folder belongs to the distribution, and their path may be too long.
    command.args([
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
    ]);
    run_as(&mut command, account);
    command
}

/// Makes an empty data folder that lets everybody on the loopback interface in.
pub(crate) fn initdb(bin: &Path, data: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(bin.join("initdb"));
    command
        .arg("-D")
        .arg(data)
        .args(["-N", "-A", "trust", "-U", "postgres", "-E", "UTF8"]);
    // Small log segments: the folder is copied for each run, and most of it would be this.
    command.args(["--locale=C", "--no-instructions", "--wal-segsize=1"]);
    run_as(&mut command, account);
    command
}

pub(crate) fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// Opens a session and returns the server's version; a server that asks for a password is
/// ready as well, and its version stays unknown. One that still starts up refuses (57P03).
pub(crate) fn hello(address: SocketAddr, user: &str, database: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.write_all(&startup_message(user, database))?;
    let mut version = String::new();
    loop {
        let (kind, body) = message(&mut stream)?;
        match kind {
            b'R' if body.starts_with(&[0, 0, 0, 0]) => {}
            b'R' => return Ok(String::new()),
            b'S' => {
                let mut fields = body.split(|byte| *byte == 0);
                if fields.next() == Some(b"server_version") {
                    let text = String::from_utf8_lossy(fields.next().unwrap_or_default());
                    // Debian adds the version of its package in parentheses.
                    text.split(' ')
                        .next()
                        .unwrap_or_default()
                        .clone_into(&mut version);
                }
            }
            b'Z' => return Ok(version),
            b'E' => return Err(io::Error::other(error_text(&body))),
            _ => {}
        }
    }
}

/// The server behind a URL that a person gave.
pub(crate) fn hello_url(url: &str) -> Result<String, String> {
    let url = Url::parse(url, PORT).ok_or("it is no URL of the form postgres://USER@HOST/NAME")?;
    let user = if url.user.is_empty() {
        "postgres"
    } else {
        &url.user
    };
    let database = if url.path.is_empty() { user } else { &url.path };
    let address = url.address()?;
    hello(address, user, database).map_err(|error| format!("{address}: {error}"))
}

/// Protocol 3.0: length, version, pairs of names and values, a zero byte.
fn startup_message(user: &str, database: &str) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    for text in ["user", user, "database", database] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).expect("a URL is short");
    [&length.to_be_bytes()[..], &body].concat()
}

/// One message: its kind, then its length with the four bytes of the length, then its body.
fn message(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if !(4..MESSAGE_BYTES_MAX).contains(&length) {
        return Err(io::Error::other(
            "it does not speak the protocol of PostgreSQL",
        ));
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body)?;
    Ok((head[0], body))
}

/// The field `M` of an error.
fn error_text(body: &[u8]) -> String {
    let mut fields = body.split(|byte| *byte == 0);
    let text = fields
        .find_map(|field| field.strip_prefix(b"M"))
        .unwrap_or(b"refused");
    String::from_utf8_lossy(text).into_owned()
}

fn run_as(command: &mut Command, account: Option<Account>) {
    use std::os::unix::process::CommandExt;
    if let Some(Account { uid, gid }) = account {
        command.uid(uid).gid(gid);
    }
    // The log is read for its English words, and the current folder may be closed to `uid`.
    command.env("LC_ALL", "C").current_dir("/");
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answering(reply: Vec<u8>) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the test connects");
            let mut hello = vec![0; 36];
            stream.read_exact(&mut hello).expect("the test says hello");
            stream.write_all(&reply).expect("the test reads");
            hello
        });
        let version = hello(address, "postgres", "app");
        let sent = server.join().expect("it only reads and writes");
        assert_eq!(
            sent, b"\0\0\0\x24\0\x03\0\0user\0postgres\0database\0app\0\0",
            "{sent:?}"
        );
        version
    }

    fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short");
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn a_hello_tells_the_version_without_the_packager() {
        let reply = [
            framed(b'R', &[0, 0, 0, 0]),
            framed(b'S', b"server_version\x0015.20 (Debian 15.20-0+deb12u1)\0"),
            framed(b'Z', b"I"),
        ];
        assert_eq!(answering(reply.concat()).expect("it is ready"), "15.20");
    }

    #[test]
    fn a_server_that_asks_for_a_password_is_ready() {
        let reply = framed(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
        assert_eq!(answering(reply).expect("it is ready"), "");
    }

    #[test]
    fn a_server_that_is_starting_up_is_not_ready() {
        let reply = framed(
            b'E',
            b"SFATAL\0C57P03\0Mthe database system is starting up\0\0",
        );
        let error = answering(reply).expect_err("not yet");
        assert_eq!(error.to_string(), "the database system is starting up");
        assert!(answering(b"HTTP/1.1 400 Bad Request\r\n".to_vec()).is_err());
    }
}
