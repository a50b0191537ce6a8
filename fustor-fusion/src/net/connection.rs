//! One connection: it ends when it is idle for too long, when nobody takes its answer, or when another needs its place.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

use super::door::DoorLimits;
use super::registry::{Activity, Place, Seat};

/// Who is refused before all was read has so long to take the answer and stop sending. Without that the system would
/// throw the answer away.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// A guarded stream.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    pub(super) activity: Arc<Activity>,
    close: Option<oneshot::Receiver<()>>,
    limits: DoorLimits,
    alarm: Pin<Box<Sleep>>,
    /// Since when the other end takes nothing.
    stuck: Option<Instant>,
    /// Until when what still comes is thrown away, once our end is closed.
    closing: Option<Pin<Box<Sleep>>>,
    _seat: Seat,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        limits: DoorLimits,
        (seat, activity, close): Place,
    ) -> Self {
        let alarm = Box::pin(sleep(limits.idle));
        let (close, closing) = (Some(close), None);
        Self { stream, activity, close, limits, alarm, stuck: None, closing, _seat: seat }
    }

    /// Whether it is over, and if not, arranges to be asked again when it may be.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let told =
            self.close.as_mut().is_some_and(|close| Pin::new(close).poll(context).is_ready());
        if told {
            self.close = None;
            return Err(over("another connection needs the place"));
        }
        loop {
            let left = self.left()?;
            let due = Instant::now() + left;
            if self.alarm.deadline() > due || self.alarm.is_elapsed() {
                self.alarm.as_mut().reset(due);
            }
            match self.alarm.as_mut().poll(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(()) => (),
            }
        }
    }

    /// How long it may still go on like this.
    fn left(&self) -> io::Result<Duration> {
        let idle = match self.activity.idle() {
            Some(idle) => self.limits.idle.checked_sub(idle),
            None => Some(self.limits.idle),
        };
        let stuck = match self.stuck {
            Some(since) => self.limits.stuck.checked_sub(since.elapsed()),
            None => Some(self.limits.stuck),
        };
        let left = idle.ok_or_else(|| over("idle"))?.min(stuck.ok_or_else(|| over("stuck"))?);
        Ok(left.max(Duration::from_millis(1)))
    }
}

fn over(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, reason)
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(done) => {
                // Bytes that dribble in do not make a request; only its end counts.
                self.check(context)?;
                Poll::Ready(done)
            }
            Poll::Pending => {
                self.check(context)?;
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            if !self.activity.is_refused() {
                return Poll::Ready(Ok(()));
            }
        }
        self.linger(context)
    }
}

impl Connection {
    /// Throws away what still comes until the other end has heard that it was refused.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if closing.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut rest = [0; 16 * 1024];
        loop {
            let mut rest = ReadBuf::new(&mut rest);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut rest)) {
                Ok(()) if !rest.filled().is_empty() => (),
                // The other end is done, or gone.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }

    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match done {
            Poll::Ready(done) => {
                self.stuck = None;
                self.activity.touch();
                Poll::Ready(done)
            }
            Poll::Pending => {
                self.stuck.get_or_insert_with(Instant::now);
                self.check(context)?;
                Poll::Pending
            }
        }
    }
}
