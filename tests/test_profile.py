"""Profiles of si: which one holds, what is refused, and that nothing in a file is lost."""

import json
from pathlib import Path

import pytest

from transform_hub import HostClient, profile
from transform_hub.errors import ProfileError
from transform_hub.profile import DEFAULTS, Connection, Profile

VARIABLES = ("SCRAMJET_HUB_URL", "SCRAMJET_TOKEN", "SCRAMJET_SPACE", "SCRAMJET_HUB", "SI_CONFIG", "SI_CONFIG_PATH")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home directory without profiles, and an environment without settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def made(home):
    """Makes a profile file: ``made("name", apiUrl=...)``."""

    def make(name, **values):
        path = home / ".si" / "profiles" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
        return path

    return make


def url(port):
    return f"http://127.0.0.1:{port}/api/v1"


def test_without_any_profile_the_defaults_hold(home):
    found = Profile.load()
    assert (found.name, found.values) == ("default", DEFAULTS)
    assert (found.api_url, found.token, found.middleware_api_url) == (url(8000), "", "")
    assert not (home / ".si").exists()


def test_precedence(made, monkeypatch):
    for port, name in enumerate(("active", "variable", "by-path-variable", "named", "by-path"), 1):
        made(name, apiUrl=url(port))
    made("default", apiUrl=url(9))
    assert Profile.load().api_url == url(9)
    profile.activate("active")
    assert Profile.load().api_url == url(1)
    monkeypatch.setenv("SI_CONFIG", "variable")
    assert Profile.load().api_url == url(2)
    monkeypatch.setenv("SI_CONFIG_PATH", str(profile.path_of("by-path-variable")))
    assert Profile.load().api_url == url(3)
    assert Profile.load("named").api_url == url(4)
    assert Profile.load("named", path=profile.path_of("by-path")).api_url == url(5)


def test_what_is_written_keeps_what_is_not_known(made):
    path = made("default", apiUrl=url(1), future={"a": [1]}, log={"debug": True, "more": 1})
    Profile.load().update({"token": "a.b.c", "log": {"format": "json"}})
    written = json.loads(path.read_text())
    assert written["future"] == {"a": [1]}
    assert written["log"] == {"debug": True, "format": "json", "more": 1}
    assert written["apiUrl"] == url(1)
    assert Profile.load().token == "a.b.c"
    assert path.stat().st_mode & 0o077 == 0
    Profile.load().reset("token")
    assert Profile.load().token == ""
    assert list(path.parent.iterdir()) == [path]


def test_making_naming_and_removing():
    profile.create("one")
    with pytest.raises(ProfileError, match="profile 'one' already exists"):
        profile.create("one")
    assert profile.names() == ["default", "one"]
    profile.activate("one")
    assert profile.active_name() == "one"
    with pytest.raises(ProfileError, match="'one' is the active profile"):
        profile.remove("one")
    profile.activate("default")
    profile.remove("one")
    for call in (profile.remove, profile.activate, Profile.load):
        with pytest.raises(ProfileError, match="there is no profile 'one'"):
            call("one")
    for wrong in ("", "../x", "a/b", ".hidden"):
        with pytest.raises(ProfileError, match="can't name a profile"):
            Profile.load(wrong)
    with pytest.raises(ProfileError, match="there is no profile file /nowhere/x"):
        Profile.load(path=Path("/nowhere/x"))


def test_a_byte_order_mark_is_no_part_of_a_profile(made):
    path = made("default")
    path.write_bytes(b'\xef\xbb\xbf{"apiUrl": "http://127.0.0.1:9000/api/v1"}')
    assert Profile.load().api_url == Profile.load(path=path).api_url == url(9000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'{"apiUrl": 5}', "apiUrl must be a string, not 5"),
        (b'{"env": "test"}', "env must be development or production"),
        (b'{"log": {"format": "x"}}', "log format must be pretty or json"),
    ],
)
def test_files_that_are_no_profile(made, content, message):
    path = made("default")
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=message) as raised:
        Profile.load()
    assert str(path) in str(raised.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"apiUrl": "127.0.0.1:8000"}, "apiUrl must be a URL like"),
        ({"apiUrl": "http://hub/api/v1"}, "apiUrl must name the port"),
        ({"token": "two words"}, "without spaces"),
        ({"env": "x"}, "env must be"),
    ],
)
def test_what_sth_would_not_read_is_not_written(made, values, message):
    path = made("default", apiUrl=url(1))
    before = path.read_bytes()
    with pytest.raises(ProfileError, match=message):
        Profile.load().update(values)
    assert path.read_bytes() == before


def test_a_file_that_can_not_be_written(home):
    (home / ".si").write_text("no directory")
    with pytest.raises(ProfileError, match="can't be written"):
        profile.create("one")


def test_the_environment_goes_before_a_profile_that_is_not_asked_for(made, monkeypatch):
    made("default", apiUrl=url(1), token="of-default")
    made("other", apiUrl=url(2), token="of-other")
    assert Connection.find() == Connection(url(1), "of-default")
    monkeypatch.setenv("SCRAMJET_TOKEN", "from-env")
    assert Connection.find() == Connection(url(1), "from-env")
    monkeypatch.setenv("SCRAMJET_HUB_URL", url(3))
    assert Connection.find() == Connection(url(3), "from-env")
    assert Connection.find("other") == Connection(url(2), "of-other")
    monkeypatch.delenv("SCRAMJET_TOKEN")
    assert Connection.find() == Connection(url(3), "")  # the profile's token is for the profile's Hub alone
    assert "from-env" not in repr(Connection(url(1), "from-env"))


def test_a_platform(made, monkeypatch):
    made("cloud", env="production", middlewareApiUrl="https://api.example/api/v1/", token="t")
    with pytest.raises(ProfileError, match="SCRAMJET_SPACE and SCRAMJET_HUB"):
        Connection.find("cloud")
    monkeypatch.setenv("SCRAMJET_SPACE", "org:space")
    monkeypatch.setenv("SCRAMJET_HUB", "hub/1")
    expected = "https://api.example/api/v1/space/org%3Aspace/api/v1/sth/hub%2F1/api/v1"
    assert Connection.find("cloud") == Connection(expected, "t")
    made("broken", env="production")
    with pytest.raises(ProfileError, match="no middlewareApiUrl"):
        Connection.find("broken")


async def test_a_client_from_the_environment(hub, made, monkeypatch):
    with pytest.raises(ProfileError, match="there is no profile 'none'"):
        HostClient.from_env("none")
    made("mine", apiUrl=hub.url)
    async with HostClient.from_env("mine", timeout=5) as host:
        assert host.url == hub.url
        assert host.transport.timeout == 5
        assert (await host.get_version()).api_version == "v1"
    monkeypatch.setenv("SCRAMJET_HUB_URL", hub.url)
    async with HostClient.from_env() as host:
        assert await host.list_sequences() == []
    monkeypatch.setenv("SCRAMJET_HUB_URL", "nonsense")
    with pytest.raises(ValueError, match="not the URL of a Hub"):
        HostClient.from_env()
