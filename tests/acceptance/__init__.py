"""Tests of whole clusters, most of which share one; it stops after the last of them."""
