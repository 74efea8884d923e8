"""How well a text answers a question, read together by any cross-encoder of the BERT family."""
