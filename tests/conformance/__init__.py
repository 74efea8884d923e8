"""What every stage of a kind must do. Import a suite, subclass it, give it the stage as a fixture."""
