"""Take a recording in, by multipart, raw body, URL, tus, bucket or telephony, and accept its job."""
