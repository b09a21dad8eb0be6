//! Pages of lists: how many entries, and where to go on.

use crate::edge::info::MAX_PAGE_SIZE;
use contract::v1::{Fault, Reason};

const DEFAULT: usize = 100;
/// Digits of the digest of the filter in a token.
const DIGEST: usize = 16;

/// Entries of a page.
pub(in crate::grpc) fn size(asked: i32) -> Result<usize, Fault> {
    match usize::try_from(asked) {
        Ok(0) => Ok(DEFAULT),
        Ok(asked) => Ok(asked.min(MAX_PAGE_SIZE)),
        Err(_) => Err(Fault::invalid("page_size", "is negative")),
    }
}

/// The token that goes on after `last`, in a list of this filter.
pub(in crate::grpc) fn token(filter: &str, last: &str) -> String {
    format!("{filter:.DIGEST$}{last}")
}

/// After which entry a page begins; empty for the first.
pub(in crate::grpc) fn after<'a>(token: &'a str, filter: &str) -> Result<&'a str, Fault> {
    if token.is_empty() {
        return Ok("");
    }
    let short = format!("{filter:.DIGEST$}");
    token.strip_prefix(&short).ok_or_else(|| {
        Fault::new(
            Reason::PageTokenInvalid,
            "`page_token` is not from a list of this filter",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_default_and_a_most() {
        assert_eq!([size(0), size(7), size(5_000)], [Ok(100), Ok(7), Ok(1_000)]);
        assert_eq!(size(-1).expect_err("negative").field, "page_size");
    }

    #[test]
    fn a_token_is_good_for_the_same_filter_only() {
        let token = token("0123456789abcdefXXX", "hub/uid/0001");
        assert_eq!(after(&token, "0123456789abcdefYYY"), Ok("hub/uid/0001"));
        let other = after(&token, "other").expect_err("other filter");
        assert_eq!(other.reason(), Reason::PageTokenInvalid);
        assert_eq!(after("", "any"), Ok(""));
    }
}
