//! Keeps the process small after a large batch.
#![cfg_attr(
    target_env = "gnu",
    expect(
        unsafe_code,
        reason = "there is no other way to tell glibc's allocator"
    )
)]

/// Has what a large batch took go back to the kernel when it is over. Left alone, glibc's allocator takes the first large
/// piece that is freed as a reason to keep the next ones.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers; nobody else runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
    }
}
