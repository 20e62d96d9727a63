"""A cluster on several hosts, which can be cut off and lose their head: network namespaces on one machine."""
