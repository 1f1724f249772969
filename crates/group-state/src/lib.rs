//! The event-sourced fold over a group's frames, shared by node and client.
