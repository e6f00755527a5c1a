//! A TCP proxy with faults, between a worker and one of its servers.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::{Mutex, watch},
    task::JoinSet,
    time::sleep,
};

/// What the proxy does to open and to new connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Passes everything on.
    None,
    /// Closes connections and refuses new ones.
    Refuse,
    /// Passes everything on after this time.
    Delay(Duration),
    /// Resets connections and new ones.
    Reset,
    /// Accepts connections and reads them, and passes nothing on. Such a connection stays silent
    /// after the fault: neither of its ends is notified.
    HalfOpen,
    /// Passes on requests. Drops the response and resets the connection.
    LoseResponse,
    /// Passes on so many bytes a second of the requests of all clients together.
    Throttle(u64),
}

/// Counters of a proxy.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections that a fault has ended or silenced.
    pub hit: AtomicU64,
    /// Bytes that were passed on to the server.
    pub up: AtomicU64,
    /// Held while bytes of a throttled connection are delayed.
    turn: Mutex<()>,
}

/// A running proxy. It ends with its connections when it is dropped.
pub struct Proxy {
    port: u16,
    fault: watch::Sender<Fault>,
    /// Its counters.
    pub seen: Arc<Seen>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Listens on a free port for the server at port `to`.
    pub fn to(to: u16) -> Self {
        Self::at(0, to)
    }

    /// Listens on `port` for the server at port `to`.
    pub fn at(port: u16, to: u16) -> Self {
        Self::listening(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), to)
    }

    /// Listens on another address of this machine for the server at `port`: its certificate may not
    /// name that address.
    pub fn under(host: Ipv4Addr, port: u16) -> Self {
        Self::listening(SocketAddr::from((host, port)), port)
    }

    /// Listens on an address for the server at port `to` of 127.0.0.1.
    pub fn listening(at: SocketAddr, to: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Does not block on the runtime: a test may call this in a runtime of its own.
        let listener = std::net::TcpListener::bind(at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fault, faults) = watch::channel(Fault::None);
        let seen = Arc::new(Seen::default());
        runtime.spawn(serve(listener, to, faults, Arc::clone(&seen)));
        Self { port, fault, seen, runtime: Some(runtime) }
    }

    /// Returns the port where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets the fault.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A connection may wait for ever.
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn serve(listener: std::net::TcpListener, to: u16, mut faults: watch::Receiver<Fault>, seen: Arc<Seen>) {
    let at = listener.local_addr().unwrap();
    let mut listener = Some(TcpListener::from_std(listener).unwrap());
    let mut connections = JoinSet::new();
    loop {
        let refuses = *faults.borrow_and_update() == Fault::Refuse;
        match (refuses, listener.is_some()) {
            (true, true) => listener = None,
            // The port may belong for a moment to a client that has just tried to connect.
            (false, false) => match TcpListener::bind(at).await {
                Ok(again) => listener = Some(again),
                Err(_) => sleep(Duration::from_millis(5)).await,
            },
            _ => {}
        }
        tokio::select! {
            changed = faults.changed() => if changed.is_err() { return },
            Some(taken) = accept(listener.as_ref()) => if let Ok((client, _)) = taken {
                seen.accepted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(connection(client, to, faults.clone(), Arc::clone(&seen)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    Some(listener?.accept().await)
}

/// How a connection ends.
enum End {
    /// One of its ends closed or broke it.
    Closed,
    /// A fault closes it.
    Cut,
    /// A fault resets it.
    Reset,
    /// A fault has dropped bytes of it.
    Silent,
}

async fn connection(client: TcpStream, to: u16, faults: watch::Receiver<Fault>, seen: Arc<Seen>) {
    let silent = *faults.borrow() == Fault::HalfOpen;
    let server = if silent { None } else { TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await.ok() };
    let end = match (&server, silent) {
        (Some(server), _) => passing(&client, server, faults, &seen).await,
        (None, true) => End::Silent,
        (None, false) => End::Closed,
    };
    if !matches!(end, End::Closed) {
        seen.hit.fetch_add(1, Ordering::Relaxed);
    }
    match end {
        End::Closed | End::Cut => {}
        End::Reset => client.set_zero_linger().unwrap(),
        // Neither end is notified.
        End::Silent => swallow(&client).await,
    }
}

async fn passing(client: &TcpStream, server: &TcpStream, mut faults: watch::Receiver<Fault>, seen: &Seen) -> End {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (up, down) = (faults.clone(), faults.clone());
    tokio::select! {
        end = fault_that_ends(&mut faults) => end,
        end = pump(client, server, &up, true, seen) => end,
        end = pump(server, client, &down, false, seen) => end,
    }
}

/// Waits for a fault that ends connections at once.
async fn fault_that_ends(faults: &mut watch::Receiver<Fault>) -> End {
    loop {
        if let Some(end) = end(*faults.borrow_and_update()) {
            return end;
        }
        if faults.changed().await.is_err() {
            return End::Cut;
        }
    }
}

fn end(fault: Fault) -> Option<End> {
    match fault {
        Fault::Refuse => Some(End::Cut),
        Fault::Reset => Some(End::Reset),
        Fault::HalfOpen => Some(End::Silent),
        Fault::None | Fault::Delay(_) | Fault::LoseResponse | Fault::Throttle(_) => None,
    }
}

async fn pump(from: &TcpStream, to: &TcpStream, faults: &watch::Receiver<Fault>, upwards: bool, seen: &Seen) -> End {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let now = *faults.borrow();
        let most = match now {
            // A tenth of a second at a time.
            Fault::Throttle(rate) if upwards => buffer.len().min((rate as usize / 10).max(1)),
            _ => buffer.len(),
        };
        let Ok(read @ 1..) = read(from, &mut buffer[..most]).await else { return End::Closed };
        let now = *faults.borrow();
        // Nothing passes once a fault is set.
        if let Some(end) = end(now) {
            return end;
        }
        match now {
            Fault::Delay(by) => sleep(by).await,
            Fault::LoseResponse if !upwards => return End::Reset,
            Fault::Throttle(rate) if upwards => {
                let _turn = seen.turn.lock().await;
                sleep(Duration::from_secs_f64(read as f64 / rate as f64)).await;
            }
            _ => {}
        }
        if write(to, &buffer[..read]).await.is_err() {
            return End::Closed;
        }
        if upwards {
            seen.up.fetch_add(read as u64, Ordering::Relaxed);
        }
    }
}

async fn read(from: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

async fn write(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(written) => bytes = &bytes[written..],
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the other end closes the connection.
async fn swallow(from: &TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while matches!(read(from, &mut buffer).await, Ok(1..)) {}
}

#[cfg(test)]
mod tests;
