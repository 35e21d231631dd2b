"""JPEG files (ITU-T T.81): their structure, walked as the bytes pass."""
