"""An embedded Transform Hub: stores Sequences, runs Instances, carries their streams over HTTP.

server         puts the parts together; listener: where it listens; config: its settings; shutdown: how it ends
http           the REST API: routes, bodies, streams, connections
sequences      the store of packages, and what they need to run
instances      the life of each: start order, states, runs, restarts, end, history
channels       the stream primitive: one bounded channel of bytes with positions
topics         named streams between Instances and the outside
link           the Hub's end of a runner's channels
runtimes       where runners are started
reattach       Instances and topics that outlive their Hub
access         tokens and TLS
observability  log, audit, metrics, health
setup          configuration files, startup configuration, the service
"""
