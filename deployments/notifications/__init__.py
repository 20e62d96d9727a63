"""Tell others about jobs: signed webhooks, e-mail, the delivery loop."""
