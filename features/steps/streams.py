import gzip
import os

from behave import then, when

from values import first, lines, values

NDJSON = "application/x-ndjson"


@when("the JSON values are sent")
def step(context):
    context.run(context.instance.send_input(lines(context.text), content_type=NDJSON))


@when("the JSON values are sent and the input stays open")
def step(context):
    context.run(context.instance.send_input(lines(context.text), content_type=NDJSON, end=False))


@when("the text is sent to stdin")
def step(context):
    context.run(context.instance.send_stdin(lines(context.text)))


@when("{count:d} random bytes are sent")
def step(context, count):
    context.bytes = os.urandom(count)
    context.run(context.instance.send_input(context.bytes))


@then("its output unpacks to these bytes")
def step(context):
    assert gzip.decompress(context.run(context.instance.get_output().read())) == context.bytes


@then("its output is the text")
def step(context):
    assert context.run(context.instance.get_output().read()).decode() == lines(context.text)


@then("its stdout is the text")
def step(context):
    assert context.run(context.instance.get_stdout().read()).decode() == lines(context.text)


@then("its stdout begins with the text")
def step(context):
    expected = context.text.splitlines()
    assert context.run(first(context.instance.get_stdout().lines(), len(expected))) == expected


@then("its stderr begins with the text")
def step(context):
    expected = context.text.splitlines()
    assert context.run(first(context.instance.get_stderr().lines(), len(expected))) == expected


@then('its stderr has "{text}"')
def step(context, text):
    assert text in context.run(context.instance.get_stderr().read()).decode()


@then("its output is the JSON values")
def step(context):
    output = context.run(context.instance.get_output().read()).decode()
    assert values(output) == values(context.text), output


@then("its output begins with the JSON values")
def step(context):
    expected = values(context.text)
    assert context.run(first(context.instance.get_output().json(), len(expected))) == expected


@then("its output begins with the numbers from 1 to {last:d}")
def step(context, last):
    assert context.run(first(context.instance.get_output().json(), last)) == list(range(1, last + 1))


@when("a conversation is opened")
def step(context):
    context.conversation = context.run(opened(context.instance.inout(NDJSON)))
    context.answers = context.conversation.json()
    context.add_cleanup(lambda: context.run(context.conversation.close()))


async def opened(stream):
    return await stream


@then("it answers {question:Json} with {answer:Json}")
def step(context, question, answer):
    context.run(context.conversation.write(f"{question}\n".replace("'", '"')))
    assert context.run(answer_of(context.answers)) == answer


async def answer_of(answers):
    return await anext(answers)
