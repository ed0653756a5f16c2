"""What is made of predictions: tables that can be resumed, embeddings, scores against labels."""

from hemenet_lab.prediction.output.against import Comparison, Score, show_scores
from hemenet_lab.prediction.output.embedded import EMBEDDING_FORMS, EmbeddingFile, columns_of
from hemenet_lab.prediction.output.resumable import Resumable, Streamed
from hemenet_lab.prediction.output.written import FORMS, Form

__all__ = [
    "EMBEDDING_FORMS",
    "FORMS",
    "Comparison",
    "EmbeddingFile",
    "Form",
    "Resumable",
    "Score",
    "Streamed",
    "columns_of",
    "show_scores",
]
