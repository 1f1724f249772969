//! Tree-key arithmetic: Baby Jubjub points, 249-bit secrets, the Poseidon key derivation.
