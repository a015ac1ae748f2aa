"""Tests of working memory: lists to keep, and what comes between."""
