//! HTTP paths, data transfer objects, error codes and problem documents.
