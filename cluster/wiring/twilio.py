"""Telephone systems that hold no API key: whose recordings they tell of, and the secrets they sign with."""

from cluster.settings.settings import Settings
from cluster.settings.sources import secret_named
from deployments.intake.twilio import TwilioAccount
from pipelines.errors import ConfigurationError


def twilio_accounts(settings: Settings) -> tuple[TwilioAccount, ...]:
    """Return the accounts that are configured; raises `ConfigurationError` where an auth token is missing."""
    accounts = []
    for account in settings.twilio:
        auth_token = secret_named(account.auth_token)
        if not auth_token():
            raise ConfigurationError(
                f"twilio {account.account}: the environment has no {account.auth_token} (nor {account.auth_token}_FILE)"
            )
        accounts.append(
            TwilioAccount(
                sid=account.account, tenant=account.tenant, auth_token=auth_token, api_url=account.api_url.rstrip("/")
            )
        )
    return tuple(accounts)
