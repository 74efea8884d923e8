"""Documents to passages: PDF, DOCX, HTML, Markdown and plain text."""

from visavis.knowledge.documents.passages import Passage
from visavis.knowledge.documents.reading import Document, read_document

__all__ = ["Document", "Passage", "read_document"]
