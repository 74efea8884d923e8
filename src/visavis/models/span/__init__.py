"""SPAN: pictures four times as large."""
