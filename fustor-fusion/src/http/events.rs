//! `/events`: the changes of a view as they are noticed, as server-sent events. Each client reads the log at its own
//! pace, so nothing is queued for it; one that falls behind the log is told so and let go.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use fustor_core::ViewPath;
use fustor_core::query::{Changes, Limit, Position};
use fustor_core::wire::json::ToJson;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::access::still_may_ask;
use super::answer::{Asked, aside};
use super::changes::{gone, position};
use super::error::ApiError;
use super::state::{App, ViewState};
use super::stream::Receiving;
use crate::host::Follower;

/// How long nothing is said: then the client hears where it is, and whether it may still ask is looked at.
const BREATH: Duration = Duration::from_secs(15);
/// Changes of one message.
const MESSAGE: usize = 256;
/// So many changes are looked through at a time.
const EXAMINE: usize = 16_384;
/// A client that takes no message for so long is gone.
const STALLED: Duration = Duration::from_secs(60);

/// The name of the header in which a client says where it was.
const LAST: &str = "last-event-id";

pub(super) async fn follow_changes(asked: Asked) -> Result<Response, ApiError> {
    asked.params.strict(&["since", "path", "path_b64", "require"])?;
    let path = asked.params.path()?;
    let since = since(&asked)?;
    let limit = Limit::new(MESSAGE)?;
    let trust = asked.trust(&path, asked.params.require()?)?;
    let full = |_| ApiError::Busy("too many clients follow changes".to_owned());
    let leave = asked.app.streams().try_acquire_owned().map_err(full)?;
    let history = Arc::clone(asked.view.host.history());
    let newest = Arc::clone(&asked.snapshot);
    let (place, first) = aside(asked.permit()?, move |_| {
        history.advance(&newest);
        let place = since.unwrap_or_else(|| Position::after(newest.revision()));
        (place, history.page(place, &ViewPath::root(), limit, 0))
    })
    .await?;
    first.map_err(|forgotten| ApiError::Forgotten(gone(place, forgotten)))?;
    let (sender, receiver) = mpsc::channel(1);
    let follower = asked.view.host.history().follow();
    let stopping = asked.app.stopping();
    let mut response = asked.stamped(Response::new(Body::from_stream(Receiving(receiver))), &trust);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let Asked { app, view, headers, .. } = asked;
    let stream = Stream {
        app,
        view,
        headers,
        path,
        limit,
        place,
        follower,
        sender,
        stopping,
        _leave: leave,
    };
    drop(tokio::spawn(stream.run()));
    Ok(response)
}

/// Where the client was; what it says after an interruption goes before what it first asked for.
fn since(asked: &Asked) -> Result<Option<Position>, ApiError> {
    let last = asked.headers.get(LAST).map(|last| last.to_str().unwrap_or("?"));
    match (last, asked.params.text("since")?) {
        (Some(last), _) => position("Last-Event-ID", last).map(Some),
        (None, Some(since)) => position("since", since).map(Some),
        (None, None) => Ok(None),
    }
}

/// One client.
struct Stream {
    app: App,
    view: Arc<ViewState>,
    headers: HeaderMap,
    path: ViewPath,
    limit: Limit,
    place: Position,
    follower: Follower,
    sender: mpsc::Sender<io::Result<Bytes>>,
    stopping: watch::Receiver<bool>,
    _leave: OwnedSemaphorePermit,
}

/// The client has gone, or is to go.
struct Over;

impl Stream {
    async fn run(mut self) {
        let mut told = self.tell_place().await;
        while told.is_ok() {
            told = self.step().await;
        }
    }

    /// Tells what there is, then waits for more.
    async fn step(&mut self) -> Result<(), Over> {
        while self.tell().await? {}
        tokio::select! {
            () = self.follower.changed() => return Ok(()),
            () = self.sender.closed() => return Err(Over),
            _ = self.stopping.wait_for(|stop| *stop) => return Err(Over),
            () = tokio::time::sleep(BREATH) => (),
        }
        self.tell_place().await
    }

    /// No message, but where the client would go on.
    async fn tell_place(&self) -> Result<(), Over> {
        self.send(format!("id: {}\n\n", self.place)).await
    }

    /// One message, if there is anything to tell; whether there may be more.
    async fn tell(&mut self) -> Result<bool, Over> {
        let history = self.view.host.history();
        let closed = history.is_closed() || !still_may_ask(&self.app, &self.headers, self.name());
        let page = history.page(self.place, &self.path, self.limit, EXAMINE);
        if closed {
            return Err(Over);
        }
        match page {
            Ok(page) => {
                self.place = page.resume();
                if !page.changes.is_empty() {
                    self.send(message(&page)).await?;
                }
                Ok(page.next.is_some())
            }
            Err(forgotten) => {
                let body = gone(self.place, forgotten);
                self.send(format!("event: gone\ndata: {body}\n\n")).await?;
                Err(Over)
            }
        }
    }

    fn name(&self) -> &str {
        self.view.host.name()
    }

    async fn send(&self, text: String) -> Result<(), Over> {
        let sending = self.sender.send_timeout(Ok(Bytes::from(text)), STALLED);
        sending.await.map_err(|_| Over)
    }
}

/// JSON has no line breaks of its own, so one line of data carries it.
fn message(page: &Changes) -> String {
    let body = String::from_utf8_lossy(&page.to_json()).into_owned();
    format!("id: {}\nevent: changes\ndata: {body}\n\n", page.resume())
}
