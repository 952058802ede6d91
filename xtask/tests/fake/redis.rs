//! A redis-server that only says hello, or fails as `FAKE_REDIS` tells it to.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

fn main() -> io::Result<ExitCode> {
    let args: Vec<String> = env::args().collect();
    if args.iter().any(|arg| arg == "--version") {
        println!("Redis server v=0.0.0");
        return Ok(ExitCode::SUCCESS);
    }
    let pids = env::var("FAKE_PIDS").expect("the test says where to write the process id");
    let starts = fs::read_to_string(&pids)
        .unwrap_or_default()
        .lines()
        .count();
    let mut file = OpenOptions::new().create(true).append(true).open(&pids)?;
    writeln!(file, "{}", std::process::id())?;
    match env::var("FAKE_REDIS").unwrap_or_default().as_str() {
        "dies" => {
            println!("# Out of luck\n# Can't open the log of luck: exiting");
            return Ok(ExitCode::FAILURE);
        }
        "port taken twice" if starts < 2 => {
            println!(
                "# Could not create server TCP listening socket: bind: Address already in use"
            );
            return Ok(ExitCode::FAILURE);
        }
        _ => {}
    }
    let port = args.iter().skip_while(|arg| *arg != "--port").nth(1);
    let port: u16 = port
        .and_then(|port| port.parse().ok())
        .expect("xtask gives a port");
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("* Ready to accept connections");
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || hello(stream));
    }
    Ok(ExitCode::SUCCESS)
}

fn hello(mut stream: TcpStream) -> io::Result<()> {
    let mut request = [0; 512];
    while stream.read(&mut request)? > 0 {
        stream.write_all(b"+PONG\r\n$40\r\n# Server\r\nredis_version:0.0.0\r\nos:none\r\n")?;
    }
    Ok(())
}
