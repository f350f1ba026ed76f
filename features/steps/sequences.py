from behave import then, when

from values import example, fails


@when('Sequence "{name}" in {language:Language} is sent')
def step(context, name, language):
    context.sequence = context.run(context.host.send_sequence(example(context, name, language)))
    context.sequences.append(context.sequence)


@then('sending the bytes "{content}" fails with {status:d}')
def step(context, content, status):
    fails(context, context.host.send_sequence(content.encode()), status)


@when("asked for the Sequence")
def step(context):
    context.response = context.run(context.sequence.get_info())


@then('returns response with its id and name "{name}"')
def step(context, name):
    assert (context.response.id, context.response.config.name) == (context.sequence.id, name)


@then("host has the Sequence")
def step(context):
    assert context.sequence.id in [found.id for found in context.run(context.host.list_sequences())]


@then("host has the Sequence no more")
def step(context):
    assert context.sequence.id not in [found.id for found in context.run(context.host.list_sequences())]


@when("the Sequence is deleted")
def step(context):
    context.run(context.sequence.delete())


@then("deleting the Sequence fails with {status:d}")
def step(context, status):
    fails(context, context.sequence.delete(), status)


@when("the Sequence is deleted by force")
def step(context):
    context.run(context.sequence.delete(force=True))


@when('the Sequence is overwritten with "{name}" in {language:Language}')
def step(context, name, language):
    context.run(context.sequence.overwrite(example(context, name, language)))


@then('the Sequence is found by the name "{name}"')
def step(context, name):
    assert context.sequence.id in [found.id for found in context.run(context.host.find_sequences(name))]
