//! What is in the log whatever is asked for: the audit lines.

use tracing_subscriber::{
    EnvFilter,
    filter::{Directive, LevelFilter, ParseError},
};

/// A filter of `tracing`, with the audit lines in it whatever else it leaves out.
pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let audit: Directive = "audit=info".parse()?;
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    Ok(filter.parse(text)?.add_directive(audit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_lines_pass_every_filter() {
        for text in [
            "",
            "info",
            "error",
            "off",
            "warn,audit=off",
            "vsphere_driver=debug",
        ] {
            let filter = filter(text).unwrap().to_string();
            assert!(filter.contains("audit=info"), "{text}: {filter}");
            assert!(!filter.contains("audit=off"), "{text}: {filter}");
        }
        filter("a=b=c").unwrap_err();
    }
}
