"""The HTTP API, the application services behind it, and the actors that give the domain a process and a device."""
