"""Errors as answers: the status table, RFC 9457 problems, errors in the manner of OpenAI."""
