import uuid

from behave import given, then, when

from values import fails, first, lines, values


def name_topic(context, name, content_type):
    """Of one's own on any Hub."""
    context.topic = context.host.topic(f"{name}-{uuid.uuid4()}", content_type)
    context.topics.append(context.topic)


@given('topic "{name}" of type {content_type:Type}')
def step(context, name, content_type):
    name_topic(context, name, content_type)


@when('topic "{name}" of type {content_type:Type} is created')
def step(context, name, content_type):
    name_topic(context, name, content_type)
    context.run(context.host.create_topic(context.topic.name, content_type))


@when('the text "{text}" is sent to the topic')
def step(context, text):
    context.run(context.topic.send(lines(text)))


@when("the JSON values are sent to the topic")
def step(context):
    context.run(context.topic.send(lines(context.text)))


@then("the topic gives the lines {expected}")
def step(context, expected):
    expected = expected.split(", ")
    assert context.run(first(context.topic.get().lines(), len(expected))) == expected


@then("the topic gives the JSON values")
def step(context):
    expected = values(context.text)
    assert context.run(first(context.topic.get().json(), len(expected))) == expected


def names(context):
    return [topic.topic_name for topic in context.run(context.host.list_topics())]


@then("host lists the topic")
def step(context):
    assert context.topic.name in names(context)


@then("host lists the topic no more")
def step(context):
    assert context.topic.name not in names(context)


@when("the topic is deleted")
def step(context):
    context.run(context.topic.delete())


@then("sending to it as {content_type:Type} fails with {status:d}")
def step(context, content_type, status):
    fails(context, context.host.topic(context.topic.name, content_type).send("x\n"), status)
