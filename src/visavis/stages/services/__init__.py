"""Speaking with servers: addresses and keys, calls with time-outs, what goes wrong."""
