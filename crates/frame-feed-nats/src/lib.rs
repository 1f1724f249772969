//! How frames travel through NATS.
