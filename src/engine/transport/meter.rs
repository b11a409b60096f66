//! A connection that ends when what arrives over it is too much or too late. Knows nothing of its content.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::bounds::{Limits, STEP, size};

/// Why we ended a connection, in words for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the Docker engine's answer {0}")]
pub struct Exceeded(String);

impl Exceeded {
    /// The limit that an error was caused by, if any.
    pub fn behind(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found.clone());
            }
            // An I/O error stands for the error it wraps: its source is that error's source.
            next = match error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
            {
                Some(wrapped) => Some(wrapped),
                None => error.source(),
            };
        }
        None
    }
}

/// What one connection may still bring; shared by the sender of the requests and the connection itself.
#[derive(Debug)]
pub struct Meter {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    since: Instant,
    /// Bytes of the answer so far.
    taken: u64,
    /// When the last `step` was completed, and how many bytes have moved since.
    stepped: Instant,
    moved: u64,
    /// Set once and never cleared: such a connection is not used again.
    exceeded: Option<Exceeded>,
    /// Wakes the connection when it waits for a byte.
    waits: Option<Waker>,
}

const NONE: Limits = Limits {
    head: None,
    whole: None,
    step: None,
    bytes: None,
};

impl Meter {
    /// A meter without limits.
    pub fn new() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            state: Mutex::new(State {
                limits: NONE,
                since: now,
                taken: 0,
                stepped: now,
                moved: 0,
                exceeded: None,
                waits: None,
            }),
        })
    }

    /// These limits hold from `since` on.
    pub fn begin(&self, limits: Limits, since: Instant) {
        let waits = {
            let mut state = self.state();
            (state.limits, state.since, state.taken) = (limits, since, 0);
            (state.stepped, state.moved) = (Instant::now(), 0);
            state.waits.take()
        };
        // It may be waiting for a byte with the end of the former limits in mind.
        if let Some(waits) = waits {
            waits.wake();
        }
    }

    /// The answer has been read: the connection may be idle without limit.
    pub fn rest(&self) {
        self.begin(NONE, Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When the connection ends if nothing more arrives, after how long a wait, and what is reported then.
    fn end(&self) -> Option<(Instant, Duration, &'static str)> {
        let whole = self.limits.whole.map(|limit| (self.since + limit, limit));
        let step = self.limits.step.map(|limit| (self.stepped + limit, limit));
        let whole = whole.map(|(end, limit)| (end, limit, "did not end within"));
        let step = step.map(|(end, limit)| (end, limit, "did not get on for"));
        whole.into_iter().chain(step).min()
    }

    fn took(&mut self, count: usize) -> io::Result<()> {
        self.taken = self.taken.saturating_add(count as u64);
        if let Some(most) = self.limits.bytes.filter(|most| self.taken > *most) {
            return self.exceed(format!("has more than {}", size(most)));
        }
        self.moves(count)
    }

    fn moves(&mut self, count: usize) -> io::Result<()> {
        self.in_time()?;
        self.moved = self.moved.saturating_add(count as u64);
        if self.moved >= STEP {
            (self.stepped, self.moved) = (Instant::now(), 0);
        }
        Ok(())
    }

    fn in_time(&mut self) -> io::Result<()> {
        if let Some(exceeded) = &self.exceeded {
            return Err(io::Error::other(exceeded.clone()));
        }
        match self.end() {
            Some((end, limit, what)) if end <= Instant::now() => {
                self.exceed(format!("{what} {} s", limit.as_secs()))
            }
            _ => Ok(()),
        }
    }

    fn exceed(&mut self, what: String) -> io::Result<()> {
        let exceeded = self.exceeded.insert(Exceeded(what)).clone();
        Err(io::Error::other(exceeded))
    }
}

/// A stream whose bytes are metered.
pub struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Metered<S> {
    /// What arrives over `stream` is counted by `meter`.
    pub fn new(stream: S, meter: Arc<Meter>) -> Self {
        Self {
            stream,
            meter,
            alarm: Box::pin(sleep_until(Instant::now())),
        }
    }

    /// Nothing has arrived: ready with the error once the limit has passed.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let meter = Arc::clone(&self.meter);
        let mut state = meter.state();
        loop {
            if let Err(error) = state.in_time() {
                return Poll::Ready(Err(error));
            }
            state.waits = Some(cx.waker().clone());
            let Some((end, ..)) = state.end() else {
                return Poll::Pending;
            };
            if self.alarm.deadline() != end {
                self.alarm.as_mut().reset(end);
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.meter.state().moves(count)?;
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let took = self.meter.state().took(buffer.filled().len() - before);
                if took.is_err() {
                    buffer.set_filled(before);
                }
                Poll::Ready(took)
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn metered(limits: Limits) -> (Metered<DuplexStream>, DuplexStream, Arc<Meter>) {
        let (near, far) = duplex(1024);
        let meter = Meter::new();
        meter.begin(limits, Instant::now());
        (Metered::new(near, Arc::clone(&meter)), far, meter)
    }

    fn said(error: &io::Error) -> String {
        Exceeded::behind(error).unwrap().to_string()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn more_bytes_than_allowed_end_the_connection_for_good() {
        let limits = Limits {
            bytes: Some(2000),
            ..NONE
        };
        let (mut near, mut far, meter) = metered(limits);
        tokio::spawn(async move { while far.write_all(&[7; 100]).await.is_ok() {} });
        let mut all = Vec::new();
        let error = near.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(
            said(&error),
            "the Docker engine's answer has more than 1 KiB"
        );
        assert!(all.len() <= 2000, "{}", all.len());
        meter.rest();
        assert!(near.read(&mut [0; 10]).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_drips_ends_at_its_time() {
        let limits = Limits {
            whole: Some(60 * SECOND),
            ..NONE
        };
        let (mut near, mut far, _meter) = metered(limits);
        tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SECOND).await;
            }
        });
        let begun = Instant::now();
        let error = near.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(
            said(&error),
            "the Docker engine's answer did not end within 60 s"
        );
        assert!(begun.elapsed() < 62 * SECOND);
    }

    /// What is written in pieces of this size, each 100 s after the last, until the other side's byte is read.
    async fn paced(piece: usize) -> (io::Result<usize>, u64) {
        let limits = Limits {
            step: Some(120 * SECOND),
            ..NONE
        };
        let (mut near, mut far, _meter) = metered(limits);
        let begun = Instant::now();
        tokio::spawn(async move {
            for _ in 0..10 {
                far.read_exact(&mut vec![0; piece]).await?;
            }
            far.write_all(b"x").await
        });
        let (mut reads, mut writes) = tokio::io::split(&mut near);
        let writes = async {
            for _ in 0..10 {
                writes.write_all(&vec![7; piece]).await?;
                tokio::time::sleep(100 * SECOND).await;
            }
            io::Result::Ok(())
        };
        let mut byte = [0];
        let (read, _) = tokio::join!(reads.read(&mut byte), writes);
        (read, begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_without_an_end_in_time_goes_on_while_enough_moves() {
        let (read, seconds) = paced(64 * 1024).await;
        assert_eq!((read.unwrap(), seconds), (1, 1000));
        let (read, seconds) = paced(1000).await;
        assert_eq!(
            said(&read.unwrap_err()),
            "the Docker engine's answer did not get on for 120 s"
        );
        assert_eq!(seconds, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn limits_that_begin_while_the_connection_waits_hold_at_once() {
        let (mut near, far, meter) = metered(NONE);
        let waits = tokio::spawn(async move { near.read(&mut [0; 10]).await });
        tokio::time::sleep(1000 * SECOND).await;
        let limits = Limits {
            whole: Some(SECOND),
            ..NONE
        };
        meter.begin(limits, Instant::now());
        let begun = Instant::now();
        assert!(waits.await.unwrap().is_err());
        assert_eq!(begun.elapsed().as_secs(), 1);
        drop(far);
    }
}
