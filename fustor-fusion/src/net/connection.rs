//! One connection: it ends when it is idle for too long, when nobody takes its answer, or when another needs its place.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

use super::door::DoorLimits;
use super::registry::{Activity, Seat};

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
    _seat: Seat,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        limits: DoorLimits,
        (seat, activity, close): (Seat, Arc<Activity>, oneshot::Receiver<()>),
    ) -> Self {
        let alarm = Box::pin(sleep(limits.idle));
        Self { stream, activity, close: Some(close), limits, alarm, stuck: None, _seat: seat }
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
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connection {
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
