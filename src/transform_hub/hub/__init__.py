"""An embedded Transform Hub: stores Sequences, runs Instances, carries their streams over HTTP.

server       puts the parts together; site: where it listens; lock: of its directory; shutdown: how it ends
api          the routes
sequences    the store of packages, and what they need to run
instances    the life of each: states, runs, restarts, end, history, and how it outlives its Hub
streams      channels, topics and the link to the runners
runtimes     where runners are processes
access       tokens, TLS, web pages
operations   log, audit, metrics, health
setup        settings, startup configuration, the service
"""
