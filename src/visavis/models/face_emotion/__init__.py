"""Which of seven emotions a face shows."""
