"""Words come into images here, and nothing else of them changes.

`service.py` takes a message and hands the image to a helper process, where `tags.py` goes these steps:

1. What the image has, `found.py`: of each standard by `exif.py`, `iptc.py`, `xmp.py`, and whether they agree.
2. What is to be written, `policy.py`: by each field's policy, and by whose words they are (`writer.py`).
3. The new metadata. EXIF we write ourselves, `exif_block.py`. XMP and IPTC are Exiv2's, which gets to see these alone,
   within bounds (`bounds.py`); what it changes unasked is put back: `xmp_packet.py`, `iptc_block.py`.
4. The new file, `grafting.py`: the original with the metadata in its place, and the numbers mended that count across it
   (`multi_picture.py`, `trailing_preview.py`).
5. The proof, `image_data.py`: all that is not metadata has the hash that it had.

Below these lies what knows a format and no words: `parts.py` (of a JPEG or PNG), `photoshop.py` and `raw_profile.py`
(where IPTC lies in either), `png_text.py`; and what knows text and no format: `texts.py`, `lengths.py`,
`iptc_characters.py`, `camera_texts.py`.
"""
