"""Renders transcripts and minutes as documents: `pipelines.export.render` in every result format."""
