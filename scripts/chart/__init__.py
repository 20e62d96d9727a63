"""Parts of the Helm chart that are made from other files of the repository."""
