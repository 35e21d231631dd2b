"""Words for images are found here: by a model that is asked over HTTP (`vision/`), or on this machine (`local/`).

`service.py` takes a message and asks the providers of `chain.py` in turn.
"""
