"""Questions about tables."""

from memnets_tasks.tables.questions import KINDS
from memnets_tasks.tables.table_questions import TableBatch, TableQuestions

__all__ = ["KINDS", "TableBatch", "TableQuestions"]
