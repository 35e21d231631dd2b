"""PNG files (W3C PNG, third edition): their structure, walked as the bytes pass, and their image data counted."""
