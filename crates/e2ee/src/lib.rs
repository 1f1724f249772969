//! Key schedule, sealing and opening of frames, invites: client only.
