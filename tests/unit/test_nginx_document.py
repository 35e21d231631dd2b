"""The nginx of the documents is the one before which the tests put a gateway."""

from tests.documents import ROOT


def test_the_documents_show_the_file_that_is_tested() -> None:
    shown = (ROOT / "docs" / "SECURITY.md").read_text()
    assert f"```nginx\n{(ROOT / 'config' / 'nginx.conf').read_text()}```" in shown
