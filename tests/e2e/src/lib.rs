//! User journeys over HTTP, one file each, against the local cloud and the simulators. The journeys are in `tests/`.
