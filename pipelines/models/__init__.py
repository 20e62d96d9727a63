"""Speech models: their catalogue, their files, and the routes from jobs to models."""
