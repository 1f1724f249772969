//! Branch-update statements, circuit versions, verifier; prover behind a feature.
