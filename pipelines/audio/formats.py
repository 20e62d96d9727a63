"""What recordings may be, and what their playback copies are: for modules that neither decode nor encode."""

MAX_CHANNELS = 16
PLAYBACK_MEDIA_TYPE = "audio/webm"
