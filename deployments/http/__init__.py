"""The HTTP API: its application and routes, and the middleware, authentication and parsing that routes share."""
