"""Make objects of settings: authenticators, notifications, writers, telephony, logging."""
