//! A client that repeats one request over one connection.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    request: String,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    pub(super) fn open(port: u16, path: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_nodelay(true).expect("it is connected");
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n{headers}\r\n");
        Self { stream: BufReader::new(stream), request, line: String::new(), body: Vec::new() }
    }

    /// Sends a request, and reads the response to its end. The response has a length, or comes in
    /// chunks.
    pub(super) fn request(&mut self) {
        self.stream.get_mut().write_all(self.request.as_bytes()).expect("the connection stays open");
        let mut length = None;
        self.read_line();
        assert!(self.line.starts_with("HTTP/1.1 200"), "{}", self.line);
        while self.read_line() {
            if let Some(value) = self.line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
        }
        if let Some(length) = length {
            return self.read(length);
        }
        loop {
            self.read_line();
            let length = usize::from_str_radix(self.line.trim(), 16).expect("a chunk's size");
            self.read(length + "\r\n".len());
            if length == 0 {
                break;
            }
        }
    }

    fn read(&mut self, bytes: usize) {
        self.body.resize(bytes, 0);
        self.stream.read_exact(&mut self.body).expect("the whole body");
    }

    /// Reads a line. Returns `false` at the empty line after the headers.
    fn read_line(&mut self) -> bool {
        self.line.clear();
        let bytes = self.stream.read_line(&mut self.line).expect("the connection stays open");
        assert!(bytes > 0, "the connection stays open");
        self.line != "\r\n"
    }
}
