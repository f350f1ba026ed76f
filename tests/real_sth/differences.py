"""What the real Hub that can be had from npm, 0.18.7, does not have: it is older than the API the client is for.

A test says ``@pytest.mark.beyond("name")`` for what it needs of this. It is run against the real Hub all the same,
and has to fail there: if it passes, the line here is wrong.
"""

LACKS = {
    "status": "there is no GET /status",
    "config": "there is no GET /config",
    "entities": "there is no GET /entities",
    "instance info": "an Instance is told as its id and its Sequence's id; status, args and end are missing",
    "kill answer": "POST _kill is obeyed, and answered with {opStatus} instead of the Instance",
    "stop": "POST _stop takes a control message, an array, as its body",
    "event values": "the message of an event that is sent has to be text",
    "event messages": "an event is told as {eventName, message}, not as its message",
    "instance id": "instanceId in the body of a start is not heeded",
    "force": "x-seq-kill-inst is not heeded: a Sequence in use is never deleted",
    "instances of nothing": "the Instances of a Sequence that is not there are a 500 instead of a 404",
    "binary output": "its runner decodes all output of a Sequence as UTF-8",
    "topic orders": "there is no POST or DELETE of /topics",
    "topic names": "inputTopic and outputTopic in the body of a start are not heeded",
    "topic list": "GET /topics leaves out topics that were made by writing to them",
    "topic types": "any content type is taken for a topic",
    "binary topics": "what goes through a topic is decoded as UTF-8",
    "inout": "there is no POST inout",
}
