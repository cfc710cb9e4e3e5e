//! Errors of the standard library.

use std::{error::Error, io};

use super::Facts;

pub(super) fn read(error: &(dyn Error + 'static), facts: &mut Facts) {
    let Some(error) = error.downcast_ref::<io::Error>() else { return };
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => facts.transport = true,
        io::ErrorKind::TimedOut => facts.timeout = true,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => {
            facts.reset = true;
            facts.other_io = true;
        }
        io::ErrorKind::UnexpectedEof => {
            facts.incomplete = true;
            facts.other_io = true;
        }
        _ => facts.other_io = true,
    }
}
