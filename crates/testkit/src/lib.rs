//! Servers, a fault proxy and helpers for the tests of this workspace.
