from pathlib import Path

import pytest

from visavis.knowledge.base import load_samples
from visavis.knowledge.live import load_second_encoders
from visavis.knowledge.search import KnowledgeIndex
from visavis.models.sentence_encoder.predictor import SentenceEncoder


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(scope="session")
def index(encoder: SentenceEncoder, sample_vectors: Path) -> KnowledgeIndex:
    """The samples, with every encoder that answering uses."""
    second = load_second_encoders()
    assert set(second) == {"zh", "en"}, "`visavis models pull` fetches them"
    return KnowledgeIndex(load_samples(), encoder, second=second, cache=sample_vectors)
