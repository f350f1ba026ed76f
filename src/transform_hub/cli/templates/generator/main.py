"""Numbers its input's lines; `count` in the configuration is the number of the first."""


async def run(context, input):
    number = context.config.get("count", 1)
    async for line in input:
        context.logger.debug("line %d", number)
        yield f"{number}: {line}"
        number += 1
