//! What each link does to bytes, in front of a server that echoes them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Link, Proxy, wait_for};

/// Long enough for an answer that comes, and paid in full by one that must not.
const SILENCE: Duration = Duration::from_millis(150);
const AMPLE: Duration = Duration::from_secs(10);

/// Echoes what each connection sends, until the test's process ends.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || std::io::copy(&mut &connection, &mut &connection));
        }
    });
    addr
}

fn echo_through_proxy() -> (Proxy, TcpStream) {
    let proxy = Proxy::to(echo_server()).expect("a port and a thread");
    let client = connect(&proxy);
    (proxy, client)
}

fn connect(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.addr()).expect("the proxy listens");
    client
        .set_read_timeout(Some(AMPLE))
        .expect("it is not zero");
    client
}

/// Sends `sent` and reads as much back.
fn echo(mut client: &TcpStream, sent: &[u8]) -> std::io::Result<Vec<u8>> {
    client.write_all(sent)?;
    let mut echoed = vec![0; sent.len()];
    client.read_exact(&mut echoed)?;
    Ok(echoed)
}

fn is_silent(mut client: &TcpStream) -> bool {
    client
        .set_read_timeout(Some(SILENCE))
        .expect("it is not zero");
    let read = client.read(&mut [0]);
    client
        .set_read_timeout(Some(AMPLE))
        .expect("it is not zero");
    read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn links_that_only_slow_down_lose_and_change_nothing() {
    let kilobytes: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    // Link, bytes: the least that the way there and back takes.
    for (link, bytes, at_least) in [
        (Link::Pass, 100_000, 0),
        (Link::Delay(Duration::from_millis(40)), 100_000, 80),
        (Link::Throttle(400_000), 100_000, 240),
        (Link::Throttle(0), 1, 0),
        (Link::Dribble, 100, 99),
        (Link::CutReplyAfter(100_000), 100_000, 0),
    ] {
        let (proxy, client) = echo_through_proxy();
        proxy.set(link);
        let began = Instant::now();
        let mut writing = client.try_clone().expect("a descriptor");
        let sent = kilobytes[..bytes].to_vec();
        let writer = thread::spawn(move || writing.write_all(&sent));
        let mut echoed = vec![0; bytes];
        (&client).read_exact(&mut echoed).expect("all comes back");
        let took = began.elapsed();
        writer.join().expect("no panic").expect("all is sent");
        assert!(
            echoed == kilobytes[..bytes],
            "{link:?}: other bytes came back"
        );
        assert!(
            took >= Duration::from_millis(at_least),
            "{link:?} took {took:?}"
        );
        assert!(took < AMPLE, "{link:?} took {took:?}");
    }
}

#[test]
fn a_delay_is_a_latency_and_not_a_limit() {
    let (proxy, client) = echo_through_proxy();
    proxy.set(Link::Delay(Duration::from_millis(50)));
    let began = Instant::now();
    for byte in 0..40 {
        (&client).write_all(&[byte]).expect("it is open");
        thread::sleep(Duration::from_millis(2));
    }
    let mut echoed = [0; 40];
    (&client).read_exact(&mut echoed).expect("all comes back");
    let took = began.elapsed();
    assert!(echoed.into_iter().eq(0..40));
    assert!(
        took < Duration::from_secs(2),
        "one after the other: {took:?}"
    );
}

#[test]
fn a_dribble_comes_byte_by_byte() {
    let (proxy, mut client) = echo_through_proxy();
    proxy.set(Link::Dribble);
    client.write_all(&[7; 500]).expect("it is open");
    let (mut reads, mut bytes) = (0, 0);
    while bytes < 500 {
        bytes += client.read(&mut [0; 500]).expect("it goes on");
        reads += 1;
    }
    assert!(reads > 5, "500 bytes came in {reads} pieces");
}

#[test]
fn what_was_sent_into_a_blackhole_arrives_after_it() {
    let (proxy, client) = echo_through_proxy();
    echo(&client, b"before").expect("the link passes");
    proxy.set(Link::Blackhole);
    (&client).write_all(b"within").expect("nobody is told");
    let newcomer = connect(&proxy);
    (&newcomer).write_all(b"within").expect("nobody is told");
    assert!(is_silent(&client) && is_silent(&newcomer));

    proxy.set(Link::Pass);
    for mut client in [client, newcomer] {
        let mut echoed = [0; 6];
        client.read_exact(&mut echoed).expect("nothing is lost");
        assert_eq!(&echoed, b"within");
    }
}

#[test]
fn an_orphan_is_dead_for_good_and_new_connections_are_fine() {
    let (proxy, orphan) = echo_through_proxy();
    echo(&orphan, b"before").expect("the link passes");
    proxy.orphan();
    (&orphan).write_all(b"after").expect("nobody is told");
    assert!(is_silent(&orphan));
    proxy.set(Link::Reset);
    assert!(is_silent(&orphan), "an orphan hears of nothing");
    proxy.set(Link::Pass);
    assert!(is_silent(&orphan));
    assert_eq!(echo(&connect(&proxy), b"new").expect("it is new"), b"new");
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn a_connection_that_has_lost_a_reply_is_reset_and_another_is_not() {
    let (proxy, loser) = echo_through_proxy();
    let bystander = connect(&proxy);
    for client in [&loser, &bystander] {
        echo(client, b"before").expect("the link passes");
    }
    proxy.set(Link::LoseReplies);
    (&loser).write_all(b"lost").expect("requests pass");
    assert!(is_silent(&loser));

    proxy.set(Link::Pass);
    let error = (&loser).read(&mut [0]).expect_err("it has a hole");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(echo(&bystander, b"after").expect("it has none"), b"after");
}

#[test]
fn a_reset_link_resets_old_and_new_connections() {
    let (proxy, client) = echo_through_proxy();
    echo(&client, b"before").expect("the link passes");
    proxy.set(Link::Reset);
    for mut client in [client, connect(&proxy)] {
        let error = client.read(&mut [0]).expect_err("it is reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    proxy.set(Link::Pass);
    assert_eq!(echo(&connect(&proxy), b"new").expect("it passes"), b"new");
}

#[test]
fn a_fin_link_closes_old_and_new_connections_in_good_order() {
    let (proxy, client) = echo_through_proxy();
    echo(&client, b"before").expect("the link passes");
    proxy.set(Link::Fin);
    for mut client in [client, connect(&proxy)] {
        client
            .write_all(b"unread")
            .expect("this side is still open");
        assert_eq!(client.read(&mut [0]).expect("no reset"), 0);
    }
}

#[test]
fn a_reply_is_cut_at_every_byte() {
    const REPLY: &[u8] = b"0123456789";
    for bytes in 0..REPLY.len() {
        let (proxy, mut client) = echo_through_proxy();
        // What passed before the link was set does not count.
        echo(&client, b"before").expect("the link passes");
        proxy.set(Link::CutReplyAfter(bytes as u64));
        client.write_all(REPLY).expect("it is open");
        let mut received = Vec::new();
        client.read_to_end(&mut received).expect("no reset");
        assert_eq!(received, &REPLY[..bytes]);
    }
}

#[test]
fn an_end_of_file_passes_and_the_other_direction_goes_on() {
    for link in [
        Link::Pass,
        Link::Delay(Duration::from_millis(20)),
        Link::Dribble,
    ] {
        let (proxy, mut client) = echo_through_proxy();
        proxy.set(link);
        client.write_all(b"the last words").expect("it is open");
        client.shutdown(Shutdown::Write).expect("it is open");
        let mut echoed = Vec::new();
        client.read_to_end(&mut echoed).expect("no reset");
        assert_eq!(echoed, b"the last words", "{link:?}");
    }
}

#[test]
fn a_server_that_is_away_looks_like_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = listener.local_addr().expect("it is bound");
    drop(listener);
    let proxy = Proxy::to(nobody).expect("a port and a thread");
    let error = connect(&proxy).read(&mut [0]).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_dropped_proxy_closes_everything() {
    let (proxy, mut client) = echo_through_proxy();
    echo(&client, b"before").expect("the link passes");
    let addr = proxy.addr();
    drop(proxy);
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(addr).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_does_not_depend_on_the_runtime_of_its_test() {
    let (proxy, client) = echo_through_proxy();
    proxy.set(Link::Delay(Duration::from_millis(30)));
    let began = Instant::now();
    // This blocks the only thread of a runtime whose clock stands still.
    assert_eq!(echo(&client, b"real").expect("it passes"), b"real");
    assert!(began.elapsed() >= Duration::from_millis(60));
    wait_for(async || proxy.accepted() == 1, AMPLE).await;
}
