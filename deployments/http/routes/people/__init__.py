"""Routes for people: signing in and out, who asks, sessions."""
