//! What every function shares: boot, configuration, authentication, problem+json, telemetry.
