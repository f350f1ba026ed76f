"""What a Hub tells about itself."""


async def test_version(host):
    version = await host.get_version()
    assert version.version
