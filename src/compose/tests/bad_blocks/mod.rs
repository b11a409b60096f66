//! Bad blocks, and the exact text a user reads (`spec.md` B1 to B9).

mod hostile;
mod names;
mod order;
mod overlaps;
mod paths;
mod services;
mod shape;
