"""Grafana dashboards and pictures of their panels, made from one table."""
