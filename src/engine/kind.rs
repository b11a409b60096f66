//! Which engine it is: Docker's own, or Podman behind the same API, which builds in another way. Decides nothing else.

use super::client::Docker;

/// What says to Docker's command line, Compose and buildx which builder the user wants.
const CHOICES: [&str; 2] = ["DOCKER_BUILDKIT", "BUILDX_BUILDER"];

impl Docker {
    /// Whether builds have to go without `BuildKit`: Podman has none, and buildx would fetch the image of one. Who has chosen a
    /// builder by himself has chosen.
    pub async fn builds_without_buildkit(&self) -> bool {
        CHOICES.iter().all(|name| std::env::var_os(name).is_none()) && self.is_podman().await
    }

    async fn is_podman(&self) -> bool {
        let asking = self.inner.is_podman.get_or_try_init(|| async {
            let version = self.inner.api.version().await?;
            let parts = version.components.unwrap_or_default();
            Ok::<_, bollard::errors::Error>(parts.iter().any(|part| is_podmans(&part.name)))
        });
        // Who does not answer is asked again the next time.
        asking.await.is_ok_and(|podman| *podman)
    }
}

fn is_podmans(component: &str) -> bool {
    component.starts_with("Podman")
}
