//! The parentheses around a word.

/// The open parentheses, a bit for each. Those that are nested deeper than 63 are ignored.
#[derive(Debug, Default)]
pub(super) struct Parentheses {
    pub(super) depth: u32,
    /// It contains a query.
    pub(super) query: u64,
    /// It is in a list of tables: a comma separates targets.
    tables: u64,
    /// Its query began with `WITH`.
    pub(super) with: u64,
}

impl Parentheses {
    pub(super) const fn bit(&self) -> u64 {
        if self.depth < 64 { 1 << self.depth } else { 0 }
    }

    pub(super) const fn open(&mut self) {
        self.depth = self.depth.saturating_add(1);
        let bit = self.bit();
        self.query &= !bit;
        self.tables &= !bit;
        self.with &= !bit;
    }

    pub(super) const fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) const fn set_tables(&mut self, on: bool) {
        let bit = self.bit();
        self.tables = if on { self.tables | bit } else { self.tables & !bit };
    }

    pub(super) const fn has_tables(&self) -> bool {
        self.tables & self.bit() != 0
    }

    pub(super) const fn begin_query(&mut self) {
        let bit = self.bit();
        self.query |= bit;
        self.tables &= !bit;
        self.with &= !bit;
    }

    /// True if `FROM` and `JOIN` have tables here. In the arguments of a function they have none.
    pub(super) const fn takes_tables(&self) -> bool {
        self.depth == 0 || (self.query | self.tables) & self.bit() != 0
    }
}
