"""LangChain's parser of recordings: ``python langchain_client.py BASE KEY FILE`` prints the text.

It cuts the recording and encodes it anew with FFmpeg before it asks; without ffprobe it reads WAV only.
"""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg
from langchain_community.document_loaders.parsers.audio import OpenAIWhisperParser
from langchain_core.documents.base import Blob
from pydub import AudioSegment

base, key, name = sys.argv[1:]
AudioSegment.converter = imageio_ffmpeg.get_ffmpeg_exe()
parser = OpenAIWhisperParser(api_key=key, base_url=f"{base}/v1")
with tempfile.TemporaryDirectory() as folder:
    wav = Path(folder) / "recording.wav"
    subprocess.run([AudioSegment.converter, "-loglevel", "error", "-i", name, str(wav)], check=True)
    with contextlib.redirect_stdout(sys.stderr):  # the parser tells which part it is at
        text = " ".join(document.page_content for document in parser.lazy_parse(Blob.from_path(wav)))
    print(text)
