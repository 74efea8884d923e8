"""What is kept: sessions, turns, feedback, jobs."""
