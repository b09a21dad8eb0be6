//! The log file of a process.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// How many lines of a log an error shows.
const TAIL: usize = 20;

/// A log file, from where its process began to write.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
    start: u64,
}

impl Log {
    /// The log that begins where the file ends now.
    pub fn at_end(path: PathBuf) -> Self {
        let start = fs::metadata(&path).map_or(0, |file| file.len());
        Self { path, start }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its whole lines so far. The last one is left out while it is still being written.
    pub fn lines(&self) -> Vec<String> {
        let text = self.text();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// Its lines that are JSON objects: the services write one for each event.
    pub fn events(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).ok().filter(Value::is_object);
        self.lines().iter().filter_map(parse).collect()
    }

    /// The last lines, for a message.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    fn text(&self) -> String {
        let mut bytes = Vec::new();
        // A log that cannot be read has no lines; who waits for one says so.
        if let Ok(mut file) = fs::File::open(&self.path)
            && file.seek(SeekFrom::Start(self.start)).is_ok()
        {
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
