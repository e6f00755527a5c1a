//! What each fault does, to a server that sends back what it is sent.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Instant,
};

use super::*;

/// A server that sends back what it is sent, and says how much that was.
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

/// Sends four bytes, and reads as many.
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

/// A connection that works, to be hit by a fault.
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
fn what_is_refused_is_closed_and_comes_back_on_the_same_port() {
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
fn what_is_reset_is_told_so() {
    let (proxy, mut stream) = working(echo().0);
    proxy.set(Fault::Reset);
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let later = connect(&proxy).and_then(|mut stream| ask(&mut stream));
    assert!(matches!(kind(later), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
    proxy.set(Fault::None);
    ask(&mut connect(&proxy).unwrap()).unwrap();
}

#[test]
fn what_is_half_open_is_silent_for_good_and_later_connections_are_not() {
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
fn an_answer_that_is_lost_was_given() {
    let (to, bytes) = echo();
    let (proxy, mut stream) = working(to);
    proxy.set(Fault::LoseAnswer);
    assert_eq!(kind(ask(&mut stream)), ErrorKind::ConnectionReset);
    assert_eq!((bytes.load(Ordering::Relaxed), hits(&proxy)), (8, 1));
}

#[test]
fn what_is_delayed_comes_later_both_ways() {
    let (proxy, mut stream) = working(echo().0);
    proxy.set(Fault::Delay(Duration::from_millis(100)));
    let started = Instant::now();
    ask(&mut stream).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
}

#[test]
fn what_is_throttled_takes_its_time_and_arrives_whole() {
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
