//! SQL as telemetry may show it: a summary, and the text without values.
//!
//! ```text
//! text of a query ──▶ tokens ──┬──▶ summary    SELECT songs artists
//!                              └──▶ text       SELECT * FROM songs, artists WHERE id = ?
//! ```
//!
//! One pass over the tokens makes both. It takes time in proportion to the part of the text that it
//! reads, and no text makes it panic. It is no parser: a wrong query has a summary, too.
//!
//! [`kept`] has the results of each thread, so a repeated query costs one look-up.

pub(crate) mod dialect;
pub(crate) mod kept;
mod keywords;
mod masked;
mod parentheses;
pub(crate) mod statement;
mod summary;
#[cfg(test)]
mod tests;
mod token;
