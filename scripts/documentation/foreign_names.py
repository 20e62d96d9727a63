"""Names of other programs that the documentation mentions and no code here uses."""

FOREIGN = frozenset(
    {
        "app.state",  # Starlette
        "jwt.InvalidTokenError",  # PyJWT
        "serve.deployment",  # Ray
        "serve.ingress()",  # Ray
        "serve.run",  # Ray
        "AbortIncompleteMultipartUpload",  # S3
        "audio.transcriptions",  # OpenAI's client
        "audio.translations",  # OpenAI's client
        "en_US",  # a locale
        "http.CrossOriginProtection",  # Go
        "jobs.body",  # a column of the ledger
        "max_new_tokens",  # faster-whisper
        "pg_dump",  # PostgreSQL
        "posix_fallocate",  # C library
        "set_random_seed",  # CTranslate2
    }
)
