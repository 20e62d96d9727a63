"""Ray Serve actors: thin shims that give the domain a process, a queue and a device."""
