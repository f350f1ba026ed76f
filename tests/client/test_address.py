import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform_hub.client import HostClient
from transform_hub.client.address import Address, segment


@pytest.mark.parametrize(
    ("given_url", "base"),
    [
        ("http://127.0.0.1:8000/api/v1", "http://127.0.0.1:8000/api/v1"),
        ("http://127.0.0.1:8000/api/v1/", "http://127.0.0.1:8000/api/v1"),
        ("http://127.0.0.1:8000//api///v1//", "http://127.0.0.1:8000/api/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/api/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/api/v1"),
        ("  HTTPS://Hub.Example/api/v1\n", "https://hub.example/api/v1"),
        ("http://[::1]:8000/api/v1", "http://[::1]:8000/api/v1"),
        ("http://user:pass@h:1/api/v1", "http://h:1/api/v1"),
        (
            "https://api.example//space/my-space/api/v1/sth/sth-0/api/v1",
            "https://api.example/space/my-space/api/v1/sth/sth-0/api/v1",
        ),
        ("http://h/a%2Fb/api/v1", "http://h/a%2Fb/api/v1"),
    ],
)
def test_base_url(given_url, base):
    assert Address.parse(given_url).base == base
    assert HostClient(given_url).url == base


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000/api/v1", "http://127.0.0.1:8000/api/v1"),
        ("/space/x/api/v1/sth/sth-0/api/v1", "http://127.0.0.1:8000/api/v1"),
        ("", "http://127.0.0.1:8000/api/v1"),
        ("ftp://host/api/v1", "http://"),
        ("http://", "http://"),
        ("http:///api/v1", "http://"),
        ("http://host:port/api/v1", "http://"),
        ("http://host:99999/api/v1", "http://"),
    ],
)
def test_what_is_no_url_is_told_what_to_write(wrong, advice):
    with pytest.raises(ValueError, match="use one like") as raised:
        HostClient(wrong)
    assert advice in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "user:s3cret@host:8000/api/v1",
        "ftp://user:s3cret@host/api/v1",
        "http://user:s3cret@host:port/api/v1",
        "http://host/api/v1?token=s3cret",
        "host?token=s3cret",
        "http://user:s3cret@host/api/v1#x",
    ],
)
def test_credentials_are_not_shown_when_the_url_is_wrong(url):
    with pytest.raises(ValueError, match="URL of a Hub") as raised:
        HostClient(url)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_segments_lead_nowhere_else():
    assert segment("a/b?c#d e%ü", "a name") == "a%2Fb%3Fc%23d%20e%25%C3%BC"
    for wrong in ("", ".", ".."):
        with pytest.raises(ValueError, match="can't be a name"):
            segment(wrong, "a name")
    with pytest.raises(TypeError, match="a name must be a str, not dict"):
        segment({"id": "x"}, "a name")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_segment_stays_one_segment(text):
    if text.strip(".") == "":
        return
    url = Address.parse("http://h/api/v1").url(f"/instance/{segment(text, 'an id')}")
    assert url.raw_path.startswith("/api/v1/instance/")
    assert url.raw_path.count("/") == 4
    assert url.parts[-1] == text
