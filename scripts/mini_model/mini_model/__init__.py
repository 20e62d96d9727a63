"""Trains the bundled Whisper checkpoints from nothing: text, voices, model, conversion, evaluation.

Read in this order: `grammar` and `open_text` make sentences, `speak` says them, `windows` builds training windows
with `augment`, `model` is the network, `train` the loop, `convert` writes CTranslate2 files and `evaluate` measures
them. `cli` ties the stages together.
"""
