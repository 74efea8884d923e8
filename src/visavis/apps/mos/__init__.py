"""Opinions of people: a plan, a page where it is rated blindly, and the report of what was said."""
