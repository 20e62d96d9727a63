"""What Ray Serve is told: replicas, autoscaling policy, engine share, versions, configuration file."""
