//! The effect of each fault on the connections to an echo server.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Instant,
};

use super::*;

/// Starts an echo server. Returns its port and the number of bytes that it has received.
fn echo() -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&bytes);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, counted) = (client.unwrap(), Arc::clone(&counted));
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = client.read(&mut buffer) {
                    counted.fetch_add(read as u64, Ordering::Relaxed);
                    if client.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, bytes)
}

fn connect(proxy: &Proxy) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port()))?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    Ok(stream)
}

/// Sends four bytes and reads them back.
fn ask(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"ping")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"ping");
    Ok(())
}

#[track_caller]
fn kind(outcome: io::Result<()>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

/// Returns a proxy and a working connection through it.
fn working(to: u16) -> (Proxy, TcpStream) {
    let proxy = Proxy::to(to);
    let mut stream = connect(&proxy).unwrap();
    ask(&mut stream).unwrap();
    (proxy, stream)
}

fn hits(proxy: &Proxy) -> u64 {
    proxy.seen.hit.load(Ordering::Relaxed)
}

#[test]
fn refused_connections_are_closed_and_work_again_on_the_same_port() {
    let (proxy, mut stream) = working(echo().0);
    proxy.set(Fault::Refuse);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    let refused = (0..200).find_map(|_| {
        thread::sleep(Duration::from_millis(5));
        connect(&proxy).err()
    });
    assert_eq!(refused.unwrap().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(hits(&proxy), 1);
    proxy.set(Fault::None);
    let again = (0..200).find_map(|_| {
        thread::sleep(Duration::from_millis(5));
        connect(&proxy).ok()
    });
    ask(&mut again.unwrap()).unwrap();
}

#[test]
fn reset_connections_fail_with_a_reset() {
    let (proxy, mut stream) = working(echo().0);
    proxy.set(Fault::Reset);
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let later = connect(&proxy).and_then(|mut stream| ask(&mut stream));
    assert!(matches!(kind(later), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
    proxy.set(Fault::None);
    ask(&mut connect(&proxy).unwrap()).unwrap();
}

#[test]
fn half_open_connections_stay_silent_and_later_ones_work() {
    let (to, bytes) = echo();
    let (proxy, mut stream) = working(to);
    proxy.set(Fault::HalfOpen);
    assert_eq!(kind(ask(&mut stream)), ErrorKind::WouldBlock);
    let mut during = connect(&proxy).unwrap();
    assert_eq!(kind(ask(&mut during)), ErrorKind::WouldBlock);
    proxy.set(Fault::None);
    for silenced in [&mut stream, &mut during] {
        assert_eq!(kind(ask(silenced)), ErrorKind::WouldBlock);
    }
    assert_eq!((bytes.load(Ordering::Relaxed), hits(&proxy)), (4, 2));
    ask(&mut connect(&proxy).unwrap()).unwrap();
}

#[test]
fn the_server_has_sent_a_response_that_is_lost() {
    let (to, bytes) = echo();
    let (proxy, mut stream) = working(to);
    proxy.set(Fault::LoseResponse);
    assert_eq!(kind(ask(&mut stream)), ErrorKind::ConnectionReset);
    assert_eq!((bytes.load(Ordering::Relaxed), hits(&proxy)), (8, 1));
}

#[test]
fn bytes_are_delayed_in_both_directions() {
    let (proxy, mut stream) = working(echo().0);
    proxy.set(Fault::Delay(Duration::from_millis(100)));
    let started = Instant::now();
    ask(&mut stream).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
}

#[test]
fn throttled_bytes_arrive_late_and_whole() {
    let (proxy, mut stream) = working(echo().0);
    proxy.set(Fault::Throttle(100_000));
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let started = Instant::now();
    stream.write_all(&vec![7; 50_000]).unwrap();
    let mut answer = vec![0; 50_000];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer.iter().all(|byte| *byte == 7));
    assert!(started.elapsed() >= Duration::from_millis(450), "{:?}", started.elapsed());
    assert_eq!(proxy.seen.up.load(Ordering::Relaxed), 50_004);
}
