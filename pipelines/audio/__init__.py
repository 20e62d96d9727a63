"""Turn recordings into PCM and speech spans: confined decoding, voice activity, segmentation, clips."""
