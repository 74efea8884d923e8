"""The puppet: any portrait, moved by ARKit units through smooth warps of its own pixels."""
