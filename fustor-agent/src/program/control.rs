//! Words with the running process: a socket in its home that only its user can open, one JSON line each way.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// The longest line.
const LINE_MAX: u64 = 16 << 20;
/// Who is silent for so long is not worth waiting for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a running process can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// What it does and how it fares; of one pipe if named.
    Status {
        /// The pipe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pipe: Option<String>,
    },
    /// What it was configured with.
    List,
    /// To read its files again.
    Reload,
    /// To end.
    Stop,
}

/// Why there was no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody listens: the program does not run, or has just ended.
    #[error("nobody answers at {path}: {error}")]
    Nobody {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The conversation broke off.
    #[error("the running process gave no answer: {0}")]
    Broken(io::Error),
    /// It is another version, perhaps.
    #[error("the answer of the running process cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Asks the process that listens at `path`, and waits up to `patience` for its answer.
///
/// # Errors
/// [`AskError`]
pub fn ask(path: &Path, question: &Question, patience: Duration) -> Result<Value, AskError> {
    let stream = UnixStream::connect(path)
        .map_err(|error| AskError::Nobody { path: path.to_owned(), error })?;
    let answer = converse(&stream, question, patience).map_err(AskError::Broken)?;
    Ok(serde_json::from_str(&answer)?)
}

fn converse(stream: &UnixStream, question: &Question, patience: Duration) -> io::Result<String> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(question)?;
    line.push('\n');
    let mut writer = stream;
    writer.write_all(line.as_bytes())?;
    read_line(stream)
}

/// Answers questions until it is dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens at `path`, replacing what a dead process left there, and answers one question after the other.
    ///
    /// # Errors
    /// When the socket cannot be made; its path may be too long (107 bytes).
    pub fn start(
        path: &Path,
        answer: impl Fn(Question) -> Value + Send + 'static,
    ) -> io::Result<Self> {
        let listener = bind(path)?;
        let closed = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&closed);
        let thread = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let served = stream.and_then(|stream| serve(&stream, &answer));
                if let Err(error) = served {
                    tracing::debug!(%error, "a question was not answered");
                }
            }
        })?;
        Ok(Self { path: path.to_owned(), closed, thread: Some(thread) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the thread; if nobody can connect it has ended already.
        let woken = UnixStream::connect(&self.path).is_ok();
        drop(std::fs::remove_file(&self.path));
        // The thread itself may be the one that drops this, by the answer to a question.
        let thread = self.thread.take().filter(|_| woken);
        if let Some(thread) =
            thread.filter(|thread| thread.thread().id() != std::thread::current().id())
        {
            drop(thread.join());
        }
    }
}

/// The socket gets its name only once nobody else may open it.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let hidden = path.with_extension("new");
    for stale in [path, &hidden] {
        match std::fs::remove_file(stale) {
            Ok(()) => (),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(error),
        }
    }
    let listener = UnixListener::bind(&hidden)?;
    std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&hidden, path)?;
    Ok(listener)
}

fn serve(stream: &UnixStream, answer: &impl Fn(Question) -> Value) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let line = read_line(stream)?;
    let reply = match serde_json::from_str(&line) {
        Ok(question) => answer(question),
        Err(error) => serde_json::json!({ "error": format!("not understood: {error}") }),
    };
    let mut stream = stream;
    stream.write_all(format!("{reply}\n").as_bytes())
}

fn read_line(stream: &UnixStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut line)?;
    if line.ends_with('\n') {
        return Ok(line);
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the line has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_question_is_answered_by_the_process_that_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        std::fs::write(&path, "left behind").unwrap();
        let control = Control::start(&path, |question| json!({ "asked": question })).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let answer = ask(&path, &Question::Status { pipe: Some("p".into()) }, PATIENCE).unwrap();
        assert_eq!(answer, json!({"asked": {"ask": "status", "pipe": "p"}}));
        drop(control);
        assert!(matches!(ask(&path, &Question::Stop, PATIENCE), Err(AskError::Nobody { .. })));
    }

    #[test]
    fn nonsense_is_answered_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let _control = Control::start(&path, |_| json!(1)).unwrap();
        let stream = UnixStream::connect(&path).unwrap();
        (&stream).write_all(b"{\"ask\":\"dance\"}\n").unwrap();
        assert!(read_line(&stream).unwrap().contains("not understood"));
    }
}
