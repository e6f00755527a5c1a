//! A broker that names no broker, as one does that has just started: for a moment it knows topics and
//! nobody who holds them. Whether a client asks in that moment is chance; here it is certain.

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
    soak::{
        house::{House, port},
        scale,
        trial::Trial,
    },
    stage::Stage,
    topics::eventually,
};

/// How often clients are named nobody before they are named a broker again. Two workers have six, of which those ask
/// that have something to send or to read; the others are those that asked before, and ask again.
const ASKED: usize = 6;
/// Topics of the cluster.
const TOPICS: u32 = 50_000;

#[test]
fn brokers_that_name_no_broker_are_asked_again() {
    let house = House::with(&["kafka"], 1);
    let engines = house.engines();
    let stage = Stage::at(engines.clone());
    let advertised = engines.get("KAFKA_PROXY").unwrap();
    let broker = Nameless::between(port(advertised), port(engines.get("KAFKA_PROXIED").unwrap()));
    let stores = String::from_utf8(stage.folder.read("store.yaml")).unwrap();
    stage.folder.write("store.yaml", stores.replace(engines.kafka(), advertised));
    let (rate, events, rounds) = scale((300, 2_000, 1), (500, 20_000, 5));
    let mut trial = Trial::begin(&stage, rate, events);
    for _ in 0..rounds {
        broker.names_nobody(true);
        eventually("those who know no broker ask", || broker.asked() >= ASKED);
        broker.names_nobody(false);
        trial.recovers();
    }
    trial.end("no broker named", &format!("{rounds} times {ASKED} questions were answered with no broker"));
}

/// A proxy before Kafka that can answer questions about the cluster itself.
struct Nameless {
    state: Arc<State>,
    cut: watch::Sender<()>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct State {
    nameless: AtomicBool,
    asked: AtomicUsize,
}

impl Nameless {
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

    /// Ends all connections; from now on no broker is named, or all are again.
    fn names_nobody(&self, nameless: bool) {
        self.state.asked.store(0, Relaxed);
        self.state.nameless.store(nameless, Relaxed);
        if nameless {
            self.cut.send_replace(());
        }
    }

    /// Connections by which somebody was named no broker.
    fn asked(&self) -> usize {
        self.state.asked.load(Relaxed)
    }
}

impl Drop for Nameless {
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
        if !state.nameless.load(Relaxed) {
            send(&mut broker, &question).await?;
        } else if let Some(answer) = nobody(&question) {
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

/// The answer to a question for metadata: its first topic and many more, without leaders, and no broker. `None` to
/// another question. Metadata 13, <https://kafka.apache.org/protocol#The_Messages_Metadata>.
///
/// While the client goes through the topics, its threads end that held brokers; it must have begun to ask the first ones
/// again by the time that it is through, and then it never does (librdkafka 2.12: the answer stops the timer).
fn nobody(question: &[u8]) -> Option<Vec<u8>> {
    let number = |at: usize| i16::from_be_bytes([question[at], question[at + 1]]);
    let (metadata, version, correlation) = (number(0) == 3, number(2), &question[4..8]);
    if !metadata {
        return None;
    }
    assert_eq!(version, 13, "the layout is that of version 13");
    // After the client's id, and no tags: how many topics and one more, 16 bytes of an id, the name's length and one more.
    let topics = 8 + 2 + usize::try_from(number(8)).unwrap_or(0) + 1;
    if question[topics] < 2 {
        return None;
    }
    let asked = topics + 1 + 16 + 1;
    let asked = &question[asked..asked - 1 + usize::from(question[asked - 1])];
    // Tags, throttled for, no brokers, no cluster's id, no controller.
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
