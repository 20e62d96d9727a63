"""LiteLLM: ``python litellm_client.py BASE KEY FILE`` prints the text."""

import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks another server for prices first
import litellm

base, key, name = sys.argv[1:]
with open(name, "rb") as file:
    heard = litellm.transcription(
        model="openai/whisper-1", file=file, api_base=f"{base}/v1", api_key=key, max_retries=0
    )
print(heard.text)
