"""The flow itself. It knows protocols, never a stage."""
