//! The local cloud: gateway, embedded table, doubles, simulators and the demo.
