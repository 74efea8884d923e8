"""What everybody speaks: types, protocols, errors, registry. numpy and the standard library only."""
