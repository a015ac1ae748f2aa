"""Tasks of formal languages: transduction, state tracking and recognition of strings of symbols."""
