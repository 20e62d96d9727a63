"""What every test shares."""

from hypothesis import settings

# The machines that run the tests are shared and slow: time says nothing about correctness.
settings.register_profile("meetmemo", deadline=None)
settings.load_profile("meetmemo")
