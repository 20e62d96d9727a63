"""Start, stop and reload a home's cluster; its lock, its processes, its proxy, the doctor."""
