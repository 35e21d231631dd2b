"""Words come into images here, and nothing else of them changes.

`service.py` takes a message and hands the image to a helper process, where `tags.py` goes these steps:

1. What the image has: each of `standards/` reads its own, and `words/found.py` tells whether they agree.
2. What is to be written, `words/policy.py`: by each field's policy, and by whose words they are (`words/writer.py`).
3. The new metadata, `standards/`. EXIF we write ourselves, `exif_block.py`. XMP and IPTC are Exiv2's, which gets to see
   these alone, within bounds (`bounds.py`); what it changes unasked is put back: `xmp_packet.py`, `iptc_block.py`.
4. The new file, `container/grafting.py`: the original with the metadata in its place, and the numbers mended that count
   across it (`multi_picture.py`, `trailing_preview.py`).
5. The proof, `container/image_data.py`: all that is not metadata has the hash that it had.
"""
