//! Which engine it is: Docker's own, or Podman with the same API but another builder. Decides nothing else.

use super::client::Docker;

/// The variables by which users choose a builder for Docker's command line, Compose and buildx.
const CHOICES: [&str; 2] = ["DOCKER_BUILDKIT", "BUILDX_BUILDER"];

impl Docker {
    /// Whether builds must do without `BuildKit`: Podman has none, and buildx would pull an image to get one. A builder that the user
    /// has chosen is always used.
    pub async fn builds_without_buildkit(&self) -> bool {
        CHOICES.iter().all(|name| std::env::var_os(name).is_none()) && self.is_podman().await
    }

    async fn is_podman(&self) -> bool {
        let asking = self.inner.is_podman.get_or_try_init(|| async {
            let version = self.inner.api.version().await?;
            let parts = version.components.unwrap_or_default();
            Ok::<_, bollard::errors::Error>(parts.iter().any(|part| is_podmans(&part.name)))
        });
        // If the engine does not answer, it is asked again the next time.
        asking.await.is_ok_and(|podman| *podman)
    }
}

fn is_podmans(component: &str) -> bool {
    component.starts_with("Podman")
}
