def calibration_rows(languages):
    return []


def count_errors(a, b):
    return 0
