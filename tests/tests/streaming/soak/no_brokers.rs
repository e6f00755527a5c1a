//! Metadata without brokers. A broker that has just started knows topics but no brokers for a
//! moment. Here a proxy answers in that way, so that clients are certain to see it.

use std::{
    io::{self, ErrorKind},
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Runtime,
    sync::{Mutex, watch},
};

use crate::{
    pipeline_fixture::PipelineFixture,
    soak::{
        scale,
        soak_run::SoakRun,
        soak_servers::{SoakServers, port},
    },
    topics::eventually,
};

/// Connections that get metadata without brokers before others get metadata with them. Two workers
/// have six clients; those with nothing to send or to read don't ask, and others ask twice.
const ASKED: usize = 6;
/// Topics in the metadata.
const TOPICS: u32 = 50_000;

#[test]
fn metadata_without_brokers_is_requested_again() {
    let servers = SoakServers::with_proxied_kafka();
    let engines = servers.engines();
    let fixture = PipelineFixture::on_servers(engines.clone());
    let advertised = engines.get("KAFKA_PROXY").unwrap();
    let proxy = NoBrokersProxy::between(port(advertised), port(engines.get("KAFKA_PROXIED").unwrap()));
    let stores = String::from_utf8(fixture.folder.read("store.yaml")).unwrap();
    fixture.folder.write("store.yaml", stores.replace(engines.kafka(), advertised));
    let (rate, events, rounds) = scale((300, 2_000, 1), (500, 20_000, 5));
    let mut run = SoakRun::start(&fixture, rate, events);
    for _ in 0..rounds {
        proxy.hide_brokers(true);
        eventually("clients without a broker ask", || proxy.asked() >= ASKED);
        proxy.hide_brokers(false);
        run.recover();
    }
    run.finish("no broker named", &format!("{rounds} times {ASKED} connections got metadata without brokers"));
}

/// A proxy before Kafka that can answer metadata requests itself.
struct NoBrokersProxy {
    state: Arc<State>,
    cut: watch::Sender<()>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct State {
    hides: AtomicBool,
    asked: AtomicUsize,
}

impl NoBrokersProxy {
    fn between(at: u16, to: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, at))).unwrap();
        let (state, (cut, cuts)) = (Arc::new(State::default()), watch::channel(()));
        runtime.spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (state, mut cuts) = (Arc::clone(&state), cuts.clone());
                    cuts.mark_unchanged();
                    tokio::spawn(async move {
                        tokio::select! {
                            _ = cuts.changed() => {}
                            _ = connection(client, to, &state) => {}
                        }
                    });
                }
            }
        });
        Self { state, cut, runtime: Some(runtime) }
    }

    /// Answers metadata requests without brokers and closes all connections, or ends this.
    fn hide_brokers(&self, hides: bool) {
        self.state.asked.store(0, Relaxed);
        self.state.hides.store(hides, Relaxed);
        if hides {
            self.cut.send_replace(());
        }
    }

    /// Returns the number of connections that got metadata without brokers.
    fn asked(&self) -> usize {
        self.state.asked.load(Relaxed)
    }
}

impl Drop for NoBrokersProxy {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn connection(client: TcpStream, to: u16, state: &State) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
    let (questions, answers) = client.into_split();
    let (mut replies, broker) = server.into_split();
    let answers = Mutex::new(answers);
    tokio::select! {
        done = ask(questions, broker, &answers, state) => done,
        done = async {
            loop {
                let reply = frame(&mut replies).await?;
                send(&mut *answers.lock().await, &reply).await?;
            }
        } => done,
    }
}

async fn ask(
    mut questions: OwnedReadHalf,
    mut broker: OwnedWriteHalf,
    answers: &Mutex<OwnedWriteHalf>,
    state: &State,
) -> io::Result<()> {
    let mut first = true;
    loop {
        let question = frame(&mut questions).await?;
        if !state.hides.load(Relaxed) {
            send(&mut broker, &question).await?;
        } else if let Some(answer) = without_brokers(&question) {
            send(&mut *answers.lock().await, &answer).await?;
            state.asked.fetch_add(usize::from(std::mem::take(&mut first)), Relaxed);
        } else {
            send(&mut broker, &question).await?;
        }
    }
}

async fn frame(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = from.read_i32().await?;
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| ErrorKind::InvalidData)?];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn send(to: &mut OwnedWriteHalf, frame: &[u8]) -> io::Result<()> {
    to.write_i32(i32::try_from(frame.len()).unwrap()).await?;
    to.write_all(frame).await
}

/// Returns the response to a metadata request: its first topic and many more, without leaders and
/// brokers. `None` for another request. Metadata 13,
/// <https://kafka.apache.org/protocol#The_Messages_Metadata>.
///
/// The topics are many so that the client is busy with them while its broker threads end. A client
/// that relies on its timer for the next request then never sends one (librdkafka 2.12: this
/// response stops the timer).
fn without_brokers(question: &[u8]) -> Option<Vec<u8>> {
    let number = |at: usize| i16::from_be_bytes([question[at], question[at + 1]]);
    let (metadata, version, correlation) = (number(0) == 3, number(2), &question[4..8]);
    if !metadata {
        return None;
    }
    assert_eq!(version, 13, "the layout is that of version 13");
    // After the client's id and empty tags: the number of topics plus one, 16 bytes of an id, and
    // the length of the name plus one.
    let topics = 8 + 2 + usize::try_from(number(8)).unwrap_or(0) + 1;
    if question[topics] < 2 {
        return None;
    }
    let asked = topics + 1 + 16 + 1;
    let asked = &question[asked..asked - 1 + usize::from(question[asked - 1])];
    // Tags, throttle time, no brokers, no cluster id, no controller.
    let mut answer = [correlation, &[0], &[0; 4], &[1], &[0], &(-1_i32).to_be_bytes()].concat();
    let mut count = TOPICS + 1;
    while count > 0x7f {
        answer.push(count as u8 | 0x80);
        count >>= 7;
    }
    answer.push(count as u8);
    topic(&mut answer, asked);
    for other in 1..TOPICS {
        topic(&mut answer, format!("other-{other}").as_bytes());
    }
    // No error, tags.
    answer.extend([0; 3]);
    Some(answer)
}

fn topic(answer: &mut Vec<u8>, name: &[u8]) {
    // Its leader is not available.
    answer.extend(5_i16.to_be_bytes());
    answer.push(u8::try_from(name.len() + 1).unwrap());
    answer.extend(name);
    // Its id, not internal, no partitions, operations unknown, tags.
    answer.extend([&[0; 16][..], &[0], &[1], &i32::MIN.to_be_bytes(), &[0]].concat());
}
