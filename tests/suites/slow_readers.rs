//! Answers that their clients read slowly, or never: the former come whole, and what the latter were
//! to get is nobody's.

use std::time::Duration;

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::host::Setup;
use sukkal_tests::queue::Queue;
use sukkal_tests::stores::{MEMORY, STORES};
use sukkal_tests::wire::{head, request as rest};
use sukkal_tests::ws::{Frame, Socket, request};
use sukkal_tests::{Host, Scrape, eventually};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::either::Either;

/// What a slow client reads at once, and how long it then does something else.
const BITE: usize = 1 << 20;
const PAUSE: Duration = Duration::from_millis(250);
/// The length of a large message, and how many of them no system holds back for a client.
const LARGE: usize = 200_000;
const N_LARGE: usize = 100;

/// With pages of so many messages.
fn large_pages(setup: Setup) -> Setup {
    setup.section(&format!("[limits]\nmax_messages_per_page = {N_LARGE}")).websocket("max_unread = 100000000")
}

async fn post_large(queue: &Queue) {
    for _ in 0..N_LARGE {
        queue.post(["x".repeat(LARGE)]).await;
    }
}

/// A connection for which the client's system keeps little.
async fn connect(address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("the system has sockets");
    socket.set_recv_buffer_size(64 * 1024).expect("a socket can be set up");
    socket.connect(address.parse().expect("an address")).await.expect("the host takes connections")
}

async fn websocket(host: &Host) -> Socket {
    Socket::over(Either::Left(connect(&host.websocket_address()).await)).await.expect("the host takes websockets")
}

/// Reads to the end, a bite at a time.
async fn slowly(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(1..) = stream.take(BITE as u64).read_to_end(&mut all).await {
        tokio::time::sleep(PAUSE).await;
    }
    all
}

/// Asks for a large page, and reads its beginning.
async fn begun_page(host: &Host) -> TcpStream {
    let mut stream = connect(host.address()).await;
    let list = head("GET", &format!("/v2/queues/large/messages?echo=true&limit={N_LARGE}"), "Connection: close\r\n");
    stream.write_all(list.as_bytes()).await.expect("the host reads");
    stream.readable().await.expect("the host answers");
    stream
}

fn assert_whole(answer: &[u8]) {
    let head = String::from_utf8_lossy(&answer[..answer.len().min(1000)]).to_lowercase();
    let (head, _) = head.split_once("\r\n\r\n").expect("a head");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    assert_eq!(length, Some(answer.len() - head.len() - 4), "the page is whole");
}

/// Asks for a claim behind a claim that waits for so long, and for what is between them.
async fn ask_to_claim(socket: &mut Socket, wait: u64, between: usize) {
    let mut requests = vec![request("claim_create", &json!({ "queue_name": "none", "wait": wait }))];
    let list = json!({ "queue_name": "large", "limit": N_LARGE, "echo": true });
    requests.extend((0..between).map(|_| request("message_list", &list)));
    requests.push(request("claim_create", &json!({ "queue_name": "orders" })));
    for request in requests {
        assert!(socket.text(request.to_string()).await, "the host reads");
    }
}

async fn counts_become(queue: &Queue, counts: [u64; 3]) {
    eventually(&format!("{counts:?}"), SOON, async || (queue.counts().await == counts).then_some(())).await;
}

async fn assert_never_claimed(queue: &Queue) {
    assert_eq!(queue.pop(1).await[0]["claim_count"], 0, "what nobody got does not count");
}

#[tokio::test]
async fn a_claim_whose_answer_waits_for_another_is_given_back_when_its_client_leaves() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let close = |number: usize| -> Option<Vec<u8>> {
            match number {
                // Breaks the connection; says good-bye; breaks the protocol.
                0 => None,
                1 => Some(vec![0x88, 0x80, 0, 0, 0, 0]),
                _ => Some(vec![0x83, 0x80, 0, 0, 0, 0]),
            }
        };
        for number in 0..3 {
            orders.post(["a"]).await;
            let mut socket = host.websocket().await;
            ask_to_claim(&mut socket, 20, 0).await;
            counts_become(&orders, [0, 1, 1]).await;
            if let Some(bytes) = close(number) {
                socket.wire().write_all(&bytes).await.expect("the host reads");
                socket.closed().await;
            }
            drop(socket);
            counts_become(&orders, [1, 0, 1]).await;
            assert_never_claimed(&orders).await;
        }
    }
}

#[tokio::test]
async fn a_claim_in_line_is_given_back_while_who_broke_the_protocol_is_still_there() {
    let host = Host::start().await;
    let orders = host.queue("orders");
    let mut others = Vec::new();
    let given_back = async || {
        orders.post(["a"]).await;
        let mut socket = host.websocket().await;
        ask_to_claim(&mut socket, 20, 0).await;
        counts_become(&orders, [0, 1, 1]).await;
        socket.wire().write_all(&[0x83, 0x80, 0, 0, 0, 0]).await.expect("the host reads");
        assert_eq!(socket.closed().await, Some(1002));
        counts_become(&orders, [1, 0, 1]).await;
        let open = Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_connections", &[("transport", "websocket")]);
        assert_never_claimed(&orders).await;
        others.push(socket);
        (open > 0.0).then_some(())
    };
    eventually("it is given back first", SOON, given_back).await;
}

#[tokio::test]
async fn a_claim_that_was_answered_stays_when_its_client_leaves() {
    for store in STORES.into_iter().filter(|store| store.reopens) {
        let mut host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(["a", "b", "c"]).await;
        let mut socket = host.websocket().await;
        let claim = json!({ "queue_name": "orders", "limit": 1 });
        socket.ask("claim_create", claim.clone()).await.expect(201);
        socket.ask_packed("claim_create", claim).await.expect(201);
        drop(socket);
        let mut stream = connect(host.address()).await;
        let claim = rest("POST", "/v2/queues/orders/claims?limit=1", "Connection: close\r\n", "");
        stream.write_all(claim.as_bytes()).await.expect("the host reads");
        assert_whole(&slowly(&mut stream).await);
        // What is to be given back is given back before the host ends.
        assert_eq!(host.stop().await.code(), Some(0));
        host.start_again().await;
        assert_eq!(host.queue("orders").counts().await, [0, 3, 3]);
    }
}

#[tokio::test]
async fn a_claim_of_a_client_that_reads_nothing_is_given_back_as_it_is_told_so() {
    let host = large_pages(MEMORY.host()).websocket("ping_interval = 1\nidle_timeout = 4").start().await;
    let orders = host.queue("orders");
    post_large(&host.queue("large")).await;
    orders.post(["a"]).await;
    let mut socket = websocket(&host).await;
    ask_to_claim(&mut socket, 1, 1).await;
    counts_become(&orders, [0, 1, 1]).await;
    counts_become(&orders, [1, 0, 1]).await;
    assert_never_claimed(&orders).await;
}

#[tokio::test]
async fn what_waits_for_an_earlier_answer_is_bounded() {
    let host = Host::with().websocket("max_unread = 100000").start().await;
    let (orders, large) = (host.queue("orders"), host.queue("large"));
    large.post(["x".repeat(LARGE)]).await;
    orders.post(["a"]).await;
    let mut socket = host.websocket().await;
    ask_to_claim(&mut socket, 20, 0).await;
    counts_become(&orders, [0, 1, 1]).await;
    let list = json!({ "queue_name": "large", "echo": true });
    assert!(socket.text(request("message_list", &list).to_string()).await, "the host reads");
    assert_eq!(socket.next().await, Frame::Closed(Some(1008)));
    counts_become(&orders, [1, 0, 1]).await;
    assert_never_claimed(&orders).await;
}

#[tokio::test]
async fn what_all_clients_leave_unread_is_bounded() {
    const ASKED: usize = 3;
    // Answers of 4 MB. No connection leaves too much by itself.
    let host = Host::with().websocket("max_unread_total = 14000000").start().await;
    let large = host.queue("large");
    for _ in 0..20 {
        large.post(["x".repeat(LARGE)]).await;
    }
    let list = request("message_list", &json!({ "queue_name": "large", "echo": true, "limit": 20 })).to_string();
    let ask = async || {
        let mut socket = websocket(&host).await;
        for _ in 0..ASKED {
            assert!(socket.text(list.clone()).await, "the host reads");
        }
        socket
    };
    let is_whole = async |mut socket: Socket| {
        for _ in 0..ASKED {
            let Frame::Text(answer) = socket.next().await else { panic!("an answer") };
            assert_eq!(answer["body"]["messages"].as_array().map(Vec::len), Some(20));
        }
    };
    is_whole(ask().await).await;
    let mut sleepers = Vec::new();
    for _ in 0..8 {
        sleepers.push(ask().await);
    }
    let open = async || {
        let scrape = Scrape::of(&host.pages(), "/metrics").await;
        scrape.sum("sukkal_connections", &[("transport", "websocket")])
    };
    eventually("some of them are closed", SOON * 3, async || (open().await < 8.0).then_some(())).await;
    drop(sleepers);
    eventually("all are closed", SOON * 3, async || (open().await == 0.0).then_some(())).await;
    is_whole(ask().await).await;
}

#[tokio::test]
async fn pages_that_nobody_reads_are_bounded_and_hold_up_no_other_request() {
    let host = large_pages(MEMORY.host()).rest("max_unread_total = 30000000").start().await;
    let large = host.queue("large");
    post_large(&large).await;
    // Each page is of 20 MB. A client that reads takes what it asks for, and so does the next one.
    assert_whole(&slowly(&mut begun_page(&host).await).await);
    let list = format!("/v2/queues/large/messages?echo=true&limit={N_LARGE}");
    let mut asleep = Vec::new();
    let refused = eventually("a third is refused while two are not read", SOON * 3, async || {
        // They are closed soon: on a slow machine before the third is asked for.
        asleep = vec![begun_page(&host).await, begun_page(&host).await];
        let answer = host.client().get(&list).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.json()["title"], "Service temporarily unavailable");
    // What is short, and what cannot be asked for twice, is answered.
    assert_eq!(large.counts().await, [N_LARGE as u64, 0, N_LARGE as u64]);
    assert_eq!(large.pop(2).await.len(), 2);
    eventually("those are closed who read nothing", SOON * 3, async || {
        let answer = host.client().get(&list).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let first = slowly(&mut asleep[0]).await;
    assert!(first.len() < LARGE * N_LARGE, "its connection was closed: {}", first.len());
}

#[tokio::test]
async fn claims_of_which_a_connection_took_no_word_are_given_back_when_it_breaks() {
    // A claim that waits for the disk is none that waits for its client.
    let host = MEMORY.host().start().await;
    let large = host.queue("large");
    post_large(&large).await;
    let mut stream = connect(host.address()).await;
    let claim = rest("POST", "/v2/queues/large/claims?limit=1", "", "");
    stream.write_all(claim.repeat(N_LARGE).as_bytes()).await.expect("the host reads");
    let (mut made, mut same) = (0, 0);
    eventually("no more is claimed, as nothing is read", 3 * SOON, async || {
        let [_, now, _] = large.counts().await;
        same = if now > 0 && now == made { same + 1 } else { 0 };
        made = now;
        (same == 20).then_some(())
    })
    .await;
    assert!((1..N_LARGE as u64).contains(&made), "{made}");
    stream.set_zero_linger().expect("a socket can be set up");
    drop(stream);
    eventually("the last one is given back", SOON, async || (large.counts().await[1] < made).then_some(())).await;
}

#[tokio::test]
async fn a_page_that_is_read_slowly_outlasts_the_idle_time() {
    let host = large_pages(MEMORY.host()).rest("idle_timeout = 3").start().await;
    post_large(&host.queue("large")).await;
    assert_whole(&slowly(&mut begun_page(&host).await).await);
}

#[tokio::test]
async fn a_page_that_is_being_read_when_the_host_stops_is_read_to_its_end() {
    let mut host = large_pages(MEMORY.host()).top("shutdown_grace = 120").start().await;
    post_large(&host.queue("large")).await;
    let mut page = begun_page(&host).await;
    host.terminate();
    assert_whole(&slowly(&mut page).await);
    assert_eq!(host.wait().await.code(), Some(0));
}

#[tokio::test]
async fn a_frame_that_is_being_read_when_the_host_stops_is_read_to_its_end() {
    let mut host = large_pages(MEMORY.host()).top("shutdown_grace = 120").start().await;
    post_large(&host.queue("large")).await;
    let mut socket = websocket(&host).await;
    let list = json!({ "queue_name": "large", "limit": N_LARGE, "echo": true });
    assert!(socket.text(request("message_list", &list).to_string()).await);
    assert!(matches!(socket.wire(), Either::Left(stream) if stream.readable().await.is_ok()));
    host.terminate();
    let answer = slowly(socket.wire()).await;
    assert!(answer.len() > LARGE * N_LARGE, "{}", answer.len());
    let last = answer.strip_suffix(b"the host stops").expect("the host says why it closes");
    assert_eq!(last[last.len() - 4..], [0x88, 16, 3, 233], "1001");
    assert_eq!(host.wait().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_not_read_when_the_grace_time_ends_is_given_back() {
    let mut host = large_pages(Host::with()).top("shutdown_grace = 2").start().await;
    let orders = host.queue("orders");
    post_large(&host.queue("large")).await;
    orders.post(["a"]).await;
    let mut socket = websocket(&host).await;
    ask_to_claim(&mut socket, 1, 1).await;
    let page = begun_page(&host).await;
    counts_become(&orders, [0, 1, 1]).await;
    assert_eq!(host.stop().await.code(), Some(0));
    assert!(host.log().contains("did not end in time and are cut"), "{}", host.log());
    drop(page);
    host.start_again().await;
    let orders = host.queue("orders");
    assert_eq!(orders.counts().await, [1, 0, 1]);
    assert_never_claimed(&orders).await;
}
