//! Who this agent is: a random id that it keeps, and the name of its host.

use std::io;
use std::path::Path;

use fustor_core::SessionId;

/// The id that stands in `path`; a new one is written there when there is none.
///
/// # Errors
/// When the file can be neither read nor written, or the system gives no random bits.
pub fn agent_id(path: &Path) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) if is_id(text.trim()) => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    // Version 4, variant 1, as 0.8 makes them.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let id = SessionId(u128::from_be_bytes(bytes)).to_string();
    std::fs::write(path, &id)?;
    Ok(id)
}

/// `:` ends an id on the wire.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.chars().all(|c| c.is_ascii_graphic() && c != ':' && c != '"' && c != '\\')
}

/// The name of this host.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.id");
        let first = agent_id(&path).unwrap();
        assert_eq!((first.len(), &first[14..15]), (36, "4"));
        assert_eq!(agent_id(&path).unwrap(), first);
        std::fs::write(&path, " my-node\n").unwrap();
        assert_eq!(agent_id(&path).unwrap(), "my-node");
        std::fs::write(&path, "a:b").unwrap();
        assert_ne!(agent_id(&path).unwrap(), "a:b");
    }
}
