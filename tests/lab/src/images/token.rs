//! Tokens in the URLs of images: JSON Web Tokens by their looks, and as long.

use crate::error::Result;
use crate::secret;

/// `{"alg":"ES256","typ":"JWT"}`, as assisted-service has it.
const HEADER: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9";

/// One that nobody can guess. It says nothing: nobody looks into it.
pub(super) fn new() -> Result<String> {
    let claims = secret::random()?;
    // A signature by ES256 has 64 bytes, which are 86 characters.
    let signature = [secret::random()?, secret::random()?, secret::random()?].concat();
    Ok(format!("{HEADER}.{claims}.{}", &signature[..86]))
}
