//! What scrapes do to the requests that are served meanwhile.

pub(crate) fn print() -> Result<(), String> {
    Ok(())
}
