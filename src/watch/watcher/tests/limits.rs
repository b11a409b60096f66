//! The system's limits, in a user namespace of its own: the test starts itself there once more.
