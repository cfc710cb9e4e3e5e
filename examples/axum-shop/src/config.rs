//! The settings, all from the environment: `LISTEN`, `DATABASE_URL`, `PAYMENTS_URL`,
//! `INVENTORY_URL`.
use std::{
    env::{self, VarError},
    path::PathBuf,
};

use uuid::Uuid;

pub struct Config {
    pub listen: String,
    /// `sqlite:…` or `postgres://…`.
    pub database: String,
    /// The database file that this process creates, and removes at its end.
    pub temporary: Option<PathBuf>,
    /// The URL of the payments service, if there is one.
    pub payments: Option<String>,
    /// The URL of the inventory service.
    #[cfg(feature = "inventory")]
    pub inventory: Option<String>,
}

impl Config {
    pub fn from_env() -> Result<Self, String> {
        let database = variable("DATABASE_URL")?;
        // Not the working directory: that may be a git checkout.
        let file = env::temp_dir().join(format!("axum-shop-{}.db", Uuid::new_v4()));
        Ok(Self {
            listen: variable("LISTEN")?.unwrap_or_else(|| "127.0.0.1:3000".into()),
            temporary: database.is_none().then(|| file.clone()),
            database: database.unwrap_or_else(|| format!("sqlite://{}?mode=rwc", file.display())),
            payments: variable("PAYMENTS_URL")?,
            #[cfg(feature = "inventory")]
            inventory: variable("INVENTORY_URL")?,
        })
    }

    /// The database as a text for people. A PostgreSQL URL may contain a password, so it is not
    /// shown.
    pub fn database_in_words(&self) -> &str {
        match self.database.strip_prefix("sqlite:") {
            Some(file) => file.trim_start_matches("//").split('?').next().unwrap_or(file),
            None => "the one that `DATABASE_URL` names",
        }
    }
}

fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("`{name}` is not UTF-8")),
    }
}
