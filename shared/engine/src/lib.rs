//! The use cases: connect, choose, sync, settle, resolve.
