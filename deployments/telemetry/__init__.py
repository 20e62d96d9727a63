"""Counters, gauges, reports between replicas, tracing, the request that is served."""
