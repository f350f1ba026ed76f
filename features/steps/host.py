from behave import given, then, when

from values import fails, until


@given("host is running")
def step(context):
    assert context.run(context.host.get_load_check()).mem_used > 0


@then("host is still running")
def step(context):
    assert context.run(context.host.get_load_check()).mem_used > 0


@when("asked for instances")
def step(context):
    context.response = context.run(context.host.list_instances())


@when("asked for sequences")
def step(context):
    context.response = context.run(context.host.list_sequences())


@when("asked for version")
def step(context):
    context.response = context.run(context.host.get_version())


@then("returns response with version")
def step(context):
    assert context.response.version[0].isdigit()


@when("asked for load")
def step(context):
    context.response = context.run(context.host.get_load_check())


@then("returns response with free memory")
def step(context):
    assert context.response.mem_free > 0


@when("asked for status")
def step(context):
    context.response = context.run(context.host.get_status())


@then("returns response without a Manager")
def step(context):
    assert context.response.cpm.connected is None


@when("asked for configuration")
def step(context):
    context.response = context.run(context.host.get_config())


@then('returns response with API base "{base}"')
def step(context, base):
    assert context.response.host.api_base == base


@when("asked for entities")
def step(context):
    context.response = context.run(context.host.list_entities())


@then("returns response with the Sequence")
def step(context):
    assert context.sequence.id in [sequence.id for sequence in context.response.sequences]


@when("log and audit of host are read")
def step(context):
    context.log, context.audit = context.host.get_log(), context.host.get_audit()
    context.run(open_all(context.log, context.audit))


async def open_all(*readers):
    for reader in readers:
        await reader


@then("the audit tells of a request with code {code:d}")
def step(context, code):
    context.run(until(context.audit, lambda record: record["opCode"] == code))


@then("the log of host has entries")
def step(context):
    context.run(until(context.log, lambda entry: entry["msg"]))


@then('asking for Sequence "{sequence_id}" fails with {status:d}')
def step(context, sequence_id, status):
    fails(context, context.host.get_sequence_info(sequence_id), status)


@then('asking for Instance "{instance_id}" fails with {status:d}')
def step(context, instance_id, status):
    fails(context, context.host.get_instance_info(instance_id), status)
