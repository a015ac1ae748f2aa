"""Questions about stories in words."""
