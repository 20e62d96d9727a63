"""Configure Ray Serve: replicas, autoscaling policy, engine share, versions, configuration file."""
