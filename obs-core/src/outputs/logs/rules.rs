//! The rules that say which log lines are written: a level for each target.

use std::fmt;

use crate::record::log_level::LogLevel;

/// The level at which a target's lines are written. `None` for no lines at all.
pub(super) type MaxLevel = Option<LogLevel>;

/// The rules of `info,hyper=warn,sqlx=off,rustls=debug->trace`.
///
/// The longest target that is a prefix of a line's target wins. A later rule for the same target
/// replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LevelRules {
    /// The threshold of targets without a rule.
    default: Option<MaxLevel>,
    /// The longest targets first.
    targets: Vec<(String, MaxLevel)>,
    changes: Vec<LevelChange>,
}

/// A level that the lines of a target get instead of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LevelChange {
    target: String,
    from: LogLevel,
    to: LogLevel,
}

impl LevelRules {
    /// Parses rules that are separated by commas. Returns the first invalid one as the error.
    pub(super) fn parse(text: &str) -> Result<Self, &str> {
        let mut rules = Self::default();
        for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            rules.add(rule, false).ok_or(rule)?;
        }
        Ok(rules)
    }

    /// Parses the valid rules of `RUST_LOG`, where a target alone means all its lines. Returns the
    /// invalid ones, too.
    pub(super) fn parse_valid(text: &str) -> (Self, Vec<&str>) {
        let mut rules = Self::default();
        let parts = text.split(',').map(str::trim).filter(|rule| !rule.is_empty());
        let invalid = parts.filter(|rule| rules.add(rule, true).is_none()).collect();
        (rules, invalid)
    }

    fn add(&mut self, rule: &str, lone_targets: bool) -> Option<()> {
        let Some((target, level)) = rule.split_once('=') else {
            match threshold(rule) {
                Some(threshold) => self.default = Some(threshold),
                None if lone_targets && is_target(rule) => self.set(rule, Some(LogLevel::Trace)),
                None => return None,
            }
            return Some(());
        };
        let (target, level) = (target.trim(), level.trim());
        if !is_target(target) {
            return None;
        }
        match level.split_once("->").or_else(|| level.split_once('→')) {
            Some((from, to)) => {
                let (from, to) = (LogLevel::parse(from.trim())?, LogLevel::parse(to.trim())?);
                self.changes.retain(|change| change.target != target || change.from != from);
                self.changes.push(LevelChange { target: target.to_owned(), from, to });
                self.changes.sort_by_key(|change| usize::MAX - change.target.len());
            }
            None => self.set(target, threshold(level)?),
        }
        Some(())
    }

    fn set(&mut self, target: &str, threshold: MaxLevel) {
        self.targets.retain(|(other, _)| other != target);
        self.targets.push((target.to_owned(), threshold));
        self.targets.sort_by_key(|(target, _)| usize::MAX - target.len());
    }

    /// Returns these rules, with no lines for targets without a rule.
    pub(super) fn for_its_targets(mut self) -> Self {
        self.default.get_or_insert(None);
        self
    }

    /// Returns these rules with those of `others` above them.
    pub(super) fn with(mut self, others: &Self) -> Self {
        self.default = others.default.or(self.default);
        for (target, threshold) in &others.targets {
            self.set(target, *threshold);
        }
        for change in &others.changes {
            self.changes.retain(|own| own.target != change.target || own.from != change.from);
            self.changes.push(change.clone());
        }
        self.changes.sort_by_key(|change| usize::MAX - change.target.len());
        self
    }

    /// The level that lines of this target and level get.
    pub(super) fn level(&self, target: &str, level: LogLevel) -> LogLevel {
        let change =
            self.changes.iter().find(|change| change.from == level && target.starts_with(&change.target));
        change.map_or(level, |change| change.to)
    }

    /// Returns true if a line of this target and level is written.
    pub(super) fn writes(&self, target: &str, level: LogLevel) -> bool {
        let rule = self.targets.iter().find(|(prefix, _)| target.starts_with(prefix.as_str()));
        let threshold = rule.map_or(self.of_others(), |(_, threshold)| *threshold);
        threshold.is_some_and(|threshold| self.level(target, level) <= threshold)
    }

    fn of_others(&self) -> MaxLevel {
        self.default.unwrap_or(Some(LogLevel::Info))
    }

    /// The least severe level that some target's lines may have before a change of their level.
    /// `None` if no line is written.
    pub(super) fn most(&self) -> MaxLevel {
        let thresholds = self.targets.iter().filter_map(|(_, threshold)| *threshold);
        let most = thresholds.chain(self.of_others()).max()?;
        // A change may raise lines of a lower level above their threshold.
        let raised = self.changes.iter().filter(|change| change.to <= most).map(|change| change.from);
        raised.chain([most]).max()
    }
}

/// Parses a level or `off`.
fn threshold(text: &str) -> Option<MaxLevel> {
    if text.eq_ignore_ascii_case("off") { Some(None) } else { LogLevel::parse(text).map(Some) }
}

/// Returns true for the text of a target. Filters of spans and fields, which other programs write
/// with brackets, are not targets.
fn is_target(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "[]{}=\"/".contains(c))
}

impl fmt::Display for LevelRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |threshold: MaxLevel| threshold.map_or("off", LogLevel::as_str);
        f.write_str(name(self.of_others()))?;
        for (target, threshold) in &self.targets {
            write!(f, ",{target}={}", name(*threshold))?;
        }
        for LevelChange { target, from, to } in &self.changes {
            write!(f, ",{target}={from}->{to}")?;
        }
        Ok(())
    }
}

/// The valid texts, for errors.
pub(super) const VALID: &str =
    "levels separated by commas, such as `info,hyper=warn,sqlx=off,rustls=debug->trace`";

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> LevelRules {
        LevelRules::parse(text).expect("valid")
    }

    #[test]
    fn the_longest_target_wins() {
        let rules = rules("warn, shop=debug,shop::cart=off,hyper=INFO");
        for (target, level, written) in [
            ("other", LogLevel::Warn, true),
            ("other", LogLevel::Info, false),
            ("shop", LogLevel::Debug, true),
            ("shop::orders", LogLevel::Debug, true),
            ("shop::orders", LogLevel::Trace, false),
            ("shop::cart", LogLevel::Error, false),
            ("hyper::proto", LogLevel::Info, true),
        ] {
            assert_eq!(rules.writes(target, level), written, "{target} {level}");
        }
        assert_eq!(rules.most(), Some(LogLevel::Debug));
        assert_eq!(rules.to_string(), "warn,shop::cart=off,hyper=info,shop=debug");
    }

    #[test]
    fn a_target_s_level_can_change() {
        let quiet = rules("debug,hyper=debug->trace");
        assert_eq!(quiet.level("hyper::proto", LogLevel::Debug), LogLevel::Trace);
        assert!(!quiet.writes("hyper::proto", LogLevel::Debug));
        assert!(quiet.writes("hyper::proto", LogLevel::Info));
        let loud = rules("info,audit=trace→info");
        assert!(loud.writes("audit", LogLevel::Trace));
        assert_eq!(loud.most(), Some(LogLevel::Trace));
        assert_eq!(rules(&loud.to_string()), loud);
    }

    #[test]
    fn later_rules_replace_earlier_ones() {
        let both = rules("info,hyper=warn,a=debug->info").with(&rules("debug,hyper=off,a=debug->warn"));
        assert_eq!(both.to_string(), "debug,hyper=off,a=debug->warn");
        assert_eq!(rules("info").with(&rules("hyper=off")).to_string(), "info,hyper=off");
        assert_eq!(rules("off").most(), None);
        assert_eq!(rules("").to_string(), "info");
    }

    #[test]
    fn invalid_rules_are_named() {
        for (text, invalid) in [
            ("info,shop=loud", "shop=loud"),
            ("=info", "=info"),
            ("shop[span]=info", "shop[span]=info"),
            ("shop=debug->loud", "shop=debug->loud"),
            ("waring", "waring"),
        ] {
            assert_eq!(LevelRules::parse(text), Err(invalid));
        }
        let (valid, invalid) = LevelRules::parse_valid("warn,shop[{id=3}]=info,hyper=off,h2");
        let expected = ("warn,hyper=off,h2=trace", vec!["shop[{id=3}]=info"]);
        assert_eq!((valid.to_string().as_str(), invalid), expected);
    }
}
