"""A Hub is not held to the number of descriptors that systems give to programs by default."""

from stress.hub import hub_process
from stress.many_streams import OpenStream

FEW = ("sh", "-c", 'ulimit -Sn 64; exec "$0" "$@"')


async def test_a_soft_limit_does_not_limit_the_hub(tmp_path):
    async with hub_process(tmp_path, prefix=FEW) as hub:
        streams = [await OpenStream.to(hub, "/log") for _ in range(100)]
        for stream in streams:
            stream.close()
