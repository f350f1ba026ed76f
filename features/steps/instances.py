from behave import given, then, when

from values import example, fails, until


def start(context, **options):
    context.options = options
    context.instance = context.run(context.sequence.start(**options))
    context.instances.append(context.instance)


def start_example(context, name, language, **options):
    context.sequence = context.run(context.host.send_sequence(example(context, name, language)))
    context.sequences.append(context.sequence)
    start(context, **options)
    if context.is_old:  # its runner garbles input that comes before the first report of health
        context.run(context.instance.get_health())


@given('an Instance of Sequence "{name}" in {language:Language}')
def step(context, name, language):
    start_example(context, name, language)


@given('an Instance of Sequence "{name}" in {language:Language} with arguments {args:Json}')
def step(context, name, language, args):
    start_example(context, name, language, args=args)


@given('an Instance of Sequence "{name}" in {language:Language} configured {config:Json}, with arguments {args:Json}')
def step(context, name, language, config, args):
    start_example(context, name, language, app_config=config, args=args)


@given('an Instance of Sequence "{name}" in {language:Language} that writes to the topic')
def step(context, name, language):
    start_example(context, name, language, output_topic=context.topic.name)


@given('an Instance of Sequence "{name}" in {language:Language} that reads the topic')
def step(context, name, language):
    start_example(context, name, language, input_topic=context.topic.name)


@when("the Sequence is started with arguments {args:Json}")
def step(context, args):
    start(context, args=args)


@when('the Sequence is started with the id "{instance_id}"')
def step(context, instance_id):
    start(context, instance_id=instance_id)


@then('the Instance has the id "{instance_id}"')
def step(context, instance_id):
    assert context.run(context.instance.get_info()).id == instance_id


@then("starting it again with the same id fails with {status:d}")
def step(context, status):
    fails(context, context.sequence.start(instance_id=context.instance.id), status)


@when("asked for the Instance")
def step(context):
    context.response = context.run(context.instance.get_info())


@then('returns response with its id, arguments {args:Json} and Sequence "{name}"')
def step(context, args, name):
    info = context.response
    assert (info.id, info.args, info.sequence.config.name) == (context.instance.id, args, name)


@when("the Instance is killed")
def step(context):
    context.run(context.instance.kill())


@when("the Instance is stopped")
def step(context):
    context.run(context.instance.stop(timeout=5))


@when("the Instance is stopped, and may stay")
def step(context):
    context.run(context.instance.stop(timeout=1, can_keep_alive=True))


@then("it has not ended")
def step(context):
    assert not context.run(context.instance.get_info()).is_ended


@then("it ends as {status:w}")
def step(context, status):
    context.run(context.instance.wait())
    assert context.run(context.instance.get_info()).status == status


@then("it ends as {status:w} with exit code {code:d}")
def step(context, status, code):
    assert context.run(context.instance.wait()).exitcode == code
    assert context.run(context.instance.get_info()).status == status


@when("its monitoring rate is set to {rate:d}")
def step(context, rate):
    context.run(context.instance.set_monitoring_rate(rate))


@then("it becomes healthy")
def step(context):
    context.run(becomes(context.instance, healthy=True))


@then("it becomes unhealthy")
def step(context):
    context.run(becomes(context.instance, healthy=False))


async def becomes(instance, *, healthy):
    while (await instance.get_health()).healthy != healthy:
        pass


@then('its log has "{message}"')
def step(context, message):
    context.run(until(context.instance.get_log(), lambda entry: entry["msg"] == message))


@when('event "{name}" is sent')
def step(context, name):
    context.run(context.instance.send_event(name))


@when('event "{name}" is sent with "{message}"')
def step(context, name, message):
    context.run(context.instance.send_event(name, message))


@then('there is an event "{name}" with {value:d}')
def step(context, name, value):
    message = context.run(context.instance.get_event(name))
    # Before 1.0 a Hub told the event, and not its message.
    assert (message["message"] if context.is_old else message) == value


@when('Sequence "{name}" in {language:Language} is run with arguments {args:Json}')
def step(context, name, language, args):
    context.before = context.run(context.host.list_sequences())
    context.done = context.run(context.host.run(example(context, name, language), args=args))


@then("it returns {code:d} and the text")
def step(context, code):
    assert (context.done.returncode, context.done.output.decode()) == (code, context.text + "\n")


@then("nothing of it is left on host")
def step(context):
    assert context.run(context.host.list_sequences()) == context.before
