import pytest

from visavis.knowledge.base import load_samples
from visavis.knowledge.search import KnowledgeIndex
from visavis.models.sentence_encoder.predictor import SentenceEncoder


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(scope="session")
def index(encoder: SentenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> KnowledgeIndex:
    cache = tmp_path_factory.getbasetemp() / "sentence-vectors"
    return KnowledgeIndex(load_samples(), encoder, cache=cache)
