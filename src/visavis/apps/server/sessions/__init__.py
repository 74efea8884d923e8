"""Live sessions: one listener, one face, one clock."""
