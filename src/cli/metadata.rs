//! Docker's question to every plugin before every call: its metadata. Answered without clap, engine or disk.

use serde_json::json;

/// The argument with which Docker asks.
pub const QUESTION: &str = "docker-cli-plugin-metadata";

/// The answer, as JSON. Docker requires `SchemaVersion` and `Vendor`.
pub fn answer() -> String {
    let mut metadata = json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "docker-liveupdate",
        "Version": concat!("v", env!("CARGO_PKG_VERSION")),
        "ShortDescription": "Live Update for Docker Compose",
    });
    // Cargo.toml's `repository`; empty when there is none.
    let url = env!("CARGO_PKG_REPOSITORY");
    if !url.is_empty() {
        metadata["URL"] = url.into();
    }
    format!("{metadata}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_is_json_with_the_mandatory_keys() {
        let value: serde_json::Value = serde_json::from_str(&answer()).unwrap();
        assert_eq!(value["SchemaVersion"], "0.1.0");
        assert_eq!(value["Vendor"], "docker-liveupdate");
        assert_eq!(value["Version"], concat!("v", env!("CARGO_PKG_VERSION")));
        assert!(value["ShortDescription"].is_string());
    }
}
