from typing import Any

import pytest

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput
from gateway.intake.batch import BatchOutline, ImageOutline
from gateway.intake.json.outline import read_outline
from gateway.metadata import FieldPolicy, MetadataPolicy

A_URL = "https://example.com/photo1.jpg"


def refused(document: Any) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read_outline(document, max_images=100)
    return caught.value


def pointers(error: BadInput) -> list[str]:
    return [fault.pointer for fault in error.faults]


def test_it_tells_names_urls_and_options():
    batch = {
        "images": [{"url": A_URL, "name": "photo1.jpg"}, {"base64": "", "name": None}],
        "options": {"metadata": {"title": "keep"}},
    }
    options = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
    images = (ImageOutline("photo1.jpg", A_URL), ImageOutline())
    assert read_outline(batch, max_images=100) == BatchOutline(images, options)


@pytest.mark.parametrize(
    ("document", "pointer", "word"),
    [
        ([], "", "an array"),
        (None, "", "null"),
        ({}, "/images", "missing"),
        ({"images": {}}, "/images", "an object"),
        ({"images": []}, "/images", "not 0"),
        ({"images": [{"url": A_URL}] * 101}, "/images", "not more"),
        ({"images": ["x"]}, "/images/0", "a string"),
        ({"images": [{}]}, "/images/0", "neither"),
        ({"images": [{"url": None}]}, "/images/0", "neither"),
        ({"images": [{"url": A_URL, "base64": "AAAA"}]}, "/images/0", "both"),
        ({"images": [{"url": 7}]}, "/images/0/url", "a number"),
        ({"images": [{"base64": ["AAAA"]}]}, "/images/0/base64", "an array"),
        ({"images": [{"url": A_URL, "name": True}]}, "/images/0/name", "a boolean"),
        ({"images": [{"url": A_URL, "name": "x" * 5000}]}, "/images/0/name", "longer"),
        ({"images": [{"url": A_URL, "a/b~": 1}]}, "/images/0/a~1b~0", "known are url, base64, name"),
        ({"images": [{"url": A_URL}], "image": 1}, "/image", "known are images, options"),
        ({"images": [{"url": A_URL}], "options": 1}, "/options", "a number"),
        ({"images": [{"url": A_URL}], "options": None}, "/options", "null"),
        ({"images": [{"url": A_URL}], "options": {"x": 1}}, "/options/x", "known is metadata"),
        ({"images": [{"url": "ftp://example.com/a.jpg"}]}, "/images/0/url", "ftp"),
        ({"images": [{"url": "file:///etc/passwd"}]}, "/images/0/url", "file"),
        ({"images": [{"url": "photo.jpg"}]}, "/images/0/url", "must begin with http: or https:"),
        ({"images": [{"url": "http://"}]}, "/images/0/url", "no host"),
        ({"images": [{"url": "http://[::1/a.jpg"}]}, "/images/0/url", "not a valid URL"),
        ({"images": [{"url": "http://example.com:99999/"}]}, "/images/0/url", "not a valid URL"),
    ],
)
def test_a_wrong_shape_is_told_with_its_place(document, pointer, word):
    error = refused(document)
    assert pointers(error) == [pointer]
    assert word in error.text


def test_an_unknown_field_with_a_name_too_long_to_be_shown_is_told_where_it_stands():
    error = refused({"images": [{"url": A_URL}], "a" * 101: 1})
    assert pointers(error) == [""]
    assert error.text.startswith("the body: unknown field 'aaa")
    assert pointers(refused({"images": [{"url": A_URL, "a" * 101: 1}]})) == ["/images/0"]


def test_every_fault_is_told():
    error = refused({"images": [{"url": 7}, {"url": A_URL}, {}], "extra": 1})
    assert pointers(error) == ["/extra", "/images/0/url", "/images/2"]
    assert "2 more" in error.text


def test_a_thousand_faults_are_told_as_twenty():
    assert len(refused({"images": [{}] * 100, **{f"key{n}": 1 for n in range(900)}}).faults) == 20


def test_faults_of_options_and_of_images_are_told_together():
    error = refused({"images": [{}], "options": {"metadata": {"title": "shout"}}})
    assert pointers(error) == ["/options/metadata/title", "/images/0"]


@pytest.mark.parametrize("url", ["http://a\\@127.0.0.1/", "http://a b/", "http://a..b/", "http:a.jpg"])
def test_a_url_that_the_downloader_could_not_read_is_refused(url):
    error = refused({"images": [{"url": url}]})
    assert (error.code, pointers(error)) == ("bad_url", ["/images/0/url"])
