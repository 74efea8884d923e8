"""Our face in the frameworks of others: one module each, imported only by who uses it."""
