//! Redaction alone, of texts without a secret. One text counts as one request.

use std::hint::black_box;

use obs_core::{Redaction, Redactor};

use super::Setting;
use crate::drive::Drive;

pub(super) static PATH: Setting = Setting {
    name: "redact-path",
    bare: None,
    run: |drive| each(drive, "/items/7/reviews/new", |redactor, path| redactor.path(path).len()),
};

pub(super) static USER_AGENT: Setting = Setting {
    name: "redact-user-agent",
    bare: None,
    run: |drive| {
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0";
        each(drive, agent, |redactor, agent| redactor.text(agent).len());
    },
};

/// A text of 1 KiB, like a long error message.
pub(super) static TEXT: Setting = Setting {
    name: "redact-text-1k",
    bare: None,
    run: |drive| {
        let text = "The connection to the database was closed before the answer came, so the order is kept. "
            .repeat(12);
        each(drive, text.get(..1024).expect("long enough"), |redactor, text| redactor.text(text).len());
    },
};

pub(super) static QUERY: Setting = Setting {
    name: "redact-query",
    bare: None,
    run: |drive| each(drive, "page=2&sort=price&q=green+tea", |redactor, query| redactor.query(query).len()),
};

pub(super) static NAME: Setting = Setting {
    name: "redact-name",
    bare: None,
    run: |drive| each(drive, "user.plan", |redactor, name| usize::from(redactor.is_secret_name(name))),
};

fn each(drive: Drive, text: &str, redact: impl Fn(&Redactor, &str) -> usize) {
    let Drive::Requests(times) = drive else { panic!("a text cannot be served") };
    let redactor = Redaction::new().build().expect("the settings are right");
    for _ in 0..times {
        black_box(redact(&redactor, black_box(text)));
    }
}
