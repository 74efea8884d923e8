"""visavis: a digital human that answers face to face."""

__version__ = "0.1.0"
